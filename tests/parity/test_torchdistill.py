"""torchdistill's losses, and where they differ by what."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distillkit import functional
from distillkit.losses import hinton
from distillkit.typing import Outputs

Agree = Callable[..., None]
Maps = tuple[Tensor, Tensor]
IO = ("m", "output", "m", "output")


@pytest.fixture
def theirs(peer: Callable[[str], ModuleType]) -> ModuleType:
    """Their losses."""
    return peer("torchdistill.losses.mid_level")


def given(*features: Any) -> dict[str, dict[str, Any]]:
    """What they take of one side: `m`, and `m1` for a second layer."""
    return {name: {"output": one} for name, one in zip(("m", "m1"), features, strict=False)}


def pair(**more: Any) -> dict[str, Any]:
    """One pair of layers, as their configurations name it."""
    side = {"io": "output", "path": "m"}
    return {"pair": {"student": side, "teacher": side, **more}}


def test_kd_without_labels_lacks_the_factor(theirs: ModuleType, batch: Any, agree: Agree) -> None:
    """Theirs drops T² where there are no labels, so T changes the weight; ours has it always."""
    loss = theirs.KDLoss(*IO, temperature=batch.temperature, alpha=0.0)
    without = loss(given(batch.student), given(batch.teacher))
    ours = functional.distillation_kl(
        student=batch.student, teacher=batch.teacher, temperature=batch.temperature
    )
    agree(ours, batch.temperature**2 * without, rtol=batch.rtol)


def test_kd_with_labels_is_hintons(theirs: ModuleType, batch: Any, agree: Agree) -> None:
    """With a weight on the labels the factor is there."""
    loss = theirs.KDLoss(*IO, temperature=batch.temperature, alpha=0.1)
    ours = hinton(temperature=batch.temperature, hard_label_weight=0.1)(
        student=Outputs(batch.student), teacher=Outputs(batch.teacher), labels=batch.labels
    )
    agree(ours, loss(given(batch.student), given(batch.teacher), batch.labels), rtol=batch.rtol)


def test_dist_has_a_factor_more(theirs: ModuleType, batch: Any, agree: Agree) -> None:
    """Theirs multiplies by T² as the authors' code does; a correlation does not shrink as T grows."""
    loss = theirs.DISTLoss(*IO, beta=2.0, gamma=3.0, tau=batch.temperature)
    ours = functional.relation_distance(
        student=batch.student,
        teacher=batch.teacher,
        temperature=batch.temperature,
        inter_class_weight=2.0,
        intra_class_weight=3.0,
    )
    found = loss(given(batch.student), given(batch.teacher))
    # both add small numbers to what they divide by
    agree(ours, found / batch.temperature**2, rtol=max(1e-6, 10 * batch.rtol))


def test_standardized_divides_by_the_classes_less_one(theirs: ModuleType, batch: Any, agree: Agree) -> None:
    """Their σ is that of a sample, which is ours at a temperature that is √(C / (C − 1)) as large."""
    loss = theirs.LogitStdKDLoss(*IO, temperature=batch.temperature, alpha=0.0)
    share = batch.classes / (batch.classes - 1)
    ours = functional.distillation_kl(
        student=functional.standardize_logits(batch.student),
        teacher=functional.standardize_logits(batch.teacher),
        temperature=batch.temperature * share**0.5,
    )
    # without labels they drop T² here too
    found = batch.temperature**2 * share * loss(given(batch.student), given(batch.teacher))
    # they add 1e-7 to σ
    agree(ours, found, rtol=1e-4 if batch.rtol > 1e-6 else 1e-6)


def test_attention_is_the_authors_code(theirs: ModuleType, maps: Maps, agree: Agree) -> None:
    """In their mode `code`."""
    loss = theirs.ATLoss(pair(), mode="code")
    ours = functional.attention_distance(student=maps[0], teacher=maps[1])
    agree(ours, loss(given(maps[0]), given(maps[1])))


def test_attention_of_the_paper_is_a_root(theirs: ModuleType, maps: Maps, agree: Agree) -> None:
    """Their mode `paper` has the distance of an example's maps, whose square over the positions is ours."""
    loss = theirs.ATLoss(pair(), mode="paper")
    one, other = maps[0][:1], maps[1][:1]
    ours = functional.attention_distance(student=one, teacher=other)
    agree(ours, loss(given(one), given(other)) ** 2 / 64)


def test_similarities_are_in_another_norm(theirs: ModuleType, rows: Maps, agree: Agree) -> None:
    """Theirs makes the absolute values of a row add up to 1; the authors make its length 1, as ours."""
    found = theirs.SPKDLoss("m", "m", reduction="batchmean")(given(rows[0]), given(rows[1]))
    agree(found, distance_of_similarities(*rows, order=1))
    ours = functional.similarity_distance(student=rows[0], teacher=rows[1])
    agree(ours, distance_of_similarities(*rows, order=2))


