"""Builders and runners: candidates are compiled, checked and timed."""
