"""CTKD: a temperature that is learnt against the student."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax
from torch import Tensor, nn

from distillkit import Distiller
from distillkit.errors import ConfigurationError
from distillkit.functional import reverse_gradient
from distillkit.losses import CTKD, HardLabels, Loss, WeightedSum
from distillkit.schedules import Cosine
from distillkit.typing import Outputs


def logits() -> tuple[Tensor, Tensor]:
    """Of student and teacher, float64."""
    student, teacher = (
        torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    )
    return student, teacher


def by_numpy(student: Tensor, teacher: Tensor, number: float, lowest: float = 1, width: float = 20) -> float:
    """T² KL at the temperature of a number, without torch."""
    temperature = lowest + width / (1 + math.exp(-number))
    p, q = (softmax(one.detach().numpy() / temperature, axis=-1) for one in (teacher, student))
    return temperature**2 * float(np.sum(rel_entr(p, q), axis=-1).mean())


def made(loss: CTKD, student: Tensor, number: float = 1.0) -> Any:
    """What it learns, in float64, at a value."""
    adapters: Any = loss.adapters(student=Outputs(student), teacher=None).double()
    adapters.number.data.fill_(number)
    return adapters


@pytest.mark.parametrize("strength", [0, 0.25, 1, 3])
def test_reversal_is_minus_the_strength(strength: float) -> None:
    """The values are the same bits, and each gradient is that of the plain tensor, turned round."""
    x = torch.randn(7, generator=torch.Generator().manual_seed(1), requires_grad=True)
    plain, turned = x.sin() * x, reverse_gradient(x, strength=strength)
    assert torch.equal(turned, x)
    (expected,) = torch.autograd.grad(plain.sum(), x)
    (found,) = torch.autograd.grad((turned.sin() * turned).sum(), x)
    torch.testing.assert_close(found, -strength * expected)


def test_reversal_can_be_mapped_over() -> None:
    """Under `vmap` and `grad` of torch.func, too."""
    x = torch.tensor([1.0, -2.0, 3.0])
    found = torch.func.vmap(torch.func.grad(lambda one: reverse_gradient(one, strength=0.5) ** 2))(x)
    assert torch.equal(found, -x)


@pytest.mark.parametrize("number", [-3.0, 0.0, 1.0, 4.0])
def test_value_is_that_of_numpy(number: float) -> None:
    """Whatever λ is."""
    student, teacher = logits()
    for reversal in (0, 1):
        loss = CTKD(reversal=reversal, lowest_temperature=2, temperature_range=7)
        adapters = made(loss, student, number)
        found = loss(student=Outputs(student, adapters=adapters), teacher=Outputs(teacher), labels=None)
        assert found.item() == pytest.approx(by_numpy(student, teacher, number, 2, 7), rel=1e-12)


@pytest.mark.parametrize("number", [-3.0, 0.0, 1.0, 4.0])
@pytest.mark.parametrize("reversal", [0.0, 0.3, 1.0])
def test_gradients_go_opposite_ways(number: float, reversal: float) -> None:
    """The student's is the slope of the loss; the number's is −λ times its own, by NumPy's."""
    student, teacher = logits()
    student.requires_grad_()
    loss = CTKD(reversal=reversal)
    adapters = made(loss, student, number)
    loss(student=Outputs(student, adapters=adapters), teacher=Outputs(teacher), labels=None).backward()
    step = 1e-5
    slope = (by_numpy(student, teacher, number + step) - by_numpy(student, teacher, number - step)) / (
        2 * step
    )
    assert abs(slope) > 1e-3
    assert adapters.number.grad.item() == pytest.approx(-reversal * slope, rel=1e-6, abs=1e-9)
    temperature = 1 + 20 / (1 + math.exp(-number))
    p, q = (torch.softmax(one.detach() / temperature, dim=-1) for one in (teacher, student))
    torch.testing.assert_close(student.grad, temperature * (q - p) / len(student))


