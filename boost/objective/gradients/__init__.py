"""Kernels that compute gradients and hessians: of single rows, and of row pairs in query groups."""
