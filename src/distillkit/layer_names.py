"""Which layers of a model a name or a pattern means."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from distillkit.errors import ConfigurationError

VOICES = "voices"
"""The layer of an `Ensemble` that gives what each of its members says, `[batch, members, ..., classes]`."""
_WILD = frozenset("*?[")
_SHOWN = 12


def layers_like(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a pattern means, in their order: the one that it is, or those that it matches.

    `*`, `?` and `[...]` are as in a shell and stand for something between two dots, so that `layer*` is
    `layer1` and not `layer1.0`.

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
    """The error where a pattern means nothing: close matches, else the first names there are."""
    listed = list(names)
    if pattern == VOICES:
        way_out = "pass Ensemble([...], average='probabilities') in its place."
        if any(name.endswith(f".{VOICES}") for name in listed):
            way_out = "there is one within it, so put what is around the Ensemble around each member instead."
        return ConfigurationError(
            f"{who} is no Ensemble, and the loss looks at what each member of one says: {way_out}"
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
