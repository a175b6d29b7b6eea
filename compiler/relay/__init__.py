"""A typed functional graph language for models, and its compiler (Relay, arXiv 1810.00952)."""
