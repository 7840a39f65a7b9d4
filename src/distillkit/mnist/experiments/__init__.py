"""Experiments of the paper that are more than a network trained: H9, H10, H13, H14, and its soft targets.

Each file measures one thing, with the library's public names alone, and returns plain data; the file beside
it whose name ends in `_figure` draws that data. `suite` runs them by name, `figures` writes what they found.
"""
