"""Frames of pandas, polars and Arrow as float32 values, with dictionaries of their categories."""
