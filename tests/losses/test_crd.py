"""CRD against slow double loops, its banks and its draws by hand."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.special
import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import noise_contrastive
from distillkit.functional._draw_negatives import draw_negatives
from distillkit.functional._random_directions import log_mean_exp_cosine
from distillkit.losses import CRD, CorrectedTeacher, HardLabels, WeightedSum
from distillkit.losses.embedding_banks import EmbeddingBanks
from distillkit.typing import Examples, Outputs

LAYERS = {"a": "x"}
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 0, 1, 1])
NUMBERS = torch.tensor([7, 2, 4])


@pytest.fixture
def sides() -> tuple[Outputs, Outputs]:
    """Three of ten examples: 5 numbers of the student, maps of 4 channels of the teacher."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    teacher = torch.randn(3, 4, 2, 3, generator=generator, dtype=torch.float64)
    examples = Examples(NUMBERS, torch.arange(10), 10, LABELS)
    logits = torch.zeros(3, 3, dtype=torch.float64)
    return Outputs(logits, {"a": student}, examples=examples), Outputs(logits, {"x": teacher})


def with_banks(loss: CRD, student: Outputs, teacher: Outputs) -> Outputs:
    """The student's side with what the loss makes of these."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return replace(student, adapters=loss.adapters(student=student, teacher=teacher).double())


def banks_of(student: Outputs) -> EmbeddingBanks:
    """What is learnt and remembered."""
    assert isinstance(student.adapters, EmbeddingBanks)
    return student.adapters


def embeddings(student: Outputs, teacher: Outputs) -> tuple[np.ndarray, np.ndarray]:
    """Of both sides, by NumPy."""
    found = []
    pair = banks_of(student).pairs[0]
    rows = student.features["a"].numpy(), teacher.features["x"].numpy().mean(axis=(2, 3))
    for embed, row in zip((pair.embed_student, pair.embed_teacher), rows, strict=True):
        said = row @ embed.weight.detach().numpy().T + embed.bias.detach().numpy()
        found.append(said / np.sqrt((said**2).sum(axis=1, keepdims=True)))
    return found[0], found[1]


def by_loops(
    anchors: np.ndarray, bank: np.ndarray, negatives: list[list[int]], temperature: float, noise: float
) -> float:
    """−log h − Σ log(1 − h), with h as the paper writes it, one number after the other."""
    total = 0.0
    for anchor, number, others in zip(anchors, NUMBERS.tolist(), negatives, strict=True):

        def h(other: int, anchor: np.ndarray = anchor) -> float:
            score = math.exp(float(anchor @ bank[other]) / temperature)
            return score / (score + noise)

        total -= math.log(h(number))
        for other in others:
            total -= math.log(1 - h(other))
    return total / len(anchors)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
@pytest.mark.parametrize("negatives", [3, 16384])
def test_equals_double_loops(sides: tuple[Outputs, Outputs], temperature: float, negatives: int) -> None:
    """Each side's embeddings against the other's bank, with ν the negatives times the mean of e^{cos/τ}."""
    loss = CRD(layers=LAYERS, dimensions=6, temperature=temperature, negatives=negatives, seed=5)
    student, teacher = with_banks(loss, *sides), sides[1]
    drawn, which, count = draw_negatives(
        numbers=NUMBERS, candidates=torch.arange(10), labels=LABELS, most=negatives, seed=5, draw=0
    )
    assert count == min(negatives, 6)  # of ten, at most four are of one class
    chosen = [drawn[row].tolist() for row in which]
    noise = count * float(scipy.special.hyp0f1(3, 1 / (4 * temperature**2)))
    pair = banks_of(student).pairs[0]
    of_student, of_teacher = embeddings(student, teacher)
    expected = by_loops(of_student, pair.of_teacher.numpy(), chosen, temperature, noise)
    expected += by_loops(of_teacher, pair.of_student.numpy(), chosen, temperature, noise)
    found = loss(student=student, teacher=teacher, labels=None)
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_equals_the_published_formula() -> None:
    """The authors' code: P = e^{cos/τ} / Z with Z = n · mean, P_n = 1 / n, without its 10⁻⁷."""
    generator = torch.Generator().manual_seed(3)
    sides = torch.nn.functional.normalize(torch.randn(3, 7, 4, generator=generator).double(), dim=2)
    anchors, counterparts, others = sides[0, :5], sides[1, :5], sides[2]
    examples, negatives, temperature, mean = 1000, 7, 0.3, 1.7
    constant = examples * mean
    positive = ((anchors * counterparts).sum(1) / temperature).exp() / constant
    negative = (anchors @ others.T / temperature).exp() / constant
    noise = negatives / examples
    expected = -((positive / (positive + noise)).log().sum() + (noise / (negative + noise)).log().sum()) / 5
    found = noise_contrastive(
        anchors=anchors, counterparts=counterparts, others=others,
        drawn=torch.ones(5, 7, dtype=torch.bool), temperature=temperature,
        log_noise=math.log(negatives * mean),
    )  # fmt: skip
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("numbers", "temperature"), [(1, 1.0), (3, 0.2), (128, 0.07), (64, 0.05)])
def test_the_mean_over_directions(numbers: int, temperature: float) -> None:
    """By SciPy's confluent hypergeometric function."""
    expected = math.log(scipy.special.hyp0f1(numbers / 2, 1 / (4 * temperature**2)))
    assert log_mean_exp_cosine(numbers, temperature) == pytest.approx(expected, rel=1e-9)


