"""The rows of the operators, a file for each family."""
