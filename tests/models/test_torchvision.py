"""Models of torchvision, as they come."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from distillkit import Distiller, losses
from distillkit.losses import AT, FitNet, HardLabels, SoftTargets, WeightedSum

CLASSES = 4


def images(size: int = 32) -> tuple[Tensor, Tensor]:
    """Eight labelled images."""
    return torch.randn(8, 3, size, size), torch.randint(CLASSES, (8,))


def resnet() -> nn.Module:
    """A residual network of one block a stage."""
    return models.ResNet(models.resnet.BasicBlock, [1] * 4, num_classes=CLASSES)


def vit() -> nn.Module:
    """A vision transformer, whose head torchvision fills with zeros."""
    made = models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=CLASSES
    )
    nn.init.normal_(made.heads.head.weight)
    return made


def test_resnet_into_mobilenet_with_features(untouched) -> None:
    """The stages of the one beside those of the other, named by patterns; attention maps ask for no sizes."""
    teacher = resnet()
    student = models.mobilenet_v3_small(weights=None, num_classes=CLASSES)
    loss = WeightedSum(
        terms={
            "soft": SoftTargets(temperature=4),
            "attention": AT(layers={"features.[38]": "layer[23]"}),
            "hint": FitNet(layers={"features.12": "layer4"}),
            "hard": HardLabels(),
        }
    )
    data = images(64)
    with untouched(teacher=teacher, student=student):
        history = Distiller(teacher=teacher, student=student, loss=loss).fit(
            data, evaluate_on=data, epochs=1, batch_size=4
        )
    assert {"soft", "attention", "hint", "hard", "teacher_agreement"} <= set(history.columns)


def test_vit_into_resnet(untouched) -> None:
    """Of other families: logits, and a token's numbers beside a map's by their relations."""
    teacher = vit()
    student = resnet()
    loss = WeightedSum(
        terms={
            "kd": losses.hinton(temperature=4, hard_label_weight=0.1),
            "relations": losses.SP(layers={"avgpool": "encoder.ln"}),
        }
    )
    with untouched(teacher=teacher, student=student):
        Distiller(teacher=teacher, student=student, loss=loss).fit(images(), epochs=1, batch_size=4)


@pytest.mark.parametrize("train", ["fit", "step"])
def test_a_student_that_answers_with_a_tuple(untouched, train: str) -> None:
    """As GoogLeNet, which gives auxiliary logits too while it trains: the first of the tuple counts."""

    class WithExit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten())
            self.head, self.exit = nn.Linear(4 * 15 * 15, CLASSES), nn.Linear(4 * 15 * 15, CLASSES)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor] | Tensor:
            seen = self.body(x)
            logits = self.head(seen)
            return (logits, self.exit(seen)) if self.training else logits

    teacher, student = resnet(), WithExit()
    data = images()
    distiller = Distiller(teacher=teacher, student=student, loss=SoftTargets(temperature=4))
    with untouched(teacher=teacher, student=student):
        if train == "fit":
            distiller.fit(data, evaluate_on=data, epochs=1, batch_size=4)
        else:
            distiller.step(data)
    assert student.exit.weight.grad is None
