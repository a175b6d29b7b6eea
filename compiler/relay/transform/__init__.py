"""Passes on the language itself, one in a file."""
