"""The teacher's answers, live or kept."""
