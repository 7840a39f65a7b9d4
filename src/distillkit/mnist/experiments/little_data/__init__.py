"""Soft targets instead of data: what is measured, the experiment, its figure."""
