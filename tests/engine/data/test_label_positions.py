"""Examples with a label at each of many positions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from distillkit import Distiller, Ensemble, fit_together, losses
from distillkit.engine.data.label_positions import keep_labelled
from distillkit.errors import ConfigurationError
from distillkit.functional import next_token_labels
from distillkit.layer_names import MEMBER_LOGITS
from distillkit.losses import DKD, BestOf, FitNet, HardLabels, Mutual, SoftTargets, WeightedSum
from distillkit.typing import Outputs


def sides(*shape: int) -> tuple[Outputs, Outputs]:
    """Logits of both sides, and a feature."""
    student, teacher = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    return Outputs(student, {"layer": student}), Outputs(teacher)


def test_rows_that_count_are_kept_in_order() -> None:
    """By a loop over positions; features stay whole."""
    student, teacher = sides(2, 3, 4, 5)
    labels = torch.randint(5, (2, 3, 4))
    labels[0, 1] = labels[1, 2, 3] = -100
    found, taught, kept, _ = keep_labelled(student, teacher, labels, None)
    places = [
        place
        for place in torch.cartesian_prod(*map(torch.arange, (2, 3, 4))).tolist()
        if labels[*place] != -100
    ]
    assert torch.equal(found.logits, torch.stack([student.logits[*place] for place in places]))
    assert taught is not None
    assert torch.equal(taught.logits, torch.stack([teacher.logits[*place] for place in places]))
    assert kept is not None
    assert kept.tolist() == [int(labels[*place]) for place in places]
    assert found.features is student.features


@pytest.mark.parametrize("labels", [None, torch.tensor([-100, 1]), torch.zeros(2, 4, dtype=torch.long)])
def test_everything_else_passes_as_it_is(labels: Tensor | None) -> None:
    """No labels, one label an example, or shapes that do not fit."""
    student, teacher = sides(2, 3) if labels is None or labels.dim() == 1 else sides(2, 3, 5)
    assert keep_labelled(student, teacher, labels, None) == (student, teacher, labels, None)


def test_a_position_has_the_weight_of_its_example() -> None:
    """The loss is Σ w · l / Σ w over those that count, however many these are: by a loop."""
    inputs, labels = torch.randn(4, 3, 6), torch.randint(4, (4, 3))
    # as many as there are weights, but of two examples
    labels[0, 2] = labels[2] = labels[3] = labels[1, 1] = -100
    weights = torch.tensor([1.0, 4.0, 50.0, 60.0])
    student = by_position(1)
    with torch.no_grad():
        each = nn.functional.cross_entropy(student(inputs).flatten(0, 1), labels.flatten(), reduction="none")
    pairs = [(float(weights[place // 3]), float(each[place])) for place in (0, 1, 3, 5)]
    expected = sum(weight * one for weight, one in pairs) / sum(weight for weight, _ in pairs)
    distiller = Distiller(teacher=None, student=student, loss=HardLabels(), precision="fp32")
    found = distiller.step((inputs, labels, weights))
    assert float(found["hard_labels"]) == pytest.approx(expected, rel=1e-5)


def test_weights_at_positions_go_with_no_layer() -> None:
    """Also where the positions that count are as many as the rows of a layer."""
    inputs, labels = torch.randn(4, 3, 6), torch.full((4, 3), -100)
    labels[:, 0] = 1
    distiller = Distiller(teacher=by_position(1), student=by_position(2), loss=FitNet(layers={"0": "0"}))
    with pytest.raises(ConfigurationError, match="whose outputs have no row for each position"):
        distiller.step((inputs, labels, torch.ones(4)))
    with pytest.raises(ConfigurationError, match="got 3 for 4 examples"):
        Distiller(teacher=None, student=by_position(2), loss=HardLabels()).step(
            (inputs, labels, torch.ones(3))
        )


def test_one_label_an_example_must_be_a_class(net, data) -> None:
    """−100 there is a mistake, as before."""
    distiller = Distiller(teacher=net(1), student=net(2), loss=losses.hinton(4, 0.5))
    with pytest.raises(ConfigurationError, match="got -100 to"):
        distiller.step((data[0], torch.full_like(data[1], -100)))


def test_a_language_model_learns_the_next_token() -> None:
    """With moved labels the loss is that of logits and labels cut to fit, as it is usually written."""
    student = nn.Sequential(nn.Embedding(9, 8), nn.Linear(8, 9))
    words = torch.randint(9, (4, 6))
    labels = words.masked_fill(torch.arange(6) >= torch.tensor([[6], [3], [5], [2]]), -100)
    with torch.no_grad():
        logits = student(words)
    expected = nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
    )
    distiller = Distiller(teacher=None, student=student, loss=HardLabels(), precision="fp32")
    found = distiller.step((words, next_token_labels(labels)))
    assert float(found["hard_labels"]) == pytest.approx(float(expected), rel=1e-6)


def by_position(seed: int) -> nn.Module:
    """Gives `[batch, positions, 4]`."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))


