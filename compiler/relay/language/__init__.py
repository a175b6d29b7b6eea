"""The language: types, expressions, modules, operators as rows, traversal and comparison."""
