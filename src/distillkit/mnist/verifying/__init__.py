"""Recomputing what a folder of results says, without training."""
