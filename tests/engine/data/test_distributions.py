"""Labels may be distributions over the classes: against torch, a loop, and one-hot rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from distillkit import Distiller, fit_together, losses, transfer_sets
from distillkit.errors import ConfigurationError
from distillkit.functional import hard_label_cross_entropy
from distillkit.typing import Outputs
from loss_examples import ON_LOGITS

HINTON = losses.hinton(temperature=4, hard_label_weight=0.5)
ONE_CLASS = {"best_of", "corrected_teacher", "dkd", "nkd", "teacher_free", "wsld"}
"""Losses that single out the true class."""


@pytest.fixture
def soft(data):
    """The fifty examples with a distribution each."""
    generator = torch.Generator().manual_seed(5)
    return data[0], torch.rand(len(data[0]), 4, generator=generator).softmax(-1)


def trained(net, form, **settings: Any) -> dict[str, Tensor]:
    """The weights of a student after two epochs."""
    student = net(2)
    settings = {"loss": HINTON, "precision": "fp32", **settings}
    Distiller(teacher=net(1), student=student, **settings).fit(form, epochs=2, batch_size=20)
    return student.state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether all weights are the same but for rounding."""
    return all(torch.allclose(one[name], other[name], rtol=1e-5, atol=1e-6) for name in one)


@pytest.mark.parametrize("shape", [(7, 4), (3, 5, 4)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_the_cross_entropy_is_a_loop_over_the_classes(shape: tuple[int, ...], smoothing: float) -> None:
    """−Σ p log q with p = (1 − s) · label + s / classes, the mean over the rows."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64)
    labels = torch.randn(shape, generator=generator, dtype=torch.float64).softmax(-1)
    rows = []
    for z, p in zip(logits.reshape(-1, 4).tolist(), labels.reshape(-1, 4).tolist(), strict=True):
        whole = math.log(math.fsum(math.exp(value) for value in z))
        target = [(1 - smoothing) * value + smoothing / 4 for value in p]
        rows.append(-math.fsum(t * (value - whole) for t, value in zip(target, z, strict=True)))
    found = hard_label_cross_entropy(student=logits, labels=labels, label_smoothing=smoothing)
    assert float(found) == pytest.approx(math.fsum(rows) / len(rows), rel=1e-12)


@pytest.mark.parametrize("form", ["tensors", "data set", "loader"])
def test_one_hot_rows_are_the_classes(net, data, form):
    """In every form that data have."""
    rows = torch.nn.functional.one_hot(data[1], 4).float()
    given = {
        "tensors": (data[0], rows),
        "data set": TensorDataset(data[0], rows),
        "loader": DataLoader(TensorDataset(data[0], rows), batch_size=20, shuffle=False),
    }[form]
    expected = data if form != "loader" else DataLoader(TensorDataset(*data), batch_size=20, shuffle=False)
    assert same(trained(net, given), trained(net, expected))


def test_weights_go_with_them(net, soft):
    """An example of weight 0 is as if it were not there."""
    weights = torch.ones(50)
    weights[40:] = 0
    alone = Distiller(teacher=None, student=net(2), loss=losses.HardLabels(), precision="fp32")
    fewer = Distiller(teacher=None, student=net(2), loss=losses.HardLabels(), precision="fp32")
    alone.fit((*soft, weights), epochs=1, batch_size=50)
    fewer.fit((soft[0][:40], soft[1][:40]), epochs=1, batch_size=40)
    assert same(alone.student.state_dict(), fewer.student.state_dict())


class Mixed(transfer_sets.TransferSet):
    """Each example mixed with the next of its batch, by one share."""

    kind: Literal["mixed_for_tests"] = "mixed_for_tests"
    share: float = 0.7

    @property
    def same_view(self) -> bool:
        """Another batch has other partners."""
        return False

    def view(self, batch, *, epoch):
        """Inputs and labels alike."""
        rows = torch.nn.functional.one_hot(batch.labels, 4).float()
        mix = [self.share * one + (1 - self.share) * one.roll(1, 0) for one in (batch.inputs, rows)]
        return replace(batch, inputs=mix[0], labels=mix[1])


def test_a_view_may_mix_a_batch(net, data):
    """Teacher and student see the same mixture; its hard loss is the mixture of both labels' losses."""
    seen = []

    def mixed(*, student, teacher, labels):
        seen.append((student.logits, labels))
        return HINTON(student=student, teacher=teacher, labels=labels)

    Distiller(teacher=net(1), student=net(2), loss=mixed, transfer_set=Mixed(), precision="fp32").fit(
        data, epochs=1, batch_size=50
    )
    logits, labels = seen[0]
    first = labels.argmax(-1)
    assert labels.shape == (50, 4)
    by_class = -logits.log_softmax(-1)
    expected = (
        0.7 * by_class.gather(1, first[:, None]).mean()
        + 0.3 * by_class.gather(1, first.roll(1)[:, None]).mean()
    )
    found = losses.HardLabels()(student=Outputs(logits), teacher=None, labels=labels)
    assert labels.max(-1).values.min() >= 0.7 - 1e-6
    torch.testing.assert_close(found, expected)


def test_students_with_them_train_one_by_one(net, soft, data, caplog):
    """The log says so, of data and of views, and the numbers are those of fit."""

    def pair(**settings):
        return [
            Distiller(teacher=net(1), student=net(seed), loss=HINTON, seed=seed, precision="fp32", **settings)
            for seed in (2, 3)
        ]

    with caplog.at_level("INFO", "distillkit"):
        (history, _) = fit_together(pair(), soft, epochs=1, stack_size=2)
        fit_together(pair(transfer_set=Mixed()), data, epochs=1, stack_size=2)
    assert "the examples have distributions as labels" in caplog.text
    assert "a view gives distributions as labels" in caplog.text
    assert history["loss"].tolist() == pair()[0].fit(soft, epochs=1)["loss"].tolist()


@pytest.mark.parametrize("kind", sorted(ON_LOGITS))
def test_a_loss_takes_them_or_refuses_by_name(kind: str) -> None:
    """One that needs a true class says so, with the way out; the others do not look at labels."""
    generator = torch.Generator().manual_seed(1)
    student, teacher = torch.randn(2, 6, 4, generator=generator)
    labels, other = torch.rand(2, 6, 4, generator=generator).softmax(-1)
    for loss in ON_LOGITS[kind]:
        if loss.needs().looks or loss.needs().learns or loss.schedules():
            continue
        sides = {"student": Outputs(student), "teacher": Outputs(teacher)}
        if kind in ONE_CLASS or any(f"kind='{one}'" in repr(loss) for one in ONE_CLASS):
            with pytest.raises(ConfigurationError, match=r"one true class an example.* use HardLabels"):
                loss(**sides, labels=labels)
            continue
        unchanged = torch.equal(loss(**sides, labels=labels), loss(**sides, labels=other))
        assert unchanged is ("HardLabels" not in repr(loss)), loss


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda y: y * 2, r"each ≥ 0 with sum 1; these, of shape \[20, 4\], sum to 2 to 2"),
        (lambda y: y - 1, "each ≥ 0 with sum 1"),
        (lambda y: y[:, :3], r"whole numbers of shape \[.*\], got torch.float32 .*distributions over the"),
        (lambda y: (y > 0.2).long(), r"got torch.int64 .* where several are, each with a sigmoid"),
    ],
)
def test_what_is_no_distribution_is_refused(net, soft, change, sentence):
    """In one sentence with what came."""
    with pytest.raises(ConfigurationError, match=sentence):
        trained(net, (soft[0], change(soft[1])))


def test_where_classes_are_needed_they_are_refused(net, soft):
    """Evaluation and choices by class."""
    made = Distiller(teacher=net(1), student=net(2), loss=HINTON)
    with pytest.raises(ConfigurationError, match=r"Evaluation counts errors.*labels.argmax"):
        made.evaluate(soft)
    with pytest.raises(ConfigurationError, match="OmitClasses chooses examples by their classes"):
        trained(net, soft, transfer_set=transfer_sets.OmitClasses(classes=[1]))
