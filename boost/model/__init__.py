"""A trained model: its parts, files, feature contributions, intervals and uncertainty."""
