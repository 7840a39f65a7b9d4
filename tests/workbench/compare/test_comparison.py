"""Two models side by side, against counts by hand and loops."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from distillkit import Ensemble, metrics
from distillkit.errors import ConfigurationError
from distillkit.workbench.compare.comparison import ModelComparison, compare_models
from distillkit.workbench.results.atomic import to_json

CASES, CLASSES = 300, 4
X = torch.randn(CASES, 6, generator=torch.Generator().manual_seed(0))
Y = torch.randint(CLASSES, (CASES,), generator=torch.Generator().manual_seed(1))


def net(units: int, seed: int = 0) -> nn.Sequential:
    """A net of random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, units), nn.ReLU(), nn.Dropout(0.5), nn.Linear(units, CLASSES))


def compared(teacher: nn.Module, student: nn.Module, **settings: Any) -> ModelComparison:
    """In a moment."""
    return compare_models(teacher, student, **{"precision": "fp32", "seconds": 0.002, **settings})


def test_sizes_by_hand_and_as_a_file(tmp_path: Path) -> None:
    """Parameters and products are counted; the bytes are those of a file that safetensors writes."""
    teacher, student = net(16), net(3)
    found = compared(teacher, student, inputs=X)
    assert found.teacher.parameters == 6 * 16 + 16 + 16 * CLASSES + CLASSES
    assert found.teacher.multiply_adds == 6 * 16 + 16 * CLASSES
    assert found.student.not_counted == {"ReLU": 1, "Dropout": 1}
    save_file(student.state_dict(), tmp_path / "student.safetensors")
    assert found.student.file_bytes == (tmp_path / "student.safetensors").stat().st_size
    assert found.answers is None


def test_answers_equal_a_loop() -> None:
    """Errors of each, of both and of one alone; agreement; and the exact test as a sum of binomials."""
    teacher, student = net(16).eval(), net(3, seed=1).eval()
    found = compared(teacher, student, data=(X, Y)).answers
    assert found is not None
    with torch.no_grad():
        says = [model(X).argmax(dim=-1).tolist() for model in (teacher, student)]
    triples = list(zip(*says, Y.tolist(), strict=True))
    only_teacher = sum(mine != label == other for mine, other, label in triples)
    only_student = sum(other != label == mine for mine, other, label in triples)
    both = sum(mine != label != other for mine, other, label in triples)
    assert found.cases == CASES
    assert found.shared_errors == both
    assert found.teacher.test_errors == only_teacher + both
    assert found.student.test_errors == only_student + both
    assert found.student.teacher_errors == found.teacher.test_errors
    assert found.student.teacher_agreement == sum(a == b for a, b, _ in triples) / CASES
    assert found.teacher.teacher_agreement is None
    assert found.test.difference == only_teacher - only_student
    n, k = only_teacher + only_student, min(only_teacher, only_student)
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    assert found.test.p == pytest.approx(min(1.0, 2 * tail), rel=1e-9)
    with torch.no_grad():
        logits = teacher(X)
    assert found.teacher.ece == metrics.expected_calibration_error(logits, Y)
    assert found.teacher_bins == metrics.calibration_bins(logits, Y)


def test_both_are_asked_of_the_same_cases_of_a_stream() -> None:
    """Data in another order each time: a model compared with itself shares every error."""
    teacher = net(8)
    stream = DataLoader([*zip(X, Y, strict=True)], batch_size=7, shuffle=True)
    found = compared(teacher, teacher, data=stream).answers
    assert found is not None
    assert found.shared_errors == found.teacher.test_errors == found.student.test_errors
    assert found.student.teacher_agreement == 1.0
    assert found.test.p == 1.0


