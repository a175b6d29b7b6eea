"""The loop IR: expressions, statements and functions, and their text, simplification and meaning."""
