"""What the comparisons with other libraries share: modules, random batches, and what counts as equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

WITHOUT = "{} is not installed; `pip install -e '.[parity]'` brings the libraries to compare with"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What another library warns of as it is imported and used is not for us to mend."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def peer() -> Callable[[str], ModuleType]:
    """A module of another library; without it the test is skipped."""

    def find(name: str) -> ModuleType:
        found: ModuleType = pytest.importorskip(
            name, reason=WITHOUT.format(name), exc_type=ModuleNotFoundError
        )
        return found

    return find


@dataclass(frozen=True)
class Batch:
    """Logits of both sides with labels, a temperature, and how near two programs come in this precision."""

    student: Tensor
    teacher: Tensor
    labels: Tensor
    temperature: float
    rtol: float

    @property
    def classes(self) -> int:
        """How many there are."""
        return self.student.shape[-1]


@pytest.fixture(
    params=[(seed, t) for seed, t in enumerate((1.0, 2.0, 4.0, 20.0))] + [(4, 4.0)],
    ids=["T1", "T2", "T4", "T20", "T4-float32"],
)
def batch(request: pytest.FixtureRequest) -> Batch:
    """Of 32 examples and 10 classes; the last one in single precision."""
    seed, temperature = request.param
    double = seed < 4
    generator = torch.Generator().manual_seed(seed)
    student, teacher = 3 * torch.randn(2, 32, 10, generator=generator, dtype=torch.float64)
    labels = torch.randint(10, (32,), generator=generator)
    if not double:
        student, teacher = student.float(), teacher.float()
    return Batch(student, teacher, labels, temperature, 1e-10 if double else 1e-5)


@pytest.fixture(params=range(3))
def maps(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Of student and teacher, 5 examples of 6 channels of 8 × 8."""
    generator = torch.Generator().manual_seed(request.param)
    one, other = torch.randn(2, 5, 6, 8, 8, generator=generator, dtype=torch.float64)
    return one, other


@pytest.fixture(params=range(3))
def rows(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Features of student and teacher, 9 examples of 7 numbers."""
    generator = torch.Generator().manual_seed(request.param)
    one, other = torch.randn(2, 9, 7, generator=generator, dtype=torch.float64)
    return one, other


@pytest.fixture
def agree(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Two numbers are one; how far they are apart is kept with the test's result."""

    def check(ours: Tensor | float, expected: Tensor | float, *, rtol: float = 1e-10) -> None:
        apart = abs(float(ours) - float(expected)) / abs(float(expected))
        record_property("apart", apart)
        assert float(ours) == pytest.approx(float(expected), rel=rtol)

    return check
