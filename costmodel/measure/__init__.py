"""Measurement: candidates are built, checked and timed in a worker process."""
