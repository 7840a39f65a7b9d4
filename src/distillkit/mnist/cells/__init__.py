"""Cells: one network to train, its runs, and the records that they leave."""
