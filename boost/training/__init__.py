"""Boosting rounds: trainer, DART, callbacks, `train` and `cv`."""
