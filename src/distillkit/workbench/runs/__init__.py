"""Run files: what they may say, and the training that they describe."""
