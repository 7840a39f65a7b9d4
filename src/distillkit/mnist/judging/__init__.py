"""Judging: published numbers, claims, and the ledger that holds ours against them."""
