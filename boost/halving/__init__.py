"""A search over the parameters of a training, by successive halving on the number of rounds."""

from boost.halving.search import Result, Search
from boost.halving.space import SPACE, Values, make_space

__all__ = ["SPACE", "Result", "Search", "Values", "make_space"]
