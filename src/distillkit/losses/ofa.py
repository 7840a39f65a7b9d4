"""One for all: between networks of any two architectures."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field, NonNegativeFloat
from torch import Size, Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.functional import target_enhanced_cross_entropy
from distillkit.layer_names import layers_like, no_such_layer
from distillkit.losses.base import Loss
from distillkit.losses.needs import Needs
from distillkit.typing import Labels, Outputs


class OFA(Loss):
    """Cross-entropy of the student's exits at some of its layers with the teacher's answer and the labels.

    −(1 + p_t)^γ log q_t − Σ_{c≠t} p_c log q_c, averaged over the batch and summed over the layers; the
    formula is at `functional.target_enhanced_cross_entropy`. p is the teacher's, t the true class, and q what
    an exit says that is learnt beside the student at each layer. Of the teacher only the logits are looked
    at, so its layers may be of another kind (a transformer's, say), and it runs once where it is cached. It
    needs labels.

    The exit is, for maps, a depthwise 3 × 3 and a 1 × 1 convolution with batch normalisation and ReLU,
    averaged over positions; for tokens and vectors a linear layer and ReLU, averaged over the tokens; then a
    linear layer to the classes. The authors' exits shrink maps in several such steps, and have
    transformer blocks for tokens.

    Batch normalisation looks across the examples of a batch, so the loss is not the mean of theirs.

    The paper has the ends of four stages, and chooses γ by the pair of networks: 1 and 1.5 in the commands
    that the authors show. Their code leaves the labels' own cross-entropy out of the exits, that is (1 +
    p_t)^γ − 1, takes the other probabilities to γ too, and has the same loss once more on the student's own
    logits.

    Example:
        >>> OFA(layers=["layer*"])
        OFA(kind='ofa', layers=('layer*',), gamma=1.0)

    Reference:
        Hao, Guo, Han, Tang, Hu, Wang, Xu, One-for-All: Bridge the Gap Between Heterogeneous Architectures in
        Knowledge Distillation, NeurIPS 2023.
    """

    kind: Literal["ofa"] = "ofa"
    layers: tuple[str, ...] = Field(min_length=1, examples=[("layer4",), ("layer*",)])
    """The student's layers, module names or patterns as `layer*`."""
    gamma: NonNegativeFloat = 1.0
    """γ ≥ 0; larger sharpens on what the teacher has right."""

    def needs(self) -> Needs:
        """Return that it relates the examples of a batch, by batch normalisation, beside the rest."""
        return replace(super().needs(), whole_batch=True, student_layers=self.layers)

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module:
        """An exit for each layer.

        Raises:
            ConfigurationError: The answers are at many positions, or as `_exit`.
        """
        if student.logits.dim() != 2:
            raise ConfigurationError(
                "OFA's exits give one answer an example, so the logits must be [batch, classes], got "
                f"{list(student.logits.shape)}: use a loss on logits, or one that compares features."
            )
        classes = student.logits.shape[-1]
        return nn.ModuleList([_exit(one.shape, classes) for one in self._features(student)])

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch."""
        answers, true = self.teacher_logits(teacher), self.true_labels(labels)
        exits = self.learnt(student).children()
        return torch.stack(
            [
                target_enhanced_cross_entropy(
                    student=leave(one), teacher=answers, labels=true, gamma=self.gamma
                )
                for leave, one in zip(exits, self._features(student), strict=True)
            ]
        ).sum()

    def _features(self, student: Outputs) -> list[Tensor]:
        found: dict[str, Tensor] = {}
        for pattern in self.layers:
            names = layers_like(pattern, student.features)
            if not names:
                raise no_such_layer(pattern, student.features, "Among what was taken, the student")
            found |= {name: student.features[name] for name in names}
        return list(found.values())


class _OverTokens(nn.Module):
    """The mean over tokens."""

    def forward(self, tokens: Tensor) -> Tensor:
        """`[batch, tokens, numbers]` to `[batch, numbers]`."""
        return tokens.mean(dim=1)


def _exit(shape: Size, classes: int) -> nn.Module:
    """From a layer to logits.

    Raises:
        ConfigurationError: The layer gives neither maps nor tokens nor vectors.
    """
    if len(shape) == 4:
        channels = shape[1]
        return nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, 2 * channels, 1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2 * channels, classes),
        )
    if len(shape) not in {2, 3}:
        raise ConfigurationError(
            "OFA needs features [batch, numbers], [batch, tokens, numbers] or [batch, channels, height, "
            f"width]; got {list(shape)}: name another layer."
        )
    numbers = shape[-1]
    over = [_OverTokens()] if len(shape) == 3 else []
    return nn.Sequential(nn.Linear(numbers, 2 * numbers), nn.ReLU(), *over, nn.Linear(2 * numbers, classes))
