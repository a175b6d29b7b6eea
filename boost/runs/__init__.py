"""Training runs from start to end: `train` and `cv`."""