def test_fit_together_leaves_out_the_same() -> None:
    """What `fit` gives each student, whatever stands in the inputs where nothing counts."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(16, 3, 6, generator=generator)
    labels = torch.randint(4, (16, 3), generator=generator)
    labels[:, 2] = -100
    other = inputs.clone()
    other[:, 2] = 7.0

    def distillers() -> list[Distiller]:
        loss = WeightedSum(terms={"soft": SoftTargets(temperature=2), "dkd": DKD()})
        return [Distiller(teacher=by_position(0), student=by_position(seed), loss=loss) for seed in (1, 2)]

    together = fit_together(distillers(), (inputs, labels), epochs=2, batch_size=8, stack_size=2)
    alone = [one.fit((other, labels), epochs=2, batch_size=8) for one in distillers()]
    for one, expected in zip(together, alone, strict=True):
        assert one["loss"].tolist() == pytest.approx(expected["loss"].tolist(), rel=1e-5)


def test_the_members_logits_are_at_the_same_positions() -> None:
    """By a loop; of the student and of the teacher."""
    student, teacher = sides(2, 3, 5)
    members = torch.randn(2, 4, 3, 5)
    labels = torch.tensor([[1, -100, 3], [-100, 0, 2]])
    sides_seen = [replace(one, features={MEMBER_LOGITS: members}) for one in (student, teacher)]
    found = keep_labelled(*sides_seen, labels, None)[:2]
    expected = torch.stack([members[i, :, j] for i, j in ((0, 0), (0, 2), (1, 1), (1, 2))])
    assert all(one is not None and torch.equal(one.features[MEMBER_LOGITS], expected) for one in found)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_best_member_speaks_at_each_position(weighted: bool) -> None:
    """As where positions are examples of their own."""
    inputs, labels = torch.randn(4, 3, 6), torch.randint(4, (4, 3))
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0])

    def found(*batch: Tensor) -> float:
        teacher = Ensemble([by_position(1), by_position(2)], average="logits")
        distiller = Distiller(teacher=teacher, student=by_position(3), loss=BestOf(), precision="fp32")
        return float(distiller.step(batch)["soft_targets"])

    whole = (inputs, labels, weights) if weighted else (inputs, labels)
    flat = (inputs.flatten(0, 1), labels.flatten(), weights.repeat_interleave(3))[: len(whole)]
    assert found(*whole) == pytest.approx(found(*flat), rel=1e-5)


def test_students_learn_from_one_another_at_each_position() -> None:
    """As where positions are examples of their own."""
    inputs, labels = torch.randn(4, 3, 6), torch.randint(4, (4, 3))

    def found(*batch: Tensor) -> dict[str, float]:
        students = Ensemble([by_position(1), by_position(2)], average="probabilities")
        distiller = Distiller(teacher=None, student=students, loss=Mutual(), precision="fp32")
        return {name: float(value) for name, value in distiller.step(batch).items()}

    assert found(inputs, labels) == pytest.approx(found(inputs.flatten(0, 1), labels.flatten()), rel=1e-5)


def test_each_position_that_counts_is_a_case_of_an_evaluation() -> None:
    """Whatever the lengths of the batches, and where nothing counts in one; with a teacher beside."""
    inputs, labels = torch.randn(4, 3, 6), torch.randint(4, (4, 3))
    labels[0, 1] = labels[2, 2] = -100
    distiller = Distiller(teacher=by_position(1), student=by_position(2), loss=SoftTargets(temperature=1))
    places = (labels != -100).nonzero(as_tuple=True)
    expected = distiller.evaluate((inputs[places], labels[places]))
    assert expected.cases == 10
    short = (inputs[2:, :2], labels[2:, :2]), (inputs[2:, 2:], labels[2:, 2:])
    of_none = (inputs[:1], torch.full_like(labels[:1], -100))
    for form in ((inputs, labels), [(inputs[:2], labels[:2]), of_none, *short]):
        found = distiller.evaluate(form)
        assert (found.cases, found.errors_by_class) == (10, expected.errors_by_class)
        assert found.nll == pytest.approx(expected.nll, rel=1e-5)
        assert found.teacher_kl == pytest.approx(expected.teacher_kl, rel=1e-4)
    with pytest.raises(ConfigurationError, match="no cases"):
        distiller.evaluate([of_none])
