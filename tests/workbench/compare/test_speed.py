"""Speeds on a clock that the models move themselves, and once on a real one."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from distillkit.engine.forward.precision import Precision, resolve_precision
from distillkit.errors import ConfigurationError
from distillkit.workbench.compare import speed
from distillkit.workbench.compare.speed import Speed, Spread, measure_latency, measure_throughput, rows

FP32 = resolve_precision("fp32", torch.device("cpu"))
INPUTS = torch.zeros(3, 2)


class Clock:
    """Time that passes only while a model works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log = ""

    def perf_counter(self) -> float:
        """The time."""
        return self.now


class Works(nn.Module):
    """Takes so long for a pass, and so long for each example in it; on a machine that may be slow."""

    def __init__(
        self, name: str, clock: Clock, a_pass: float, an_example: float, slow: Callable[[float], float]
    ) -> None:
        super().__init__()
        self.name, self.clock, self.a_pass, self.an_example, self.slow = name, clock, a_pass, an_example, slow

    def forward(self, x: Tensor) -> Tensor:
        """What comes in goes out."""
        assert not self.training
        assert not torch.is_grad_enabled()
        self.clock.now += (self.a_pass + self.an_example * len(x)) * self.slow(self.clock.now)
        self.clock.log += self.name
        return x


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In place of the real one."""
    made = Clock()
    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=made.perf_counter))
    return made


def models(clock: Clock, slow: Callable[[float], float] = lambda now: 1.0) -> tuple[Works, Works]:
    """A teacher of 5 ms and 3 ms an example, a student of 1 ms and 1 ms an example."""
    return Works("t", clock, 0.005, 0.003, slow), Works("s", clock, 0.001, 0.001, slow)


def test_latency_is_of_one_example(clock: Clock) -> None:
    """8 ms and 2 ms, whatever the batch that the example is taken from."""
    found = measure_latency(*models(clock), INPUTS, precision=FP32, seconds=1.0)
    assert found.batch_size == 1
    assert found.seconds("teacher").median == pytest.approx(0.008)
    assert found.seconds("student").quartiles == pytest.approx((0.002, 0.002))
    assert found.speedup.median == pytest.approx(4.0)
    assert found.examples_a_second("student").median == pytest.approx(500.0)


def test_throughput_is_of_whole_batches(clock: Clock) -> None:
    """Ten examples take 35 ms and 11 ms; there are three, and they are repeated."""
    found = measure_throughput(*models(clock), INPUTS, batch_size=10, precision=FP32, seconds=1.0)
    assert found.examples_a_second("teacher").median == pytest.approx(10 / 0.035)
    assert found.examples_a_second("student").median == pytest.approx(10 / 0.011)
    assert found.speedup.median == pytest.approx(35 / 11)


def test_a_machine_that_grows_slower_does_not_show_in_the_ratio(clock: Clock) -> None:
    """In the end it takes three times as long: the ratio of a round is what it was."""
    found = measure_latency(
        *models(clock, lambda now: 3.0 if now > 1.4 else 1.0), INPUTS, precision=FP32, seconds=2.0
    )
    assert (min(found.teacher_seconds), max(found.teacher_seconds)) == pytest.approx((0.008, 0.024))
    assert found.speedup.quartiles == pytest.approx((4.0, 4.0))


def test_who_goes_first_changes_from_round_to_round(clock: Clock) -> None:
    """After the warm-ups: teacher, student, student, teacher, and so on; both equally often."""
    found = measure_latency(*models(clock), INPUTS, precision=FP32, seconds=1.0)
    turns = [clock.log[0]] + [
        now for before, now in zip(clock.log, clock.log[1:], strict=False) if now != before
    ]
    # the warm-up of the student runs into nothing of its own: the first round begins with the teacher
    assert "".join(turns) == "ts" + "ts" + "ts" * ((found.rounds - 1) // 2) + "t" * ((found.rounds - 1) % 2)
    assert len(found.teacher_seconds) == len(found.student_seconds) == found.rounds


def test_slow_models_are_timed_five_times(clock: Clock) -> None:
    """However little time is given."""
    found = measure_latency(*models(clock), INPUTS, precision=FP32, seconds=0.001)
    assert found.rounds == 5


def test_the_time_that_is_given_is_kept(clock: Clock) -> None:
    """A round is two turns of 20 ms, or a little more."""
    found = measure_latency(*models(clock), INPUTS, precision=FP32, seconds=10.0)
    assert found.rounds == pytest.approx(10.0 / (0.024 + 0.02), rel=0.02)


def test_a_device_that_works_on_its_own_is_waited_for(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after each turn; where latency is measured, after each pass too."""
    device = torch.device("meta")  # stands for a GPU
    teacher, student = models(clock)

    def wait(which: torch.device) -> None:
        assert which == device
        clock.log += "|"

    monkeypatch.setattr(torch.accelerator, "synchronize", wait)
    apart = Precision("fp32", device)
    measure_latency(teacher, student, INPUTS, precision=apart, seconds=0.5)
    assert re.fullmatch(r"(\|(t\|)+\||\|(s\|)+\|)+", clock.log)
    clock.log = ""
    measure_throughput(teacher, student, INPUTS, batch_size=2, precision=apart, seconds=0.5)
    assert re.fullmatch(r"(\|t+\||\|s+\|)+", clock.log)
    assert "sss" in clock.log


