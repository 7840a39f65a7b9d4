"""Experiments of the paper that are more than a network trained: H9, H10, H13, H14, and its soft targets.

Each is a room: `measure` returns plain data, `experiment` says what it asks and what came of it, `figure`
draws it. `catalogue` is the one list of them; what they share stands beside it.
"""
