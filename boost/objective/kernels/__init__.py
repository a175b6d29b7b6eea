"""Kernels of the losses: derivatives, sorting and selection."""