def test_on_a_real_clock() -> None:
    """A nap of 6 ms, and one of 2 ms."""

    class Naps(nn.Module):
        def __init__(self, seconds: float) -> None:
            super().__init__()
            self.seconds = seconds

        def forward(self, x: Tensor) -> Tensor:
            time.sleep(self.seconds)
            return x

    found = measure_latency(Naps(0.006), Naps(0.002), INPUTS, precision=FP32, seconds=0.05)
    assert found.seconds("teacher").median >= 0.006
    assert found.seconds("student").median >= 0.002
    assert found.speedup.median > 1


def test_models_are_left_in_the_mode_that_they_were_in(clock: Clock) -> None:
    """Part by part; gradients are on again, also where a model fails."""
    teacher, student = models(clock)
    teacher.train()
    student.eval()
    measure_latency(teacher, student, INPUTS, precision=FP32, seconds=0.01)
    assert (teacher.training, student.training) == (True, False)
    with pytest.raises(ConfigurationError, match="The student cannot answer a batch of 1"):
        measure_latency(teacher, nn.Linear(5, 2), INPUTS, precision=FP32, seconds=0.01)
    assert teacher.training
    assert torch.is_grad_enabled()


def test_a_batch_that_a_model_cannot_take_is_one_sentence() -> None:
    """With what it said."""
    with pytest.raises(
        ConfigurationError, match=r"The teacher cannot answer a batch of 7 \(RuntimeError: mat1"
    ):
        measure_throughput(
            nn.Linear(5, 2), nn.Linear(2, 2), INPUTS, batch_size=7, precision=FP32, seconds=0.01
        )


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf")])
def test_no_time_to_measure_in(seconds: float) -> None:
    """Is refused."""
    with pytest.raises(ConfigurationError, match="must be above 0"):
        measure_latency(nn.Identity(), nn.Identity(), INPUTS, precision=FP32, seconds=seconds)


def test_rows_of_a_mapping() -> None:
    """Each part alike; a batch that is no tensor, or is empty, is refused."""
    batch = {"x": torch.tensor([[1.0], [2.0]]), "y": torch.tensor([3, 4])}
    assert {name: part.tolist() for name, part in rows(batch, 3).items()} == {
        "x": [[1.0], [2.0], [1.0]],
        "y": [3, 4, 3],
    }
    for other in ([1.0, 2.0], torch.tensor(3.0), torch.zeros(0, 2)):
        with pytest.raises(ConfigurationError, match="a row an example"):
            rows(other, 2)


def test_quartiles_are_those_of_the_standard_library() -> None:
    """By linear interpolation between the values, ends included."""
    values = torch.randn(50, generator=torch.Generator().manual_seed(0)).tolist()
    found = Spread.of(values)
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    assert (found.quartiles[0], found.median, found.quartiles[1]) == pytest.approx((lower, median, upper))


def test_the_speedup_is_of_each_round() -> None:
    """Not of the medians."""
    found = Speed(1, teacher_seconds=(2.0, 30.0, 4.0), student_seconds=(1.0, 3.0, 4.0))
    assert found.speedup.median == 2.0
    assert found.seconds("teacher").median / found.seconds("student").median == pytest.approx(4 / 3)