@pytest.mark.parametrize("number", [-1e4, -5.0, 0.0, 5.0, 1e4])
def test_temperature_stays_in_its_bounds(number: float) -> None:
    """However far the number goes."""
    adapters = made(CTKD(lowest_temperature=2, temperature_range=3), logits()[0], number)
    assert 2 <= adapters.temperature <= 5
    assert adapters.temperature == pytest.approx(2 + 3 / (1 + math.exp(-max(number, -700))))


def test_defaults_are_the_papers() -> None:
    """T in (1, 21) from 1 + 20 σ(1), and λ over the first 10 of 240 epochs as its formula has it."""
    loss = CTKD()
    assert made(loss, logits()[0]).temperature == pytest.approx(1 + 20 / (1 + math.exp(-1)))
    for epoch in (0, 1, 5, 9, 10, 100, 240):
        papers = 0 + (1 - 0) * (1 + math.cos((1 + min(epoch, 10) / 10) * math.pi)) / 2
        assert loss.at(epoch / 240).reversal == pytest.approx(papers, abs=1e-12)


@pytest.mark.parametrize("field", ["lowest_temperature", "temperature_range", "reversal"])
def test_numbers_below_0_are_refused(field: str) -> None:
    """A temperature is above 0, and a reversal turns round."""
    with pytest.raises(ConfigurationError, match=field):
        CTKD(**{field: -1})


def small(seed: int) -> nn.Module:
    """A linear net, from a seed of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Linear(6, 4)


@pytest.mark.parametrize("in_a_sum", [False, True])
def test_fit_equals_a_loop_by_hand(in_a_sum: bool) -> None:
    """Student and temperature after six steps of SGD, where λ grows along half a cosine."""
    inputs = 5 * torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(32) % 4
    ctkd = CTKD(reversal=Cosine(start=0, end=2, share=0.5), temperature_range=8)
    loss: Loss = WeightedSum(terms={"hard": HardLabels(), "soft": ctkd}) if in_a_sum else ctkd
    teacher, student, twin = small(1), small(2), small(2)
    number = torch.ones((), requires_grad=True)
    distiller = Distiller(
        teacher=teacher,
        student=student,
        loss=loss,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        precision="fp32",
    )
    history = distiller.fit((inputs, labels), epochs=6, batch_size=32)
    for step in range(6):
        strength = 1 - math.cos(math.pi * min(step / 3, 1))
        temperature = 1 + 8 * number.sigmoid()
        z, v = twin(inputs), teacher(inputs).detach()
        log_q, log_p = (z / temperature).log_softmax(-1), (v / temperature).log_softmax(-1)
        soft = temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean()
        total = soft + in_a_sum * nn.functional.cross_entropy(z, labels)
        gradients = torch.autograd.grad(total, [*twin.parameters(), number])
        with torch.no_grad():
            for own, gradient in zip(twin.parameters(), gradients, strict=False):
                own -= 0.1 * gradient
            number += 0.1 * strength * gradients[-1]
        assert history["loss"][step] == pytest.approx(total.item(), rel=1e-4)
    torch.testing.assert_close(student.weight, twin.weight)
    assert distiller.adapters is not None
    (learnt,) = distiller.adapters.parameters()
    torch.testing.assert_close(learnt, number.detach(), check_stride=False)
    assert abs(learnt.item() - 1) > 1e-3
    column = "terms.soft.reversal" if in_a_sum else "reversal"
    assert history[column].tolist() == pytest.approx([0, 0.5, 1.5, 2, 2, 2])


def test_by_itself_it_says_what_it_needs() -> None:
    """In a program of one's own, adapters have to be made."""
    student, teacher = logits()
    with pytest.raises(ConfigurationError, match="learns something itself"):
        CTKD().at(0)(student=Outputs(student), teacher=Outputs(teacher), labels=None)
