"""Models of timm, whose test models are tiny."""

from __future__ import annotations

import pytest
import torch

from distillkit import Distiller, losses
from distillkit.losses import AT, SoftTargets, WeightedSum

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'distillkit[models]'")


@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_into_an_efficientnet(untouched, name: str) -> None:
    """Logits alone, whatever family the teacher is of."""
    teacher = timm.create_model(name, pretrained=False, num_classes=5)
    student = timm.create_model("test_efficientnet", pretrained=False, num_classes=5)
    data = torch.randn(4, 3, 160, 160), torch.randint(5, (4,))
    loss = losses.hinton(temperature=4, hard_label_weight=0.1)
    with untouched(teacher=teacher, student=student):
        Distiller(teacher=teacher, student=student, loss=loss).fit(
            data, evaluate_on=data, epochs=1, batch_size=4
        )


def test_features_by_pattern(untouched) -> None:
    """Stages of two convolutional networks, by the names that timm gives them."""
    teacher = timm.create_model("test_resnet", pretrained=False, num_classes=5)
    student = timm.create_model("test_efficientnet", pretrained=False, num_classes=5)
    loss = WeightedSum(
        terms={"soft": SoftTargets(temperature=4), "attention": AT(layers={"blocks.[123]": "layer[123]"})}
    )
    with untouched(teacher=teacher, student=student):
        Distiller(teacher=teacher, student=student, loss=loss).fit(
            torch.randn(4, 3, 64, 64), epochs=1, batch_size=2
        )
