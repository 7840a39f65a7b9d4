"""The engine: how a student is trained. Nothing here knows a concrete loss or transfer set."""
