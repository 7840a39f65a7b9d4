"""One size of a stack, in this process: `python -m benchmarks.stack_child JSON` prints JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.machine import peak_bytes, reset_peak
from benchmarks.report_students import TEMPERATURES, TRAINING, fit_together, report_student
from benchmarks.timing import interleaved, ratio, seconds, spread
from distillkit import Distiller, TeacherCache
from distillkit.mnist.protocols.protocol import REPORT_2025

_LEAST_EPOCHS = 3


def main(argument: dict[str, Any]) -> dict[str, Any]:
    """Time the stack and one of its students alone, in turn, after reading the stack's memory."""
    device = torch.device(argument["device"])
    students, steps = int(argument["students"]), int(argument["steps"])
    torch.set_num_threads(argument["threads"])
    generator = torch.Generator().manual_seed(0)
    cases = steps * TRAINING.batch_size
    images = torch.rand((cases, 1, 28, 28), generator=generator).mul_(2).sub_(1).to(device)
    train = images, torch.randint(10, (cases,), generator=generator).to(device)
    cache = TeacherCache()
    teacher = REPORT_2025.teacher.build(seed=0).to(device).eval()

    def make(count: int) -> list[Distiller]:
        temperatures = [temperature for temperature in TEMPERATURES if temperature is not None]
        return [
            report_student(
                argument["hidden_units"],
                temperatures[number % len(temperatures)],
                0 if argument["one_order"] else number,
                teacher=teacher,
                cache=cache,
                device=device,
                precision=argument["precision"],
            )
            for number in range(count)
        ]

    def stacked(epochs: int) -> None:
        fit_together(make(students), train, epochs=epochs, stack_size=students)

    def alone(epochs: int) -> None:
        make(1)[0].fit(train, epochs=epochs, batch_size=TRAINING.batch_size)

    def a_step(way: Callable[[int], object], together: int, turn: int) -> float:
        """Of the epochs after the first: all that is done once falls out."""
        later = max(_LEAST_EPOCHS, int(argument["student_steps"]) // (steps * together))
        first = seconds(lambda: way(1), device)
        more = seconds(lambda: way(1 + later), device)
        if more <= first:
            raise RuntimeError(f"{later} epochs more took no time: the machine was disturbed")
        return (more - first) / later / steps

    alone(1)  # the teacher answers here, once
    reset_peak(device)
    before = peak_bytes(device)
    stacked(1)
    peak = peak_bytes(device)
    timed = interleaved(
        {"stacked": partial(a_step, stacked, students), "alone": partial(a_step, alone, 1)},
        argument["rounds"],
    )
    a_student = [each / students for each in timed["stacked"]]
    return {
        "milliseconds_a_step": spread([1e3 * each for each in timed["stacked"]]),
        "milliseconds_a_student": spread([1e3 * each for each in a_student]),
        "milliseconds_alone": spread([1e3 * each for each in timed["alone"]]),
        "times_faster": ratio(timed["alone"], a_student),
        "peak_bytes_before": before,
        "peak_bytes": peak,
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
