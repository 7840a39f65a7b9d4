"""Tests of the cheap dropout masks: torch's distribution, and nothing left on the module."""

from __future__ import annotations

import pytest
import torch
import torch.utils.checkpoint
from scipy import stats
from torch import nn

from distillkit import Distiller, losses
from distillkit.engine.forward.dropout import cheap_masks, dropout_mask, plain_dropouts

CPU = torch.device("cpu")


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.2, 0.5, 0.9, 0.999])
def test_the_share_dropped_and_the_expected_value(rate):
    """A million units: as many are dropped as a binomial allows, and the mean of the mask is 1."""
    like = torch.empty(1000, 1001)
    mask = dropout_mask(like, rate, torch.Generator().manual_seed(0))
    dropped = int((mask == 0).sum())
    assert mask.shape == like.shape
    assert abs(dropped - rate * like.numel()) <= 5 * (like.numel() * rate * (1 - rate)) ** 0.5 + 16
    kept = mask[mask != 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=1e-2 if rate > 0.99 else 1e-4)
    assert abs(float(mask.mean()) - 1) < 5 * (rate / (1 - rate) / like.numel()) ** 0.5 + 1e-6


def test_units_and_draws_are_independent():
    """Neighbours, which come of one 64-bit number, and masks drawn after each other do not go together."""
    generator = torch.Generator().manual_seed(1)
    first, second = (dropout_mask(torch.empty(400_000), 0.3, generator) == 0 for _ in range(2))
    for one, other in [(first[lag:], first[:-lag]) for lag in (1, 2, 3, 4)] + [(first, second)]:
        table = [[int((one & other).sum()), int((one & ~other).sum())],
                 [int((~one & other).sum()), int((~one & ~other).sum())]]  # fmt: skip
        assert stats.chi2_contingency(table).pvalue > 1e-4


def test_groups_of_four_follow_the_binomial():
    """The number dropped of each four units has the frequencies of four independent draws."""
    dropped = (dropout_mask(torch.empty(100_000, 4), 0.2, torch.Generator().manual_seed(2)) == 0).sum(1)
    expected = stats.binom.pmf(range(5), 4, 0.2) * 100_000
    assert stats.chisquare(dropped.bincount(minlength=5).numpy(), expected).pvalue > 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_and_gradients_are_masked_alike(dtype):
    """What is dropped gets no gradient; the rest is scaled both ways; the dtype stays."""
    layer, x = nn.Dropout(0.5), torch.ones(7, 5, dtype=dtype, requires_grad=True)
    with cheap_masks(plain_dropouts(layer, CPU)):
        out = layer(x)
    out.sum().backward()
    assert out.dtype == dtype
    assert torch.equal(out.detach(), x.grad)
    assert set(out.detach().float().unique().tolist()) == {0.0, 2.0}


def test_evaluation_mode_a_rate_of_zero_and_of_one():
    """Nothing, nothing and everything is dropped."""
    x, parts = torch.ones(3, 4), (nn.Dropout(0.5).eval(), nn.Dropout(0.0), nn.Dropout(1.0))
    with cheap_masks(parts):
        assert torch.equal(parts[0](x), x)
        assert torch.equal(parts[1](x), x)
        assert torch.equal(parts[2](x), torch.zeros_like(x))


def test_only_torchs_own_dropout_is_taken_and_nothing_stays_on_it():
    """Subclasses, other dropouts, in-place ones and replaced forwards are left alone, also after an error."""

    class Mine(nn.Dropout):
        pass

    replaced = nn.Dropout(0.5)
    replaced.forward = lambda x: x
    plain = nn.Dropout(0.5)
    module = nn.Sequential(Mine(0.5), nn.Dropout2d(0.5), nn.Dropout(0.5, inplace=True), replaced, plain)
    assert plain_dropouts(module, CPU) == (plain,)
    assert plain_dropouts(module, torch.device("cuda")) == ()
    with pytest.raises(ZeroDivisionError), cheap_masks((plain,)):
        raise ZeroDivisionError
    assert "forward" not in vars(plain)


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing_draws_the_same_masks_again(net, data, reentrant):
    """The pass that is made again for the gradients is the first one again."""

    class Checkpointed(nn.Module):
        def __init__(self, checkpoint):
            super().__init__()
            self.first, self.rest = nn.Linear(6, 6), net(2, dropout=0.5)
            nn.init.eye_(self.first.weight)
            nn.init.zeros_(self.first.bias)
            self.checkpoint = checkpoint

        def forward(self, x):
            x = self.first(x)
            if self.checkpoint:
                return torch.utils.checkpoint.checkpoint(self.rest, x, use_reentrant=reentrant)
            return self.rest(x)

    students = [Checkpointed(checkpoint) for checkpoint in (True, False)]
    for student in students:
        Distiller(teacher=net(1), student=student, loss=losses.SoftTargets(temperature=2)).fit(data, epochs=2)
    for one, other in zip(*(student.parameters() for student in students), strict=True):
        assert torch.equal(one, other)


def test_a_compiled_student_draws_as_its_compiler_says(net):
    """Nothing is put in the place of what was compiled."""
    student = net(1, dropout=0.5)
    assert plain_dropouts(student, CPU)
    assert plain_dropouts(torch.compile(student), CPU) == ()
    student.compile()
    assert plain_dropouts(student, CPU) == ()
