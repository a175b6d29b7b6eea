"""Models of other formats as modules."""
