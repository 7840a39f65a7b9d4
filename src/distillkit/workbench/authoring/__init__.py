"""Help for those who write losses and run files: templates, listings, schemas."""
