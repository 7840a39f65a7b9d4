"""Several teachers as one, against NumPy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distillkit import Ensemble
from distillkit.errors import ConfigurationError

INPUTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def members(count: int = 3, classes: int = 5) -> list[nn.Module]:
    """Linear teachers in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [nn.Linear(4, classes).double() for _ in range(count)]


class Says(nn.Module):
    """A teacher that gives its inputs back, in a form of its own."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self.form = form

    def forward(self, inputs: Tensor) -> Any:
        """The inputs in the form."""
        return self.form(inputs)


def test_probabilities_are_averaged() -> None:
    """The softmax of the ensemble's logits is the mean of the members' softmaxes."""
    teachers = members()
    scores = np.stack([teacher(INPUTS).detach().numpy() for teacher in teachers])
    powers = np.exp(scores)
    expected = (powers / powers.sum(-1, keepdims=True)).mean(0)
    found = Ensemble(teachers, average="probabilities")(INPUTS)
    np.testing.assert_allclose(found.softmax(-1).detach().numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(found.exp().detach().numpy(), expected, rtol=1e-12)


def test_logits_are_averaged() -> None:
    """The logits are the mean of the members' logits, so the probabilities are their geometric mean."""
    teachers = members()
    scores = np.stack([teacher(INPUTS).detach().numpy() for teacher in teachers])
    found = Ensemble(teachers, average="logits")(INPUTS).detach()
    np.testing.assert_allclose(found.numpy(), scores.mean(0), rtol=1e-12)
    powers = np.exp(scores)
    geometric = np.exp(np.log(powers / powers.sum(-1, keepdims=True)).mean(0))
    expected = geometric / geometric.sum(-1, keepdims=True)
    np.testing.assert_allclose(found.softmax(-1).numpy(), expected, rtol=1e-12)


def test_the_two_averages_differ() -> None:
    """The arithmetic mean of probabilities is not the geometric one."""
    one, other = (Ensemble(members(), average=average)(INPUTS) for average in ("probabilities", "logits"))
    assert (one.softmax(-1) - other.softmax(-1)).abs().max() > 1e-3


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_one_member_is_itself(average: str) -> None:
    """An ensemble of one says what its member says, up to a constant per row."""
    (teacher,) = members(1)
    difference = Ensemble([teacher], average=average)(INPUTS) - teacher(INPUTS)
    torch.testing.assert_close(difference - difference.mean(-1, keepdim=True), torch.zeros_like(difference))


@pytest.mark.parametrize("average", ["probabilities", "logits"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_averages_in_float32(average: str, dtype: torch.dtype) -> None:
    """Half-precision members are averaged in float32: no further rounding."""
    one, other = INPUTS.to(dtype), (INPUTS * 3).to(dtype)
    found = Ensemble([Says(lambda _: one), Says(lambda _: other)], average=average)(one)
    exact = Ensemble([Says(lambda _: one.float()), Says(lambda _: other.float())], average=average)(one)
    assert found.dtype == torch.float32
    assert torch.equal(found, exact)


def test_extreme_logits_are_finite() -> None:
    """Members that are certain of different classes give finite logits."""
    far = torch.tensor([[1e4, -1e4]])
    both = Ensemble([Says(lambda inputs: far), Says(lambda inputs: -far)], average="probabilities")(far)
    torch.testing.assert_close(both.softmax(-1), torch.tensor([[0.5, 0.5]]))


def test_members_are_left_as_they_are() -> None:
    """Making an ensemble changes no member's mode and freezes nothing."""
    teachers = members()
    teachers[0].eval()
    teachers[1].requires_grad_(False)
    Ensemble(teachers, average="logits")
    assert [teacher.training for teacher in teachers] == [False, True, True]
    assert [teacher.weight.requires_grad for teacher in teachers] == [True, False, True]


@pytest.mark.parametrize(
    "form", [lambda x: x, lambda x: (x, "more"), lambda x: {"logits": x}, lambda x: SimpleNamespace(logits=x)]
)
def test_members_may_speak_in_any_form(form: Any) -> None:
    """A member may give a tensor, a tuple, a mapping or an object with `.logits`."""
    assert torch.equal(Ensemble([Says(form)], average="logits")(INPUTS), INPUTS)


def test_inputs_by_name_reach_the_members() -> None:
    """Inputs passed by name are passed on by name."""
    assert torch.equal(Ensemble([Says(lambda x: x)], average="logits")(inputs=INPUTS), INPUTS)


def test_members_of_other_classes_are_refused() -> None:
    """Members that know different numbers of classes are one sentence that names the shapes."""
    mixed = Ensemble([*members(1), *members(1, classes=7)], average="logits")
    with pytest.raises(ConfigurationError, match=r"one shape, got \[\(6, 5\), \(6, 7\)\]"):
        mixed(INPUTS)


def test_what_is_no_ensemble_is_refused() -> None:
    """No members, no such average, or a member that gives no logits: one sentence each."""
    with pytest.raises(ConfigurationError, match="at least one member, got none"):
        Ensemble([], average="logits")
    with pytest.raises(ConfigurationError, match="average must be 'probabilities' or 'logits', got 'median'"):
        Ensemble(members(), average="median")
    with pytest.raises(ConfigurationError, match=r"^A member of the Ensemble returned str, in which"):
        Ensemble([Says(lambda inputs: "three")], average="logits")(INPUTS)
    with pytest.raises(ConfigurationError, match=r"members of an Ensemble must be modules, got function"):
        Ensemble([*members(), lambda inputs: inputs], average="logits")
