"""The log of the library, on stderr beside the progress."""

from __future__ import annotations

import logging

from distillkit.cli.console import stderr


def show_logs(*, verbose: bool) -> None:
    """Show warnings; with `verbose` also what the engine decides, such as stacks and compiling."""
    # imported here for a quick start
    from rich.logging import RichHandler

    handler = RichHandler(console=stderr(), show_time=False, show_path=False, markup=False)
    logger = logging.getLogger("distillkit")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    # it warns of a missing GPU on any machine that has NVIDIA's compiler
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
