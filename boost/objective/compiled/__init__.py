"""Kernels of the losses: derivatives, row pairs and selection."""
