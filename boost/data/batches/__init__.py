"""Tables that are given in batches: read twice, to find the cuts and to bin, and never held as a whole."""
