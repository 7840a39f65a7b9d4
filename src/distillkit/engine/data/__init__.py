"""Batches: from what a person passes to the examples of a step, their order and their views."""
