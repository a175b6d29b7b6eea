"""The loop IR: expressions, statements, functions, and what reads, prints, checks and runs them."""
