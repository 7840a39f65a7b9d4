"""Statistics of a few seeded runs."""
