"""Operators on whole arrays: element-wise functions, reductions, softmax, transposition."""
