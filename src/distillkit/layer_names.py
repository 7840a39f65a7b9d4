"""Names of layers, and patterns for them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from distillkit.errors import ConfigurationError

MEMBER_LOGITS = "member-logits"
"""The layer of an `Ensemble` whose output is its members' logits, `[batch, members, ..., classes]`.

No attribute of Python has a hyphen in its name, so `self.name = module` never makes a layer of this name.
"""
_WILD = frozenset("*?[")
_SHOWN = 12


def layers_like(pattern: str, names: Iterable[str]) -> list[str]:
    """Return the names that a pattern matches, in their order; a pattern that is a name matches it alone.

    `*`, `?` and `[...]` work as in a shell, but match no dot: `layer*` matches `layer1`, not `layer1.0`.

    Example:
        >>> layers_like("layer*", ["stem", "layer1", "layer1.0", "layer2"])
        ['layer1', 'layer2']
    """
    listed = list(names)
    if pattern in listed:
        return [pattern]
    if not _WILD & set(pattern):
        return []
    parts = pattern.split(".")
    return [name for name in listed if _matches(name.split("."), parts)]


def no_such_layer(pattern: str, names: Iterable[str], who: str) -> ConfigurationError:
    """Return the error of a pattern that matches no layer, with close matches or else the first names."""
    listed = list(names)
    if pattern == MEMBER_LOGITS:
        way_out = "pass Ensemble([...], average='probabilities') in its place."
        if any(name.endswith(f".{MEMBER_LOGITS}") for name in listed):
            way_out = "it contains one, so put what is around the Ensemble around each member instead."
        return ConfigurationError(
            f"{who} is no Ensemble, and the loss uses the logits of each member of one: {way_out}"
        )
    close = get_close_matches(pattern, listed, n=3, cutoff=0.5)
    close += [name for name in listed if name.rpartition(".")[2] == pattern and name not in close]
    if close:
        hint = f"did you mean {', '.join(map(repr, close[:5]))}?"
    else:
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        hint = f"its layers are {', '.join(listed[:_SHOWN]) or 'none'}{more} (see named_modules())."
    return ConfigurationError(f"{who} has no layer {pattern!r}: {hint}")


def _matches(name: list[str], pattern: list[str]) -> bool:
    return len(name) == len(pattern) and all(map(fnmatchcase, name, pattern))
