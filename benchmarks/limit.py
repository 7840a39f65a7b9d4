"""Share of the machine's limit that `fit` reaches, for a step of the student 784-800-800-10.

The limit is the larger of two times: that of the step's matrix products alone, each measured in its very
shape; and that of the bytes that have to move at least once, at the bandwidth measured on as many bytes.
"""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from benchmarks.breakdown import Profiled
from benchmarks.report_students import report_student
from benchmarks.setting import Setting
from benchmarks.tables import number, percent, spread_of, table
from benchmarks.timing import interleaved, now, spread
from distillkit import Callback, Distiller, TeacherCache
from distillkit.mnist.protocols.protocol import REPORT_2025
from distillkit.workbench import SettledPrecision

WIDTHS = (784, 800, 800, 10)
BATCHES = (100, 512)
EPOCHS = {"bf16": 41}
"""Of 200 steps, where not 3: enough work for `compile="auto"` to compile what it compiles in a training."""
FLOAT = 4
"""Bytes of a weight, a gradient, a momentum."""
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def measure(setting: Setting) -> dict[str, Any]:
    """For each batch size and precision: the two times of the limit, `fit`'s, and where the rest goes."""
    return {
        "rounds": setting.rounds,
        "bandwidth_far_gb_s": spread(
            [1e-9 * _bandwidth(400_000_000, setting) for _ in range(setting.rounds)]
        ),
        "cases": [_case(batch, precision, setting) for batch in BATCHES for precision in setting.precisions],
    }


def _case(batch: int, precision: SettledPrecision, setting: Setting) -> dict[str, Any]:
    steps = 10 if setting.quick else 200
    epochs = 2 if setting.quick else EPOCHS.get(precision, 3)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((batch * steps, 1, 28, 28), generator=generator).mul_(2).sub_(1)
    train = (
        images.to(setting.device),
        torch.randint(10, (batch * steps,), generator=generator).to(setting.device),
    )
    bytes_moved = _bytes(batch)
    timed = interleaved(
        {
            "products": lambda _: sum(_product(shape, precision, setting) for shape in products(batch)),
            "bytes": lambda _: bytes_moved / _bandwidth(bytes_moved, setting),
            "fit": lambda _: _fit(_distiller(precision, setting), train, batch, epochs) / steps,
        },
        setting.rounds,
    )
    limit = [max(pair) for pair in zip(timed["products"], timed["bytes"], strict=True)]
    operations = sum(2 * m * k * n for m, k, n in products(batch))
    profiled = Profiled(setting.device)
    _fit(_distiller(precision, setting, profiled), train, batch, epochs)
    return {
        "batch": batch,
        "precision": precision,
        "gflop_a_step": operations * 1e-9,
        "megabytes_a_step": bytes_moved * 1e-6,
        "product_rate_gflop_s": spread([operations * 1e-9 / each for each in timed["products"]]),
        "bandwidth_gb_s": spread([bytes_moved * 1e-9 / each for each in timed["bytes"]]),
        "milliseconds_products": spread([1e3 * each for each in timed["products"]]),
        "milliseconds_bytes": spread([1e3 * each for each in timed["bytes"]]),
        "milliseconds_fit": spread([1e3 * each for each in timed["fit"]]),
        "share_of_limit": spread([a / b for a, b in zip(limit, timed["fit"], strict=True)]),
        "where_it_goes": profiled.shares(),
    }


def products(batch: int) -> list[tuple[int, int, int]]:
    """The matrix products of a step as (m, k, n): forward, weights' gradients, inputs' gradients."""
    layers = list(pairwise(WIDTHS))
    forward = [(batch, before, after) for before, after in layers]
    weights = [(after, batch, before) for before, after in layers]
    inputs = [(batch, after, before) for before, after in layers[1:]]
    return forward + weights + inputs


