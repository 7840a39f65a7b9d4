"""Protocols: complete settings under which the experiments run."""
