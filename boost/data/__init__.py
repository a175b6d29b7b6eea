"""Any table of a caller becomes a `DMatrix`: values, labels and weights; then cuts and bins."""
