"""Jobs: which cells and experiments run, in which order, and in which process."""
