"""How figures look: fonts, colours, and the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#222222"
GREY = "#6B6B6B"
ORANGE = "#D55E00"
BLUE = "#0072B2"
RED = "#C8102E"
"""Okabe and Ito's orange and blue are told apart by all; red marks dead classes, always with a shape."""

_SETTINGS: dict[str, Any] = {
    "font.size": 9.0,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9A9A9A",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    # Ids in an SVG are hashes with this salt instead of a random one.
    "svg.hashsalt": "distillkit",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw with these settings whatever the reader's own are, and leave those as they were."""
    with style.context(["default", _SETTINGS]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure in inches that belongs to no window and no global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def image(figure: Figure, kind: str) -> bytes:
    """The figure as "png" (150 dots an inch) or "svg", the same bytes each time."""
    buffer = BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=150, metadata=metadata, facecolor="white")
    return buffer.getvalue()
