"""The interpreter, which defines what an expression computes."""
