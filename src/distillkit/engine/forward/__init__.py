"""Calling a model: precision, modes, dropout, compiling, and the outputs of its layers."""
