"""Boosting rounds on a `Model`: trainer, dropout, metrics and callbacks."""
