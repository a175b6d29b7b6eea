"""Simplification of expressions and statements of the loop IR."""
