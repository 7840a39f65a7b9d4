"""Many names in few words."""

from __future__ import annotations

from collections.abc import Sequence

MOST = 3
"""Names that are given before the others are counted."""


def few_of(names: Sequence[str]) -> str:
    """The first names of many, and how many more there are.

    Example:
        >>> few_of(["D10-T1", "D10-T2", "D30-T1", "D30-T2", "D30-T4"])
        'D10-T1, D10-T2, D30-T1 and 2 more'
    """
    more = len(names) - MOST
    # the place of "and 1 more" holds a name
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:MOST])} and {more} more"
