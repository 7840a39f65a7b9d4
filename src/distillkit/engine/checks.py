"""Checks on the first batch, before anything is trained."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import fields

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.errors import ConfigurationError
from distillkit.metrics import Evaluation

_COLUMNS = {"epoch", "loss", "learning_rate", *(field.name for field in fields(Evaluation))}
"""The columns of the history that are not the loss's."""
_FEW_BY_CHANCE = 32
"""Fewer logits than these may all be positive by chance; a ReLU leaves zeros."""


def check_devices(student: nn.Module, teacher: nn.Module | None, student_device: torch.device) -> None:
    """Refuse a teacher on another device than the student.

    Raises:
        ConfigurationError: Names both devices.
    """
    for side, module in (("student", student), ("teacher", teacher)):
        for tensor in [] if module is None else [*module.parameters(), *module.buffers()]:
            if tensor.device != student_device:
                raise ConfigurationError(
                    f"Teacher and student must be on one device: the student is on {student_device}, a "
                    f"tensor of the {side} on {tensor.device}; move it with .to({str(student_device)!r})."
                )


def check_optimizer(optimizer: Optimizer, student: nn.Module) -> None:
    """Refuse an optimiser that does not hold the student's trainable parameters and no others.

    Raises:
        ConfigurationError: Says how many are missing or foreign.
    """
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    wanted = {id(parameter) for parameter in student.parameters() if parameter.requires_grad}
    all_of_it = {id(parameter) for parameter in student.parameters()}
    if foreign := len(held - all_of_it):
        raise ConfigurationError(
            f"The optimiser holds {foreign} parameter(s) that are not the student's (the teacher's, "
            "perhaps): make it from student.parameters()."
        )
    if missing := len(wanted - held):
        raise ConfigurationError(
            f"The optimiser lacks {missing} of the student's {len(wanted)} trainable parameters: make it "
            "from student.parameters(), or set requires_grad=False on those that are to stay."
        )


def check_outputs(student: Tensor, teacher: Tensor | None, labels: Tensor | None) -> None:
    """Refuse outputs and labels that cannot belong together; warn of a teacher that gives no logits.

    Args:
        student: `[batch, ..., classes]`.
        teacher: The same shape, or `None`.
        labels: `[batch, ...]`, or `None`.

    Raises:
        ConfigurationError: Shapes, class counts or labels do not fit; the sentence names both sides.
    """
    if student.dim() < 2 or not student.is_floating_point():
        raise ConfigurationError(
            f"The student must give logits of shape [batch, classes], got {student.dtype} "
            f"{list(student.shape)}."
        )
    if teacher is not None:
        _check_shapes(teacher, student)
        if not bool(teacher.isfinite().all()):
            raise ConfigurationError(
                "The teacher's logits are not all finite on the first batch; look at its weights and at the "
                "inputs."
            )
        _warn_unless_logits(teacher)
    if labels is not None:
        _check_labels(labels, student)


def check_weights(weights: Tensor) -> None:
    """Refuse weights of examples that are negative or not finite.

    Raises:
        ConfigurationError: Says from where to where they go.
    """
    if not bool((weights.isfinite() & (weights >= 0)).all()):
        raise ConfigurationError(
            "The weights of the examples must be finite numbers ≥ 0, got some from "
            f"{float(weights.min())} to {float(weights.max())}."
        )


def check_number(weights: Tensor, examples: int) -> None:
    """Refuse weights that are not one an example.

    Raises:
        ConfigurationError: Says how many there are.
    """
    if len(weights) != examples:
        raise ConfigurationError(f"Each example needs a weight, got {len(weights)} for {examples} examples.")


def check_features(student: Mapping[str, Tensor]) -> None:
    """Refuse features of the student through which no gradient reaches it.

    Raises:
        ConfigurationError: Names the first.
    """
    for name, feature in student.items():
        if not feature.requires_grad:
            raise ConfigurationError(
                f"What the student's layer {name!r} gives carries no gradient, so nothing would be learnt "
                "from it: all before it is frozen, or it is within torch's checkpoint() (use_reentrant=False "
                "keeps gradients)."
            )


def check_evaluation(student: Tensor, teacher: Tensor | None, labels: Tensor) -> None:
    """Refuse logits and labels of cases that cannot be compared.

    Raises:
        ConfigurationError: The sentence names both sides.
    """
    if student.dim() < 2:
        raise ConfigurationError(
            f"Evaluation needs logits of shape [cases, classes], got {list(student.shape)}: use logits() "
            "and metrics of your own."
        )
    if labels.is_floating_point() and labels.shape == student.shape:
        raise ConfigurationError(
            "Evaluation counts errors, which needs one true class a case, and these labels are "
            f"{labels.dtype} {list(labels.shape)}: give the numbers of the classes, labels.argmax(-1) of "
            "distributions."
        )
    if teacher is not None:
        _check_shapes(teacher, student)
    _check_labels(labels, student)


