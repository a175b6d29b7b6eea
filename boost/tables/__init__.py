"""Tables in CSV, Parquet and Arrow files: train, predict and explain by the names of their columns."""