def distance_of_similarities(student: Tensor, teacher: Tensor, *, order: int) -> float:
    """In NumPy, of products whose rows are divided by their norm of an order; squared, over batch²."""
    both = []
    for side in (student.numpy(), teacher.numpy()):
        products = side @ side.T
        both.append(products / np.linalg.norm(products, ord=order, axis=1, keepdims=True))
    return float(((both[0] - both[1]) ** 2).mean())


def test_neighbours_of_theirs_are_oneself_too(theirs: ModuleType, rows: Maps, agree: Agree) -> None:
    """Theirs lets an example pick itself too, and divides by batch² and not by the batch."""
    loss = theirs.PKTLoss(*IO, eps=1e-12)
    found = loss(given(rows[0].clone()), given(rows[1].clone()))
    agree(len(rows[0]) * found, divergence_of_neighbours(*rows, oneself=True), rtol=1e-8)
    ours = functional.neighbour_divergence(student=rows[0], teacher=rows[1])
    agree(ours, divergence_of_neighbours(*rows, oneself=False))


def divergence_of_neighbours(student: Tensor, teacher: Tensor, *, oneself: bool) -> float:
    """In NumPy, of the choice of a neighbour by cosines; the mean over the examples."""
    chosen = []
    for side in (student.numpy(), teacher.numpy()):
        unit = side / np.linalg.norm(side, axis=1, keepdims=True)
        affinities = (1 + unit @ unit.T) / 2
        if not oneself:
            affinities = affinities[~np.eye(len(side), dtype=bool)].reshape(len(side), -1)
        chosen.append(affinities / affinities.sum(axis=1, keepdims=True))
    q, p = chosen
    return float((p * np.log(p / q)).sum(axis=1).mean())


def test_relations_count_oneself_in_the_mean(theirs: ModuleType, rows: Maps, agree: Agree) -> None:
    """Theirs is a mean over n² and n³ numbers, of which those with one example twice are 0."""
    n = len(rows[0])
    distance = theirs.RKDLoss("m", "m", dist_factor=1.0, angle_factor=0.0, reduction="mean")
    ours = functional.relational_distance(student=rows[0], teacher=rows[1])
    agree(ours, distance(given(rows[0]), given(rows[1])) * n / (n - 1), rtol=1e-8)
    angle = theirs.RKDLoss("m", "m", dist_factor=0.0, angle_factor=1.0, reduction="mean")
    ours = functional.relational_angle(student=rows[0], teacher=rows[1])
    agree(ours, angle(given(rows[0]), given(rows[1])) * n**2 / ((n - 1) * (n - 2)), rtol=1e-8)


def test_correlations_are_a_root_and_not_normalised(theirs: ModuleType, rows: Maps, agree: Agree) -> None:
    """Theirs has the distance over batch², not its square, and leaves rows at their length."""
    loss = theirs.CCKDLoss(
        "m", "m", kernel_config={"type": "gaussian", "gamma": 0.4, "max_p": 2}, reduction="batchmean"
    )
    unit = [side / side.norm(dim=1, keepdim=True) for side in rows]
    ours = functional.correlation_distance(student=rows[0], teacher=rows[1], gamma=0.4, order=2)
    agree(ours, (len(rows[0]) * loss(given(unit[0]), given(unit[1]))) ** 2)


def test_channel_correlations_are_over_the_batch_twice(theirs: ModuleType, maps: Maps, agree: Agree) -> None:
    """By channels and batch²; the authors' by channels and batch, ours by channels² and batch."""
    loss = theirs.ChSimLoss(pair())
    ours = functional.channel_correlation_distance(student=maps[0], teacher=maps[1])
    batch, channels = maps[0].shape[:2]
    agree(ours, loss(given(maps[0]), given(maps[1])) * batch / channels)


def test_flows_are_a_sum_of_roots(theirs: ModuleType, maps: Maps, agree: Agree) -> None:
    """Theirs adds the lengths of the matrix's columns; with one column and one example its square is ours."""
    sides = {
        f"{who}_{which}": {"io": "output", "path": path}
        for who in ("student", "teacher")
        for which, path in (("first", "m"), ("second", "m1"))
    }
    one = maps[0][:1], maps[0][1:2, :1]
    other = maps[1][:1], maps[1][1:2, :1]
    loss = theirs.FSPLoss({"pair": sides})
    ours = functional.flow_distance(student=one, teacher=other)
    agree(ours, loss(given(*one), given(*other)) ** 2)


def test_likelihoods_agree(theirs: ModuleType, maps: Maps, agree: Agree) -> None:
    """Of a mean and a variance of each channel."""
    variance = torch.linspace(0.5, 3.0, 6, dtype=torch.float64)[:, None, None]
    found = theirs.VIDLoss(pair())({"m": {"output": (maps[0], variance)}}, given(maps[1]))
    agree(functional.gaussian_likelihood(mean=maps[0], variance=variance, teacher=maps[1]), found)


def test_hierarchies_agree(theirs: ModuleType, maps: Maps, agree: Agree) -> None:
    """On the grids that are coarser than the maps."""
    found = theirs.HierarchicalContextLoss(*IO)({"m": {"output": (maps[0], None)}}, given(maps[1]))
    agree(functional.hierarchical_distance(student=maps[0], teacher=maps[1]), found)
