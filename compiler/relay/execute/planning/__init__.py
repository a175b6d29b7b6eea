"""From a data-flow function to kernels, places in memory, and calls in order."""
