"""Data frames of every library, and dictionaries of categories, become numbers."""
