"""Views of a model: dumps, importance, summaries, plots and drawings of trees."""
