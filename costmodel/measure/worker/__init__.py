"""The process that candidates run in: it compiles, runs, checks and times them."""
