"""A loss that asks is told which examples a batch holds, whatever the data and the transfer set."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

from distillkit import Distiller, fit_together
from distillkit.engine.forward.compiling import Compiling
from distillkit.errors import ConfigurationError
from distillkit.losses import CRD, Loss, Needs, WeightedSum
from distillkit.transfer_sets import Chain, Fraction, Jitter, OmitClasses, TransferSet, Unlabelled
from distillkit.typing import Examples, Outputs

CASES = 40
SEEN: list[Examples] = []


class Noting(Loss):
    """Notes down the numbers, each of which is its example's label and its first input."""

    kind: Literal["noting_for_tests"] = "noting_for_tests"

    def needs(self) -> Needs:
        """To note them."""
        return replace(super().needs(), examples=True)

    def __call__(self, *, student: Any, teacher: Any, labels: Any) -> Tensor:
        """Some number."""
        SEEN.append(self.known_examples(student))
        assert labels is None or torch.equal(labels, self.known_examples(student).numbers)
        return student.logits.square().mean()


class Rows(Dataset[Any]):
    """Tensors as a data set that is read example by example."""

    def __init__(self, *tensors: Tensor) -> None:
        self._tensors = tensors

    def __len__(self) -> int:
        return len(self._tensors[0])

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        return tuple(one[number] for one in self._tensors)


@pytest.fixture(autouse=True)
def seen() -> list[Examples]:
    """What was noted down."""
    SEEN.clear()
    return SEEN


