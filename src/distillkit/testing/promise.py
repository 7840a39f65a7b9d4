"""The error of a broken promise."""

from __future__ import annotations

from distillkit.losses import Loss


def promise(kept: object, loss: Loss, what: str) -> None:
    """Let a promise pass that is kept.

    Raises:
        AssertionError: It is broken: the loss, and what is wrong with it.
    """
    if not kept:
        raise AssertionError(f"{loss!r}: {what}.")
