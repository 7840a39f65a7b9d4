"""The teacher's outputs, live or kept."""
