"""Training or evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def mode(module: nn.Module, *, training: bool) -> Iterator[None]:
    """Put every part of `module` in one mode, and each back in its own at the end, also after an error."""
    changed = [part for part in module.modules() if part.training is not training]
    try:
        if changed:
            module.train(training)
        yield
    finally:
        # not by train(), which would reach the children
        for part in changed:
            part.training = not training
