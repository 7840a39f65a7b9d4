"""Several teachers as one, against NumPy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distillkit import Distiller, Ensemble
from distillkit.errors import ConfigurationError
from distillkit.layer_names import MEMBER_LOGITS
from distillkit.losses import BestOf

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


@pytest.mark.parametrize("weights", [(3, 1, 2), (0.2, 0.5, 0.3), (0, 1, 1), (0, 5, 0)])
def test_weights_are_those_of_the_mean(weights: tuple[float, ...]) -> None:
    """Of the members' probabilities, or of their logits, NumPy's weighted mean; a weight of 0 is no say."""
    teachers = members()
    scores = np.stack([teacher(INPUTS).detach().numpy() for teacher in teachers])
    probabilities = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    mixed = Ensemble(teachers, average="probabilities", weights=weights)(INPUTS).detach()
    expected = np.average(probabilities, axis=0, weights=weights)
    np.testing.assert_allclose(mixed.exp().numpy(), expected, rtol=1e-12)
    averaged = Ensemble(teachers, average="logits", weights=weights)(INPUTS).detach()
    np.testing.assert_allclose(averaged.numpy(), np.average(scores, axis=0, weights=weights), rtol=1e-12)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_whole_weights_are_members_more_than_once(average: str) -> None:
    """A member of weight 2 is as good as two of them."""
    one, other = members(2)
    repeated = Ensemble([one, one, other], average=average)(INPUTS)
    torch.testing.assert_close(Ensemble([one, other], average=average, weights=[2, 1])(INPUTS), repeated)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_weights_are_divided_by_their_sum(average: str) -> None:
    """Only how they stand to each other counts, and weights of 1 change no bit."""
    plain = Ensemble(members(), average=average)(INPUTS)
    assert torch.equal(Ensemble(members(), average=average, weights=[1, 1, 1])(INPUTS), plain)
    few, many = (Ensemble(members(), average=average, weights=(s, s, 2 * s)) for s in (0.1, 40))
    assert few.weights == pytest.approx((0.25, 0.25, 0.5))
    torch.testing.assert_close(few(INPUTS), many(INPUTS))


def test_a_member_without_a_say_may_say_anything() -> None:
    """What a member of weight 0 gives reaches no logit, finite or not."""
    wild = Says(lambda x: x * float("nan"))
    for average in ("probabilities", "logits"):
        found = Ensemble([*members(1, classes=4), wild], average=average, weights=[1, 0])(INPUTS)
        assert found.isfinite().all()


@pytest.mark.parametrize("weights", [(), (1, 1), (1, 1, -1), (0, 0, 0), (1, 1, float("nan")), "abc",
                                     (1, 1, float("inf")), (1, 1, None)])  # fmt: skip
def test_what_are_no_weights_is_refused(weights: Any) -> None:
    """Too few, negative, all 0 or not finite: one sentence that says what is expected."""
    with pytest.raises(ConfigurationError, match="weights must be 3 numbers ≥ 0, one for each member"):
        Ensemble(members(), average="logits", weights=weights)


def test_softening_and_mixing_can_be_exchanged_for_logits_alone() -> None:
    """The geometric mean of softened probabilities is that of the mean logits; the arithmetic one differs."""
    scores = [teacher(INPUTS).detach() for teacher in members()]
    softened = torch.stack([(one / 4).softmax(-1) for one in scores])
    geometric = softened.log().mean(0).softmax(-1)
    by_logits = Ensemble(members(), average="logits")(INPUTS).detach()
    torch.testing.assert_close((by_logits / 4).softmax(-1), geometric)
    by_probabilities = Ensemble(members(), average="probabilities")(INPUTS).detach()
    assert ((by_probabilities / 4).softmax(-1) - softened.mean(0)).abs().max() > 1e-4
    # of probabilities softened ever more, the two means become one
    soft = torch.stack([(one / 1000).softmax(-1) for one in scores]).mean(0)
    torch.testing.assert_close(soft, (by_logits / 1000).softmax(-1), rtol=1e-6, atol=0)


def test_a_layer_gives_the_members_logits() -> None:
    """One by one, whatever their weights."""
    ensemble = Ensemble(members(), average="logits", weights=[1, 0, 1])
    taken = []
    layer = ensemble.get_submodule(MEMBER_LOGITS)
    layer.register_forward_hook(lambda _part, _inputs, output: taken.append(output))
    ensemble(INPUTS)
    assert torch.equal(taken[0], torch.stack([member(INPUTS) for member in ensemble.members], dim=1))
    assert not any(MEMBER_LOGITS in name for name in ensemble.state_dict())


def test_no_module_of_a_users_own_is_taken_for_members() -> None:
    """The layer's name is no attribute's, so a teacher that is no Ensemble never has it by chance."""
    assert not MEMBER_LOGITS.isidentifier()

    class Choir(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.voices = self.member_logits = nn.Linear(4, 5).double()

        def forward(self, inputs: Tensor) -> Tensor:
            return self.member_logits(inputs)

    with pytest.raises(ConfigurationError, match="The teacher is no Ensemble"):
        Distiller(teacher=Choir(), student=members(1)[0], loss=BestOf())


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
    with pytest.raises(
        ConfigurationError, match=r"^A member of the Ensemble returned str, which holds no logits"
    ):
        Ensemble([Says(lambda inputs: "three")], average="logits")(INPUTS)
    with pytest.raises(ConfigurationError, match=r"members of an Ensemble must be modules, got function"):
        Ensemble([*members(), lambda inputs: inputs], average="logits")
