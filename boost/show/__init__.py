"""A model shown to a person: dumps, plots, drawings and summaries."""