def test_the_mean_over_directions_is_what_a_first_batch_shows() -> None:
    """The constant of the authors' code is an estimate of it; and it is finite where e^{1/τ} is not."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(20_064, 128, generator=generator), dim=1)
    estimate = (rows[:64] @ rows[64:].T / 0.07).exp().mean().item()
    assert math.exp(log_mean_exp_cosine(128, 0.07)) == pytest.approx(estimate, rel=0.02)
    assert 0 < log_mean_exp_cosine(128, 0.001) < 1000


def draw(numbers: Tensor, candidates: Tensor, labels: Tensor | None, **settings: int) -> list[list[int]]:
    """The negatives of each example."""
    defaults = {"most": 1000, "seed": 0, "draw": 0, **settings}
    drawn, which, count = draw_negatives(numbers=numbers, candidates=candidates, labels=labels, **defaults)
    found = [drawn[row].tolist() for row in which]
    assert all(len(set(one)) == len(one) == count for one in found)
    return found


@pytest.mark.parametrize("labelled", [True, False])
def test_negatives_are_other_examples(labelled: bool) -> None:
    """Of the candidates, never the example itself, none of its class where there are classes."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(4, (60,), generator=generator)
    candidates = torch.randperm(60, generator=generator)[:40]
    for number in range(20):
        found = draw(candidates, candidates, labels if labelled else None, most=9, draw=number)
        for own, others in zip(candidates.tolist(), found, strict=True):
            assert len(others) == 9
            assert own not in others
            assert set(others) <= set(candidates.tolist())
            assert not labelled or all(labels[own] != labels[other] for other in others)


def test_negatives_are_as_many_as_there_are() -> None:
    """Where fewer are there than asked for: of the largest class all others, of the rest as many."""
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    found = draw(torch.arange(6), torch.arange(6), labels)
    assert sorted(found[0]) == [3, 4, 5]
    assert [len(one) for one in found] == [3] * 6
    assert [sorted(one) for one in draw(torch.arange(3), torch.arange(3), None)] == [[1, 2], [0, 2], [0, 1]]


def test_every_negative_is_as_likely() -> None:
    """Over many draws, the counts differ by chance alone (χ² below its 99.9 % point)."""
    labels = torch.tensor([0] * 3 + [1] * 5 + [2] * 4)
    counts = np.zeros(12)
    for number in range(3000):
        counts[draw(torch.tensor([1]), torch.arange(12), labels, most=2, draw=number)[0]] += 1
    assert counts[:3].sum() == 0
    assert ((counts[3:] - 3000 * 2 / 9) ** 2 / (3000 * 2 / 9)).sum() < 26.1


def test_draws_follow_from_seed_and_number_alone() -> None:
    """Whatever else is in the batch, and whatever torch did before."""
    everything, labels = torch.arange(30), torch.arange(30) % 3
    whole = draw(everything, everything, labels, most=8, seed=4, draw=6)
    torch.rand(5)
    assert draw(torch.tensor([20, 3]), everything, labels, most=8, seed=4, draw=6) == [whole[20], whole[3]]
    assert draw(everything, everything, labels, most=8, seed=4, draw=7) != whole
    assert draw(everything, everything, labels, most=8, seed=5, draw=6) != whole


