"""Columns made of columns: date parts."""
