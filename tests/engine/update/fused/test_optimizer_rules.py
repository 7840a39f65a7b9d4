"""Tests of the rules: each does what torch's own optimiser does."""

from __future__ import annotations

import copy

import pytest
import torch

from distillkit.engine.update.fused.fused_step import FusedStep, has_rules

SGD, ADAM, ADAMW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
CASES = [
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.1, "momentum": 0.9}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "maximize": True}),
    (ADAM, {"lr": 0.01}),
    (ADAM, {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.95), "eps": 1e-6}),
    (ADAMW, {"lr": 0.01, "weight_decay": 0.1}),
    (ADAMW, {"lr": 0.01, "weight_decay": 0.0, "maximize": True}),
]
IDS = [f"{kind.__name__}-{'-'.join(map(str, options))}" for kind, options in CASES]


def weights():
    """A matrix and a vector."""
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((5, 4), (5,))]


def gradients(parameters, generator):
    """Some that bfloat16 can hold."""
    return [torch.randn(one.shape, generator=generator).bfloat16() for one in parameters]


@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_rule_steps_as_the_optimiser_does(kind, options, clip_norm, traced):
    """Weights, copies and state after fifty steps; the learning rate changes on the way."""
    ours, theirs = weights(), weights()
    own, reference = kind(ours, **options), kind(theirs, **options)
    generator = torch.Generator().manual_seed(1)
    for parameters, optimizer in ((ours, own), (theirs, reference)):
        for one in parameters:
            one.grad = torch.ones_like(one)
        optimizer.step()
    leaves = {one: torch.nn.Parameter(one.detach().bfloat16()) for one in ours}
    fused = FusedStep(own, leaves, None if clip_norm is None else torch.tensor(clip_norm))
    for step in range(50):
        rate = options["lr"] * 0.97**step
        own.param_groups[0]["lr"] = reference.param_groups[0]["lr"] = rate
        for leaf, one, gradient in zip(leaves.values(), theirs, gradients(ours, generator), strict=True):
            leaf.grad, one.grad = gradient, gradient.float()
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(theirs, clip_norm)
        fused.step()
        reference.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(leaves[one], one.bfloat16(), rtol=0, atol=0)
        assert own.state[one].keys() == reference.state[other].keys()
        for name, value in own.state[one].items():
            torch.testing.assert_close(value, reference.state[other][name], rtol=1e-4, atol=1e-6)


def test_groups_step_with_their_own_settings(traced):
    """Two groups, two learning rates, one norm."""
    ours, theirs = weights(), weights()

    def optimizer(parameters):
        groups = [{"params": [parameters[0]], "lr": 0.1}, {"params": [parameters[1]], "lr": 0.5}]
        return SGD(groups, momentum=0.9)

    own, reference = optimizer(ours), optimizer(theirs)
    for parameters, one_of_two in ((ours, own), (theirs, reference)):
        for one in parameters:
            one.grad = torch.ones_like(one)
        one_of_two.step()
    leaves = {one: torch.nn.Parameter(one.detach().bfloat16()) for one in ours}
    for leaf, one in zip(leaves.values(), theirs, strict=True):
        leaf.grad, one.grad = torch.ones_like(leaf), torch.ones_like(one)
    FusedStep(own, leaves, torch.tensor(0.5)).step()
    torch.nn.utils.clip_grad_norm_(theirs, 0.5)
    reference.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_students_of_a_stack_are_clipped_each_by_its_own_norm(traced):
    """One is far above its norm, one is not clipped at all."""
    stacked = torch.nn.Parameter(torch.zeros(3, 2, 2))
    optimizer = SGD([stacked], lr=1.0)
    leaves = {stacked: torch.nn.Parameter(torch.zeros(3, 2, 2, dtype=torch.bfloat16))}
    leaves[stacked].grad = torch.stack([torch.full((2, 2), size).bfloat16() for size in (0.25, 8.0, 8.0)])
    FusedStep(optimizer, leaves, torch.tensor([1.0, 1.0, torch.inf])).step()
    torch.testing.assert_close(stacked[:, 0, 0].detach(), torch.tensor([-0.25, -0.5, -8.0]))


@pytest.mark.parametrize(
    "make",
    [
        lambda own: torch.optim.RMSprop(own),
        lambda own: torch.optim.Adam(own, amsgrad=True),
        lambda own: torch.optim.SGD(own, lr=0.1, differentiable=True),
        lambda own: type("Mine", (torch.optim.SGD,), {})(own, lr=0.1),
    ],
)
def test_what_has_no_rule_is_refused(make):
    """Other optimisers, options, and subclasses, which may do anything."""
    assert not has_rules(make(weights()))


def test_hooks_and_counts_that_differ_are_refused():
    """A hook wants to be called; one count of steps serves a group."""
    own = weights()
    optimizer = torch.optim.Adam(own)
    assert has_rules(optimizer)
    for one in own:
        one.grad = torch.ones_like(one)
        optimizer.step()
    assert not has_rules(optimizer)
    hooked = torch.optim.SGD(copy.deepcopy(own), lr=0.1)
    hooked.register_step_post_hook(lambda *_: None)
    assert not has_rules(hooked)