@pytest.mark.parametrize(
    ("labels", "told"),
    [(torch.zeros(5, dtype=torch.int64), "5 are all of one class"), (torch.zeros(5, 2), "one class an exam")],
)
def test_without_other_classes_there_are_no_negatives(labels: Tensor, told: str) -> None:
    """The sentence names the way out."""
    with pytest.raises(ConfigurationError, match=f"{told}.*other_classes=False"):
        draw(torch.arange(5), torch.arange(5), labels)


def test_other_classes_or_any_others(sides: tuple[Outputs, Outputs]) -> None:
    """Without labels, or where the field says so, negatives are all other examples."""
    student, teacher = sides
    apart = CRD(layers=LAYERS, dimensions=6)
    mixed = CRD(layers=LAYERS, dimensions=6, other_classes=False)
    known = with_banks(apart, student, teacher)
    unlabelled = replace(known, examples=replace(student.examples, labels=None))
    values = [
        loss(student=side, teacher=teacher, labels=None).item()
        for loss, side in ((apart, known), (mixed, known), (apart, unlabelled))
    ]
    assert values[0] < values[1] == values[2]


def test_what_is_remembered(sides: tuple[Outputs, Outputs]) -> None:
    """A quarter old and three new at length 1, in the batch's rows; calling the loss changes nothing."""
    loss = CRD(layers=LAYERS, dimensions=6, momentum=0.25)
    student, teacher = with_banks(loss, *sides), sides[1]
    before = copy.deepcopy(banks_of(student).state_dict())
    loss(student=student, teacher=teacher, labels=None)
    after = banks_of(student).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    expected = embeddings(student, teacher)
    loss.remember(student=student, teacher=teacher, labels=None)
    others = [number for number in range(10) if number not in NUMBERS]
    for name, said in zip(("pairs.0.of_student", "pairs.0.of_teacher"), expected, strict=True):
        mixed = 0.25 * before[name][NUMBERS].numpy() + 0.75 * said
        mixed /= np.sqrt((mixed**2).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(after[name][NUMBERS].numpy(), mixed, rtol=1e-9)
        assert torch.equal(after[name][others], before[name][others])
    assert int(banks_of(student).batches) == 1
    assert {name for name, _ in banks_of(student).named_parameters()} == {
        f"pairs.0.embed_{side}.{part}" for side in ("student", "teacher") for part in ("weight", "bias")
    }


def test_other_negatives_after_each_batch(sides: tuple[Outputs, Outputs]) -> None:
    """Their count is saved with the rest, so a training goes on with the draws it would have had."""
    loss = CRD(layers=LAYERS, dimensions=6, negatives=2, momentum=0.9)
    student, teacher = with_banks(loss, *sides), sides[1]
    first = loss(student=student, teacher=teacher, labels=None)
    banks_of(student).batches += 1
    assert loss(student=student, teacher=teacher, labels=None) != first
    twin = with_banks(loss, *sides)
    banks_of(twin).load_state_dict(banks_of(student).state_dict())
    assert torch.equal(
        loss(student=twin, teacher=teacher, labels=None), loss(student=student, teacher=teacher, labels=None)
    )


def test_in_sums_and_around(sides: tuple[Outputs, Outputs]) -> None:
    """What stands around it asks for the examples, and hands on what is to be remembered."""
    loss = CRD(layers=LAYERS, dimensions=6)
    whole = WeightedSum(terms={"hard": HardLabels(), "crd": CorrectedTeacher(loss=loss)})
    assert whole.needs().examples
    assert not WeightedSum(terms={"hard": HardLabels()}).needs().examples
    student, teacher = sides
    adapters = whole.adapters(student=student, teacher=teacher)
    assert adapters is not None
    labels = LABELS[NUMBERS]
    whole.remember(student=replace(student, adapters=adapters.double()), teacher=teacher, labels=labels)
    (_, banks) = adapters.children()
    assert isinstance(banks, EmbeddingBanks)
    assert int(banks.batches) == 1


def test_who_does_not_say_which_examples_is_told_so(sides: tuple[Outputs, Outputs]) -> None:
    """Nor can banks of ten examples be used for eleven."""
    student, teacher = sides
    loss = CRD(layers=LAYERS)
    with pytest.raises(ConfigurationError, match="CRD needs to know which examples a batch holds"):
        loss.adapters(student=replace(student, examples=None), teacher=teacher)
    known = with_banks(loss, student, teacher)
    more = replace(known, examples=Examples(NUMBERS, torch.arange(11), 11))
    with pytest.raises(ConfigurationError, match="a row for each of 10 examples, and these data have 11"):
        loss(student=more, teacher=teacher, labels=None)
