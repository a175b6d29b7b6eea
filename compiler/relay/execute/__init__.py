"""From an optimized module to a program that can be called, saved and profiled."""
