"""How many runs go on side by side where nobody says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from distillkit.mnist.jobs.concurrency import number_that_ends_first


@dataclass(eq=False)
class Step:
    """A unit that costs what it says."""

    cost: float
    makes: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    runs: tuple[str, ...] = field(default=("a run",))
    epochs: int = 1

    def seconds(self, costs: Any) -> float:
        """As it says."""
        return self.cost


def seeds(number: int, teacher: float, students: list[float]) -> list[Step]:
    """Stage by stage, as a job plans them."""
    teachers = [Step(teacher, makes=frozenset({f"teacher {seed}"})) for seed in range(number)]
    taught = [
        Step(student, needs=frozenset({f"teacher {seed}"})) for student in students for seed in range(number)
    ]
    return [*teachers, *taught]


@pytest.mark.parametrize(
    ("plan", "at_most", "cores", "number"),
    [
        (seeds(1, 100, [10, 10, 10]), 2, 2, 1),  # the teacher has both cores: 130 / 1.6 < 100 + 20
        (seeds(1, 10, [10] * 20), 2, 2, 2),  # 210 / 1.6 > 10 + 100
        (seeds(2, 100, [10, 10, 10]), 2, 2, 2),  # a teacher a core
        (seeds(2, 100, [10, 10, 10]), 8, 8, 2),  # four cores a teacher
        (seeds(8, 100, []), 8, 8, 8),
        (seeds(8, 100, []), 3, 8, 2),  # 4 x 100 / 4 ^ 0.7, and not 3 x 100 / 2 ^ 0.7
        ([Step(5)], 2, 2, 1),
        (seeds(8, 100, []), 1, 8, 1),
    ],
)
def test_the_job_that_ends_first_is_taken(plan: list[Step], at_most: int, cores: int, number: int) -> None:
    """By arithmetic on what is computed."""
    assert number_that_ends_first(plan, at_most, cores) == number


def test_a_student_begins_when_its_teacher_ends() -> None:
    """A chain alone has both cores; what needs none of it goes on beside it: 30 < 60 / 1.6."""
    chain = [
        Step(10, makes=frozenset({"first"})),
        Step(10, makes=frozenset({"second"}), needs=frozenset({"first"})),
        Step(10, needs=frozenset({"second"})),
    ]
    assert number_that_ends_first(chain, 2, 2) == 1
    assert number_that_ends_first([*chain, Step(30)], 2, 2) == 2