def check_contributions(contributions: Mapping[str, object], columns: Iterable[str] = ()) -> None:
    """Refuse contributions to a loss that cannot be trained on or written into a history.

    Args:
        contributions: By name.
        columns: Those of the history that the loss has beside its contributions.

    Raises:
        ConfigurationError: Says which.
    """
    if not contributions:
        raise ConfigurationError("The loss has no contributions: return at least one scalar by name.")
    if len(contributions) > 1 and (taken := sorted(contributions.keys() & {*_COLUMNS, *columns})):
        raise ConfigurationError(
            f"A term of the loss is named {taken[0]!r}, which is a column of the history already: give it "
            "another name."
        )
    for value in contributions.values():
        check_loss(value)


def check_loss(loss: object) -> None:
    """Refuse a loss that is no scalar tensor with gradients, or is not finite.

    Raises:
        ConfigurationError: Says what it is.
    """
    if not isinstance(loss, Tensor) or loss.dim() != 0:
        came = f"a tensor of shape {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ConfigurationError(
            f"A loss must return a scalar tensor, got {came}: sum over classes, average over the batch."
        )
    if not loss.requires_grad:
        raise ConfigurationError(
            "The loss does not depend on the student: no gradient reaches its parameters."
        )
    if not math.isfinite(float(loss.detach())):
        raise ConfigurationError(
            f"The loss of the first batch is {float(loss.detach())}: look for inputs or weights that are "
            "not finite."
        )


def _check_shapes(teacher: Tensor, student: Tensor) -> None:
    if teacher.shape[-1] != student.shape[-1]:
        raise ConfigurationError(
            f"Teacher and student must have the same classes: the teacher gives {teacher.shape[-1]}, the "
            f"student {student.shape[-1]}; change the student's last layer, or choose those of the teacher's "
            "classes that the student has: Translated(teacher, logits=lambda output: output[..., [...]])."
        )
    if teacher.shape != student.shape:
        raise ConfigurationError(
            f"Teacher and student must give logits of one shape, got {list(teacher.shape)} and "
            f"{list(student.shape)}."
        )


def _check_labels(labels: Tensor, student: Tensor) -> None:
    if labels.dim() > 1 and labels.shape == student[:, 0].shape != student.shape[:-1]:
        raise ConfigurationError(
            f"Logits have their classes last, and these of shape {list(student.shape)} seem to have them "
            f"second, for labels of shape {list(labels.shape)}: put both models into Translated(model, "
            "logits=lambda output: output.movedim(1, -1))."
        )
    if labels.is_floating_point() and labels.shape == student.shape:
        _check_distributions(labels)
        return
    if labels.shape == student.shape:
        raise ConfigurationError(
            f"Labels must be whole numbers of shape {list(student.shape[:-1])}, got {labels.dtype} "
            f"{list(labels.shape)}: where one class is true, give labels.argmax(-1); where several are, each "
            "with a sigmoid, give each class two logits, which is the same, by Translated(model, "
            "logits=lambda z: torch.stack([torch.zeros_like(z), z], -1)) around both models."
        )
    if labels.shape != student.shape[:-1] or labels.dtype != torch.int64:
        raise ConfigurationError(
            f"Labels must be whole numbers of shape {list(student.shape[:-1])}, got {labels.dtype} "
            f"{list(labels.shape)}: reshape or convert them (classes are numbers; distributions over the "
            f"classes are floating, of shape {list(student.shape)}), or leave them out."
        )
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < 0 or largest >= student.shape[-1]:
        raise ConfigurationError(
            f"Labels must be in [0, {student.shape[-1] - 1}], since the student has {student.shape[-1]} "
            f"classes; got {smallest} to {largest}: number the classes from 0, or give the student more of "
            "them."
        )


def _check_distributions(labels: Tensor) -> None:
    sums = labels.sum(dim=-1)
    # bfloat16 keeps 8 bits
    if not bool((labels >= 0).all()) or not bool(((sums - 1).abs() < 1e-2).all()):
        raise ConfigurationError(
            "Labels that are floating are distributions over the classes, each ≥ 0 with sum 1; these, of "
            f"shape {list(labels.shape)}, sum to {float(sums.min()):.3g} to {float(sums.max()):.3g}: divide "
            "each by its sum, or leave them out where several classes are true at once."
        )


def _warn_unless_logits(teacher: Tensor) -> None:
    logits = teacher.float()
    if not bool((logits >= 0).all()):
        return
    # bfloat16 keeps 8 bits
    if bool(((logits.sum(dim=-1) - 1).abs() < 1e-2).all()):
        warnings.warn(
            "The teacher's outputs look like probabilities (each row is positive and sums to 1), and a "
            "loss on logits would soften them twice: take the softmax off the teacher, or give the "
            "logarithm of its outputs.",
            stacklevel=4,
        )
    elif logits.numel() >= _FEW_BY_CHANCE or bool((logits == 0).any()):
        warnings.warn(
            "No logit of the teacher was negative on the first batch, as if a ReLU followed its last "
            "layer: such a teacher cannot say that a class is unlikely, and an output unit can die; take "
            "the ReLU off.",
            stacklevel=4,
        )
