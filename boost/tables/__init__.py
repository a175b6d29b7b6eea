"""Tables in files: train and predict in the words of the table, for the command line."""