@pytest.mark.parametrize(
    "data", [(X, Y), {"inputs": X, "labels": Y}, TensorDataset(X, Y)], ids=["tuple", "mapping", "dataset"]
)
def test_every_form_of_data(data: Any) -> None:
    """Inputs to be timed are the first batch; an ensemble is a teacher like any other."""

    class Net(nn.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.net = net(8, seed)

        def forward(self, inputs: Tensor) -> dict[str, Tensor]:
            return {"logits": self.net(inputs)}

    teacher = Ensemble([Net(0), Net(1)], average="logits")
    found = compared(teacher, Net(2), data=data, batch_size=5)
    plain = compared(teacher, Net(2), data=(X, Y))
    assert found.answers is not None
    assert plain.answers is not None
    assert found.answers.student.numbers() == plain.answers.student.numbers()
    assert found.teacher.parameters == 2 * found.student.parameters
    assert (found.latency.batch_size, found.throughput.batch_size) == (1, 5)


def test_models_and_randomness_are_left_as_they_were() -> None:
    """Modes, weights and the caller's generator."""
    teacher, student = net(8).train(), net(3).eval()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    compared(teacher, student, data=(X, Y))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(part.training for part in teacher.modules())
    assert not any(part.training for part in student.modules())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_where_it_was_measured_is_said() -> None:
    """Device, threads, precision and torch."""
    found = compared(net(8), net(3), inputs=X).measured_on
    assert (found["device"], found["precision"]) == ("cpu", "fp32")
    assert (found["threads"], found["torch"]) == (torch.get_num_threads(), torch.__version__)


def test_as_plain_data() -> None:
    """It goes to JSON, whatever the numbers are."""
    told = json.loads(to_json(compared(net(8), net(3), data=(X, Y)).to_dict()))
    assert told["latency"]["batch_size"] == 1
    assert told["throughput"]["rounds"] >= 5
    answers = told["answers"]
    assert answers["student"]["test_errors"] == sum(answers["student"]["errors_by_class"])
    assert sum(one["cases"] for one in answers["teacher"]["calibration"]) == CASES
    assert answers["test"]["name"] == "exact McNemar test"
    broken = net(3)
    nn.init.constant_(broken[0].bias, float("nan"))
    told = json.loads(to_json(compared(net(8), broken, data=(X, Y)).to_dict()))
    assert told["answers"]["student"]["nll"] is None
    assert told["answers"]["teacher_kl"] is None
    assert compared(net(8), net(3), inputs=X).to_dict()["answers"] is None


def test_state_that_is_more_than_tensors_has_no_size_as_a_file() -> None:
    """The rest is measured all the same."""

    class Extra(nn.Linear):
        def get_extra_state(self) -> str:
            return "more"

        def set_extra_state(self, state: str) -> None:
            pass

    found = compared(Extra(6, CLASSES), net(3), inputs=X)
    assert found.teacher.file_bytes is None
    assert found.teacher.parameters == 7 * CLASSES


@pytest.mark.parametrize(
    ("student", "settings", "told"),
    [
        (net(3), {}, "needs inputs or data"),
        (net(3), {"inputs": torch.zeros(2, 5)}, r"The teacher cannot answer a batch of shape \[2, 5\]"),
        (nn.Linear(6, 5), {"data": (X, Y)}, "must have the same classes"),
        (net(3), {"data": X}, "needs labels"),
        (net(3), {"data": (X[:0], Y[:0])}, r"at least one; got one of shape \[0, 6\]"),
        (net(3), {"data": []}, "no cases"),
        (net(3), {"data": 3}, "Data must be"),
        (net(3), {"inputs": X, "batch_size": 0}, "at least one example"),
        (net(3), {"inputs": X, "seconds": 0}, "must be above 0"),
        (net(3), {"inputs": X, "precision": "fp8"}, "fp8"),
        (net(3).to("meta"), {"inputs": X}, "on one device"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    student: nn.Module, settings: dict[str, Any], told: str
) -> None:
    """Of what is expected."""
    with pytest.raises(ConfigurationError, match=told):
        compared(net(8), student, **settings)
