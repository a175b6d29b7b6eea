"""Passes that make models fast, one in a file."""