def _bytes(batch: int) -> int:
    """What a step has to read and write at least once, in float32.

    Weights: read forward and, but for the first layer, backward; gradients written; the optimiser reads
    weights, gradients and momenta and writes weights and momenta. The norm for clipping could be taken as the
    gradients are written, so it counts nothing. Activations: written and read forward, their gradients
    likewise, and read once more for the weights' gradients. The batch: gathered (read and written), and read
    twice.
    """
    layers = [before * after + after for before, after in pairwise(WIDTHS)]
    weights = sum(layers) * (1 + 1 + 3 + 2) + sum(layers[1:])
    activations = batch * sum(WIDTHS[1:]) * 5
    return FLOAT * (weights + activations + batch * WIDTHS[0] * 4)


def _product(shape: tuple[int, int, int], precision: str, setting: Setting) -> float:
    """Seconds of one product of this shape, the median of some."""
    m, k, n = shape
    kind = _TYPES[precision]
    left, right = (torch.randn(size, device=setting.device).to(kind) for size in ((m, k), (k, n)))
    out = torch.empty((m, n), device=setting.device, dtype=kind)
    times = []
    with torch.no_grad():
        for turn in range(6 if setting.quick else 40):
            began = now(setting.device)
            torch.mm(left, right, out=out)
            if turn:
                times.append(now(setting.device) - began)
    return statistics.median(times)


def _bandwidth(amount: int, setting: Setting) -> float:
    """Bytes a second of a triad, a = b + 2 c, over three tensors that are `amount` bytes together."""
    first, second, third = (torch.ones(amount // (3 * FLOAT), device=setting.device) for _ in range(3))
    times = []
    for turn in range(4 if setting.quick else 20):
        began = now(setting.device)
        torch.add(second, third, alpha=2, out=first)
        if turn:
            times.append(now(setting.device) - began)
    return 3 * FLOAT * len(first) / statistics.median(times)


def _distiller(precision: SettledPrecision, setting: Setting, *callbacks: Callback) -> Distiller:
    """The report's student at T = 4, with its clipping and momentum."""
    return report_student(
        WIDTHS[1],
        4.0,
        0,
        teacher=REPORT_2025.teacher.build(seed=0).to(setting.device).eval(),
        cache=TeacherCache(),
        device=setting.device,
        precision=precision,
        callbacks=callbacks,
    )


def _fit(distiller: Distiller, train: tuple[Tensor, Tensor], batch: int, epochs: int) -> float:
    """Seconds of the median epoch but for the first, in which tensors are made and passes are compiled."""
    history = distiller.fit(train, epochs=epochs, batch_size=batch)
    return statistics.median(history.attrs["seconds"][1:])


def show(results: dict[str, Any]) -> str:
    """The tables of the page."""
    head = ("Batch", "Precision", "Products, ms", "Bytes, ms", "`fit`, ms a step", "Share of the limit")
    rows = [
        [
            str(case["batch"]),
            case["precision"],
            f"{spread_of(case['milliseconds_products'])} at "
            f"{number(case['product_rate_gflop_s']['median'])} GFLOP/s",
            f"{spread_of(case['milliseconds_bytes'])} at {number(case['bandwidth_gb_s']['median'])} GB/s",
            spread_of(case["milliseconds_fit"]),
            f"**{percent(case['share_of_limit']['median'])}**",
        ]
        for case in results["cases"]
    ]
    groups = list(results["cases"][0]["where_it_goes"])
    going = [
        [
            str(case["batch"]),
            case["precision"],
            *(percent(case["where_it_goes"][group]["share"]) for group in groups),
        ]
        for case in results["cases"]
    ]
    return "\n\n".join(
        [
            "The limit is the larger of the products and the bytes. The bandwidth is that of as many bytes "
            "as a step moves, which caches may hold; over 400 MB it is "
            f"{spread_of(results['bandwidth_far_gb_s'])} GB/s.",
            table(head, rows),
            "Where a step's time goes, by the profiler's self times in the last epoch (it makes small "
            "operations look slower than they are):",
            table(("Batch", "Precision", *groups), going),
        ]
    )
