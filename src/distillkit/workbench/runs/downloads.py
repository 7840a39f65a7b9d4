"""Other people's downloads, kept from waiting for ever and from writing to stdout."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

_SECONDS = 20.0


@contextmanager
def short_timeout() -> Iterator[None]:
    """For a while, a server that does not answer for 20 seconds is an error; what is printed goes to stderr.

    torchvision's downloads set no limit of their own, and wait as long as the socket's default allows.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)
