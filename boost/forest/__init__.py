"""Finished trees: their structure, prediction, and Shapley values."""
