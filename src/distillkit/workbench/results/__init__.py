"""Results on disk, and where they were measured."""
