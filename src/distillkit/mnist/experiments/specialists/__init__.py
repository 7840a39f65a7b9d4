"""Specialists for confusable classes: what is measured, the experiment, its figure."""
