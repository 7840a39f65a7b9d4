"""What a loss sees of the layers of both sides, and what it learns to compare them."""
