"""The parts of a search: its trials and their state, scores, the outcome, and interruption."""
