"""`boost.tree` of version 0.1."""

from boost.forest.forest import Forest
from boost.forest.tree import Tree

__all__ = ["Forest", "Tree"]
