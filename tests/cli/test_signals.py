"""Signals unwind the program, also where what they raised was passed over."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
from distillkit.cli.signals import Terminated, end_if_asked, end_on_signals
end_on_signals()
end_if_asked()  # nobody has asked
try:
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    for _ in range(1000000):
        pass
except BaseException:
    pass  # as some imports do
try:
    end_if_asked()
except (KeyboardInterrupt, Terminated) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(("sent", "raised"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "Terminated")])
def test_a_signal_that_was_lost_unwinds_later(sent: str, raised: str) -> None:
    """At the next step of a training."""
    outcome = subprocess.run(
        [sys.executable, "-c", PROGRAM, sent], capture_output=True, text=True, check=True
    )
    assert outcome.stdout == f"{raised}\n"