@pytest.fixture
def numbered() -> tuple[Tensor, Tensor]:
    """Forty examples, each of a class of its own: its number."""
    x = torch.randn(CASES, 6, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(CASES)


def noting(transfer_set: TransferSet | None = None) -> Distiller:
    """A student of as many classes as there are examples."""
    with torch.random.fork_rng(devices=[]):
        student = nn.Sequential(nn.Flatten(), nn.Linear(6, CASES))
    return Distiller(teacher=None, student=student, loss=Noting(), transfer_set=transfer_set)


FORMS = {
    "tensors": lambda x, y: (x, y),
    "a data set": Rows,
    "a loader": lambda x, y: DataLoader(TensorDataset(x, y), batch_size=16),
    "a loader that shuffles": lambda x, y: DataLoader(Rows(x, y), batch_size=16, shuffle=True),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    "transfer_set",
    [
        None,
        OmitClasses(classes=[3, 8]),
        Fraction(fraction=0.5),
        Unlabelled(),
        Chain(parts=[OmitClasses(classes=[0]), Fraction(fraction=1)]),
    ],
    ids=repr,
)
def test_numbers_are_those_of_the_full_data_set(
    seen: list[Examples], numbered: tuple[Tensor, Tensor], form: Any, transfer_set: TransferSet | None
) -> None:
    """Each example that is chosen comes once an epoch, under its own number."""
    distiller = noting(transfer_set)
    distiller.fit(form(*numbered), epochs=1)
    chosen = distiller.transfer_set.select(CASES, numbered[1])
    assert torch.equal(torch.cat([one.numbers for one in seen]).sort().values, chosen)
    assert all(one.size == CASES and torch.equal(one.selected, chosen) for one in seen)
    if distiller.transfer_set.keeps_labels:
        assert all(torch.equal(one.labels, numbered[1]) for one in seen)
    else:
        assert all(one.labels is None for one in seen)


def test_a_view_leaves_the_numbers_alone(seen: list[Examples], numbered: tuple[Tensor, Tensor]) -> None:
    """Jittered examples have the numbers that they had."""
    noting(Jitter(pixels=1)).fit((numbered[0].view(CASES, 1, 2, 3), numbered[1]), epochs=1)
    assert len(torch.cat([one.numbers for one in seen]).unique()) == CASES


STREAMS = {
    "a list of batches": lambda x, y: [(x[:20], y[:20]), (x[20:], y[20:])],
    "a loader that drops the last": lambda x, y: DataLoader(Rows(x, y), batch_size=16, drop_last=True),
    "a loader that draws": lambda x, y: DataLoader(
        Rows(x, y), batch_size=16, sampler=WeightedRandomSampler([1.0] * CASES, CASES)
    ),
}


@pytest.mark.parametrize("form", STREAMS.values(), ids=STREAMS)
def test_a_stream_does_not_tell(numbered: tuple[Tensor, Tensor], form: Any) -> None:
    """Which is an error before anything is trained, with the way out."""
    with pytest.raises(ConfigurationError, match=r"a stream has no numbers for them: pass tensors, a Datas"):
        noting().fit(form(*numbered), epochs=1)


def test_a_step_does_not_tell(numbered: tuple[Tensor, Tensor]) -> None:
    """Nor does a batch by itself."""
    with pytest.raises(ConfigurationError, match=r"for step\(\) has no numbers: pass tensors, a Dataset"):
        noting().step(numbered)


def test_no_other_loss_gets_them(net: Any, data: Any) -> None:
    """Nothing is looked up for a loss that does not ask."""

    def plain(*, student: Any, teacher: Any, labels: Any) -> Tensor:
        assert student.examples is None
        return student.logits.square().mean()

    Distiller(teacher=None, student=net(1), loss=plain).fit(data, epochs=1)


def test_students_in_a_stack_train_alone(seen: list[Examples], numbered: tuple[Tensor, Tensor]) -> None:
    """A stack knows no numbers, so there is none."""
    fit_together([noting(), noting()], numbered, epochs=1)
    assert len(torch.cat([one.numbers for one in seen])) == 2 * CASES


CONTRAST = CRD(layers={"0": "0"}, dimensions=5, negatives=8, temperature=0.3)


def contrast(net: Any, loss: Loss = CONTRAST, **settings: Any) -> Distiller:
    """A student of 8 hidden units under a teacher of 12."""
    return Distiller(teacher=net(1, hidden=12), student=net(2), loss=loss, **settings)


def test_crd_learns_and_remembers(net: Any, data: Any) -> None:
    """Both maps and the student move, and the banks of all examples; the student has no part of these."""
    distiller = contrast(net, optimizer=lambda p: torch.optim.Adam(p, lr=0.01))
    names = list(distiller.student.state_dict())
    history = distiller.fit(data, epochs=1, batch_size=7)
    first = {name: one.clone() for name, one in distiller.adapters.state_dict().items()}
    further = distiller.fit(data, epochs=30, batch_size=7)
    assert further["loss"].iloc[-1] < 0.8 * history["loss"].iloc[0]
    assert list(distiller.student.state_dict()) == names
    now = distiller.adapters.state_dict()
    assert now["batches"] == 31 * 8
    for name in ("pairs.0.of_student", "pairs.0.of_teacher"):
        assert bool((now[name] != first[name]).any(dim=1).all())
        torch.testing.assert_close(now[name].norm(dim=1), torch.ones(50))
    for name in ("pairs.0.embed_student.weight", "pairs.0.embed_teacher.weight"):
        assert not torch.equal(now[name], first[name])


def test_crd_equals_a_loop_by_hand(net: Any, data: Any) -> None:
    """Two batches, as they stand: gradient, then banks, then the step of student and maps."""
    distiller = contrast(net, optimizer=lambda p: torch.optim.SGD(p, lr=0.1), compile="off")
    twin, (x, y) = copy.deepcopy(distiller.student), data
    distiller.fit(DataLoader(TensorDataset(x, y), batch_size=25), epochs=1)

    def side(model: Any, chosen: Tensor) -> Outputs:
        return Outputs(model(x[chosen]), {"0": model[0](x[chosen])})

    adapters: nn.Module | None = None
    for chosen in torch.arange(50).split(25):
        with torch.no_grad():
            teacher = side(distiller.teacher, chosen)
        student = replace(side(twin, chosen), examples=Examples(chosen, torch.arange(50), 50, y))
        if adapters is None:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(0)
                adapters = CONTRAST.adapters(student=student, teacher=teacher)
            optimizer = torch.optim.SGD([*twin.parameters(), *adapters.parameters()], lr=0.1)
        student = replace(student, adapters=adapters)
        optimizer.zero_grad()
        CONTRAST(student=student, teacher=teacher, labels=None).backward()
        CONTRAST.remember(student=student, teacher=teacher, labels=None)
        optimizer.step()
    for by_hand, found in ((twin, distiller.student), (adapters, distiller.adapters)):
        for name, one in by_hand.state_dict().items():
            torch.testing.assert_close(found.state_dict()[name], one)


@pytest.mark.parametrize("transfer_set", [OmitClasses(classes=[2]), Fraction(fraction=0.4)], ids=repr)
def test_crd_remembers_the_transfer_set_alone(net: Any, data: Any, transfer_set: TransferSet) -> None:
    """Rows of examples that are left out stay as they were."""
    distiller = contrast(net, transfer_set=transfer_set)
    distiller.fit(data, epochs=1)
    before = distiller.adapters.state_dict()["pairs.0.of_student"].clone()
    distiller.fit(data, epochs=1)
    changed = (distiller.adapters.state_dict()["pairs.0.of_student"] != before).any(dim=1)
    assert torch.equal(changed.nonzero().flatten(), transfer_set.select(50, data[1]))


def test_crd_is_the_same_again(net: Any, data: Any) -> None:
    """One seed, one history; another seed of the draws gives another."""

    def history(train: Any, **settings: Any) -> list[float]:
        loss = CONTRAST.model_copy(update=settings)
        return contrast(net, loss, seed=3).fit(train, epochs=2, batch_size=16)["loss"].tolist()

    assert history(data) == history(data)
    assert history(Rows(*data)) == history(Rows(*data))
    assert history(data, seed=1) != history(data)


def test_crd_in_a_sum_without_labels(net: Any, data: Any) -> None:
    """Negatives are any other examples then."""
    loss = WeightedSum(terms={"crd": CONTRAST, "again": WeightedSum(terms={"crd": CONTRAST})})
    history = contrast(net, loss, transfer_set=Unlabelled()).fit(data, epochs=1)
    assert history[["crd", "again"]].notna().all(axis=None)


def test_crd_refuses_other_data(net: Any, data: Any) -> None:
    """Of another size, since the rows would belong to others."""
    distiller = contrast(net)
    distiller.fit(data, epochs=1)
    with pytest.raises(ConfigurationError, match="a row for each of 50 examples, and these data have 30"):
        distiller.fit((data[0][:30], data[1][:30]), epochs=1)


def test_nothing_that_would_leave_the_numbers_out_is_done(caplog: pytest.LogCaptureFixture) -> None:
    """No recording as CUDA graphs, which would keep those of one batch, and no stack."""
    captures = noting().training.captures
    assert captures.compiling(Compiling("graphs")) == Compiling("off")
    assert "the loss needs to know which examples a batch holds" in caplog.text
    assert captures.compiling(Compiling("auto")) == Compiling("auto")
    assert captures.obstacle() == "its loss needs to know which examples a batch holds"


def test_weights_of_1_change_nothing(net: Any, data: Any) -> None:
    """Asked example by example, the loss is told which one each is; a weight of 0 takes an example out."""
    plain = contrast(net).fit(data, epochs=1, batch_size=25)["loss"].tolist()
    weighted = contrast(net).fit((*data, torch.ones(50)), epochs=1, batch_size=25)["loss"].tolist()
    assert weighted == pytest.approx(plain, rel=1e-5)
    without = contrast(net).fit((*data, (data[1] > 0).float()), epochs=1, batch_size=25)["loss"].tolist()
    assert without != pytest.approx(plain, rel=1e-5)
