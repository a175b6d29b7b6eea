"""A typed functional graph language for models: text, inference, gradients, passes, execution (arXiv 1810.00952)."""
