"""The text of modules: parser and printer."""
