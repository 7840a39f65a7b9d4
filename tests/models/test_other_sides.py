"""Teachers of other classes, other sizes and other normalisations than the student's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms.v2 import Compose, Normalize, Resize

from distillkit import Distiller, Ensemble, TeacherCache, Translated, losses
from distillkit.errors import ConfigurationError
from distillkit.losses import SoftTargets

KNOWN = [7, 1, 4]
"""The teacher's numbers of the student's classes."""


def net(classes: int = 3, width: int = 4) -> nn.Module:
    """Looks at images of any size."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


def images() -> tuple[Tensor, Tensor]:
    """Twelve labelled images in [0, 1]."""
    return torch.rand(12, 3, 8, 8), torch.randint(3, (12,))


def test_a_teacher_with_more_classes(untouched) -> None:
    """The loss is that of a teacher whose last layer has the chosen rows; so are agreement and divergence."""
    teacher = net(classes=10, width=8)
    fewer = net(classes=3, width=8)
    fewer[0].load_state_dict(teacher[0].state_dict())
    with torch.no_grad():
        fewer[4].weight.copy_(teacher[4].weight[KNOWN])
        fewer[4].bias.copy_(teacher[4].bias[KNOWN])
    chosen = Translated(teacher, logits=lambda output: output[..., KNOWN])
    data, histories = images(), []
    for side in (chosen, fewer):
        torch.manual_seed(1)
        student = net()
        distiller = Distiller(teacher=side, student=student, loss=losses.hinton(4, 0.1))
        with untouched(teacher=side, student=student):
            histories.append(distiller.fit(data, evaluate_on=data, epochs=2, batch_size=4))
    assert histories[0].equals(histories[1])


def test_more_classes_without_a_choice_are_refused() -> None:
    """With the way out in the sentence."""
    distiller = Distiller(teacher=net(classes=10), student=net(), loss=SoftTargets(temperature=4))
    with pytest.raises(ConfigurationError, match=r"teacher gives 10, the student 3; .*Translated\(teacher"):
        distiller.fit(images(), epochs=1)


def view() -> Compose:
    """What the teacher was trained on: twice the size, centred."""
    return Compose([Resize(16, antialias=True), Normalize([0.5] * 3, [0.25] * 3)])


@pytest.mark.parametrize("cache", ["auto", "on", "off", "shared"])
def test_a_teacher_with_another_size_and_normalisation(untouched, cache: Any) -> None:
    """Kept or live, its answers are those to its own view of what the student sees."""
    inner = models.VisionTransformer(
        image_size=16, patch_size=8, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8, num_classes=3
    )
    nn.init.normal_(inner.heads.head.weight)  # zeros in torchvision
    data = images()
    with torch.no_grad():
        expected = inner.eval()(view()(data[0]))
    seen = []

    def watched(*, student: Any, teacher: Any, labels: Any) -> Tensor:
        seen.append(teacher.logits)
        return (student.logits - teacher.logits).square().mean()

    teacher, student = Translated(inner, inputs=view()), net()
    distiller = Distiller(
        teacher=teacher,
        student=student,
        loss=watched,
        precision="fp32",
        teacher_cache=TeacherCache() if cache == "shared" else cache,
    )
    with untouched(teacher=teacher, student=student):
        distiller.fit(data, epochs=1, batch_size=12)
    found = sorted(torch.cat(seen).tolist())
    torch.testing.assert_close(torch.tensor(found), torch.tensor(sorted(expected.tolist())))


def test_answers_that_are_shared_are_those_of_one_view() -> None:
    """Two teachers around one model, of two views, do not get each other's answers."""
    inner, cache, data = net(width=8), TeacherCache(), images()
    found = []
    for factor in (1.0, 3.0):
        teacher = Translated(inner, inputs=lambda seen, factor=factor: factor * seen)
        torch.manual_seed(1)
        distiller = Distiller(
            teacher=teacher,
            student=net(),
            loss=SoftTargets(temperature=1),
            teacher_cache=cache,
            precision="fp32",
        )
        found.append(distiller.evaluate(data).teacher_kl)
        live = Distiller(
            teacher=teacher, student=distiller.student, loss=SoftTargets(temperature=1), teacher_cache="off",
            precision="fp32",
        )  # fmt: skip
        assert found[-1] == pytest.approx(live.evaluate(data).teacher_kl, rel=1e-5)
    assert found[0] != pytest.approx(found[1], rel=1e-3)


def test_a_view_that_differs_each_time_is_not_kept() -> None:
    """The teacher is asked again, and then runs live."""
    teacher = Translated(net(), inputs=lambda seen: 10 * torch.rand(()) * seen)
    distiller = Distiller(teacher=teacher, student=net(), loss=SoftTargets(temperature=4))
    with pytest.warns(UserWarning, match="answered the same examples differently"):
        distiller.fit(images(), epochs=1)


def test_members_of_an_ensemble_with_their_own_views(untouched) -> None:
    """Each member is translated by itself."""
    teacher = Ensemble(
        [net(width=8), Translated(net(classes=10), inputs=view(), logits=lambda output: output[..., KNOWN])],
        average="probabilities",
    )
    student = net()
    with untouched(teacher=teacher, student=student):
        Distiller(teacher=teacher, student=student, loss=SoftTargets(temperature=4)).fit(images(), epochs=1)


def test_the_student_may_be_translated_too(untouched) -> None:
    """It is trained inside, and its own weights are in the module that was given."""
    inner, teacher = net(), net(width=8)
    student = Translated(inner, inputs=Resize(4, antialias=True))
    before = inner[0].weight.clone()
    with untouched(teacher=teacher, student=student):
        Distiller(teacher=teacher, student=student, loss=SoftTargets(temperature=4)).fit(images(), epochs=1)
    assert not torch.equal(inner[0].weight, before)
    assert set(inner.state_dict()) == set(net().state_dict())
