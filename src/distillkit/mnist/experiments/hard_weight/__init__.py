"""Errors by the weight of the hard labels: what is measured, the experiment, its figure."""
