"""What a model shows: dumps, importance, summaries, plots and drawings of trees."""
