"""Tasks in processes of their own, and who follows them."""
