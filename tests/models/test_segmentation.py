"""Dense logits: a class for each pixel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from distillkit import Distiller, Translated, losses
from distillkit.errors import ConfigurationError
from distillkit.losses import AT, DKD, HardLabels, SoftTargets, WeightedSum

CLASSES = 3
VOID = 255


def small() -> nn.Module:
    """A student that gives a tensor `[batch, classes, height, width]`."""
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, CLASSES, 3, padding=1))


def classes_last(output: Tensor) -> Tensor:
    """`[batch, height, width, classes]`."""
    return output.movedim(1, -1)


def scene() -> tuple[Tensor, Tensor]:
    """Four images and a class for each pixel, with a border that is void."""
    labels = torch.randint(CLASSES, (4, 16, 20))
    labels[:, 0] = VOID
    return torch.randn(4, 3, 16, 20), labels


def test_torchvisions_network_teaches_a_small_one(untouched) -> None:
    """The teacher's logits are in a mapping; void pixels are −100, and features are named inside."""
    images, labels = scene()
    net = small()
    teacher = Translated(
        lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=CLASSES),
        logits=lambda output: classes_last(output["out"]),
    )
    student = Translated(net, logits=classes_last)
    loss = WeightedSum(
        terms={
            "kd": losses.hinton(temperature=2, hard_label_weight=0.5),
            "dkd": DKD(),
            "attention": AT(layers={"model.1": "model.backbone.3"}),
        }
    )
    before = net[0].weight.clone()
    with untouched(teacher=teacher, student=student):
        Distiller(teacher=teacher, student=student, loss=loss).fit(
            (images, labels.masked_fill(labels == VOID, -100)), epochs=1, batch_size=2
        )
    assert not torch.equal(net[0].weight, before)


def test_the_losses_are_those_of_the_pixels_that_count() -> None:
    """Torch's cross-entropy with an ignored class, and the divergence of each pixel in a loop."""
    images, labels = scene()
    teacher, student = small(), small()
    with torch.no_grad():
        said, taught = student(images).double(), teacher(images).double()
    hard = nn.functional.cross_entropy(said, labels, ignore_index=VOID)
    soft = []
    for image, row, column in (labels != VOID).nonzero().tolist():
        p, q = (side[image, :, row, column].softmax(0) for side in (taught, said))
        soft.append((p * (p / q).log()).sum())
    distiller = Distiller(
        teacher=Translated(teacher, logits=classes_last),
        student=Translated(student, logits=classes_last),
        loss=WeightedSum(terms={"soft": SoftTargets(temperature=1), "hard": HardLabels()}),
        precision="fp32",
    )
    found = distiller.step((images, labels.masked_fill(labels == VOID, -100)))
    assert float(found["hard"]) == pytest.approx(float(hard), rel=1e-5)
    assert float(found["soft"]) == pytest.approx(float(torch.stack(soft).mean()), rel=1e-4)


def test_classes_that_stand_second_are_noticed() -> None:
    """With labels, as one sentence that says what to do; void pixels are not taken for classes."""
    images, labels = scene()
    plain = Distiller(teacher=small(), student=small(), loss=losses.hinton(2, 0.5))
    with pytest.raises(ConfigurationError, match=r"\[4, 3, 16, 20\] seem to have them second.*movedim"):
        plain.step((images, labels))
    moved = Distiller(teacher=None, student=Translated(small(), logits=classes_last), loss=HardLabels())
    with pytest.raises(ConfigurationError, match=r"Labels must be in \[0, 2\].*got 0 to 255"):
        moved.step((images, labels))
    with pytest.raises(ConfigurationError, match="All labels of a batch are -100"):
        moved.step((images, torch.full_like(labels, -100)))
