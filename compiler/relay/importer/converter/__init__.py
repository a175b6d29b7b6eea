"""The conversions of the operators of model files, by family."""
