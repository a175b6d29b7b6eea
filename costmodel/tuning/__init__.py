"""Parts of `costmodel.tune`: the trials of a run, the scores, progress, result, and Ctrl-C."""
