"""From a schedule to the first loop nest."""
