"""Columns made of columns: date parts and target statistics, kept in the model and applied to raw frames."""
