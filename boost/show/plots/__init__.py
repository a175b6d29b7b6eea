"""Plots of a model, its training, its contributions and its fit; the first one imports Matplotlib."""
