"""A trained model: what it holds, its files, explanations, intervals and uncertainty."""
