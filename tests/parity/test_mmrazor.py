"""MMRazor's losses, file by file: all of them together no longer import with today's torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit import functional

Agree = Callable[..., None]


@pytest.fixture(scope="session")
def theirs(peer: Callable[[str], ModuleType]) -> Callable[[str], ModuleType]:
    """One of their files of losses, by its name."""
    folder = Path(str(peer("mmrazor.registry").__file__)).parents[1] / "models" / "losses"

    @cache  # their registry refuses a class that is defined twice
    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"mmrazor_{name}", folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_soft_targets_agree(theirs: Callable[[str], ModuleType], batch: Any, agree: Agree) -> None:
    """T² times the divergence, over the batch."""
    found = theirs("kl_divergence").KLDivergence(tau=batch.temperature)(batch.student, batch.teacher)
    ours = functional.distillation_kl(
        student=batch.student, teacher=batch.teacher, temperature=batch.temperature
    )
    agree(ours, found, rtol=batch.rtol)


def test_decoupled_parts_agree(theirs: Callable[[str], ModuleType], batch: Any, agree: Agree) -> None:
    """Both parts, each with its weight."""
    loss = theirs("decoupled_kd").DKDLoss(tau=batch.temperature, alpha=1.0, beta=8.0)
    ours = functional.decoupled_kl(
        student=batch.student,
        teacher=batch.teacher,
        labels=batch.labels,
        temperature=batch.temperature,
        target_weight=1.0,
        non_target_weight=8.0,
    )
    agree(ours, loss(batch.student, batch.teacher, batch.labels), rtol=batch.rtol)


def test_weighted_soft_labels_agree(theirs: Callable[[str], ModuleType], batch: Any, agree: Agree) -> None:
    """But for the 1e-7 that they add to what they divide by."""
    loss = theirs("weighted_soft_label_distillation").WSLD(tau=batch.temperature, num_classes=10)
    ours = functional.weighted_soft_labels(
        student=batch.student, teacher=batch.teacher, labels=batch.labels, temperature=batch.temperature
    )
    agree(ours, loss(batch.student, batch.teacher, batch.labels), rtol=1e-5)


def test_dist_has_a_factor_more(theirs: Callable[[str], ModuleType], batch: Any, agree: Agree) -> None:
    """T², as in the authors' code."""
    loss = theirs("dist_loss").DISTLoss(tau=batch.temperature)
    ours = functional.relation_distance(
        student=batch.student,
        teacher=batch.teacher,
        temperature=batch.temperature,
        inter_class_weight=1.0,
        intra_class_weight=1.0,
    )
    found = loss(batch.student, batch.teacher)
    agree(ours, found / batch.temperature**2, rtol=1e-4 if batch.rtol > 1e-6 else 1e-6)


def test_margins_are_theirs_in_another_measure(
    theirs: Callable[[str], ModuleType], maps: tuple[Tensor, Tensor], agree: Agree
) -> None:
    """Theirs adds an example's squares, over 1000; ours averages them."""
    margin = -torch.linspace(0.1, 1.0, 6, dtype=torch.float64)
    target = torch.maximum(maps[1], margin[:, None, None])
    found = theirs("ofd_loss").OFDLoss()(maps[0], target)
    ours = functional.margin_distance(student=maps[0], teacher=maps[1], margin=margin)
    agree(ours, found * 1000 / maps[0][0].numel())


def test_relations_are_of_rows_at_length_1(
    theirs: Callable[[str], ModuleType], rows: tuple[Tensor, Tensor], agree: Agree
) -> None:
    """Their default normalises the features first; ours takes them as they are."""
    module = theirs("relational_kd")
    n = len(rows[0])
    one, other = (F.normalize(side, dim=1) for side in rows)
    found = module.DistanceWiseRKD(loss_weight=1.0)(*rows)
    ours = functional.relational_distance(student=one, teacher=other)
    agree(ours, found * n / (n - 1), rtol=1e-8)
    found = module.AngleWiseRKD(loss_weight=1.0)(*rows)
    ours = functional.relational_angle(student=one, teacher=other)
    agree(ours, found * n**2 / ((n - 1) * (n - 2)), rtol=1e-8)


def test_attention_agrees(
    theirs: Callable[[str], ModuleType], maps: tuple[Tensor, Tensor], agree: Agree
) -> None:
    """The mean of the squares."""
    found = theirs("at_loss").ATLoss()(*maps)
    agree(functional.attention_distance(student=maps[0], teacher=maps[1]), found)
