"""`fit_together` gives, student by student, what `fit` gives one by one."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import nn

from distillkit import Callback, Distiller, MaxNorm, fit_together, losses, transfer_sets
from distillkit.engine.stack import together as together_module
from distillkit.errors import ConfigurationError, DivergenceError
from loss_examples import STACKED

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)
RTOL, ATOL = 1e-4, 1e-5
"""Of weights and losses after some thirty steps: sums in another order differ in the last digits."""


def sgd(**settings):
    """A maker of fused SGD."""
    return lambda p: torch.optim.SGD(p, **{"lr": 0.05, "momentum": 0.9, "fused": True, **settings})


def assert_as_one_by_one(make, data, *, epochs=3, stacked=None, **fit):
    """`make` makes the Distillers, twice; histories, weights and optimisers' states agree."""
    together, alone = make(), make()
    got = fit_together(together, data, epochs=epochs, stack_size=len(together), **fit)
    for one, history, own in zip(together, got, alone, strict=True):
        expected = own.fit(data, epochs=epochs, **fit)
        assert list(history.columns) == list(expected.columns)
        for name in expected.columns:
            if isinstance(expected[name].iloc[0], float):
                assert history[name].tolist() == pytest.approx(expected[name].tolist(), rel=RTOL, abs=ATOL), (
                    name
                )
            else:
                assert history[name].tolist() == expected[name].tolist(), name
        assert one.epochs_done == own.epochs_done
        assert_same_tensors(one.student.state_dict(), own.student.state_dict())
        for ours, theirs in zip(one.optimizer.state.values(), own.optimizer.state.values(), strict=True):
            assert_same_tensors(
                {key: value for key, value in ours.items() if isinstance(value, torch.Tensor)},
                {key: value for key, value in theirs.items() if isinstance(value, torch.Tensor)},
            )


def assert_same_tensors(ours, theirs):
    """The same names, and values to rounding, each in memory of its own."""
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=RTOL, atol=ATOL, msg=name)
        assert ours[name].untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


@pytest.fixture(autouse=True)
def must_stack(monkeypatch):
    """Tests would pass where nothing is stacked: each must train a stack."""
    seen = []
    train_stack = together_module.train_stack

    def watched(members, *arguments):
        seen.append(len(members))
        train_stack(members, *arguments)

    monkeypatch.setattr(together_module, "train_stack", watched)
    yield seen
    assert seen
    assert max(seen) > 1


class Mine(losses.Loss):
    """A user's loss that `vmap` can map, with a number of its own."""

    kind: Literal["mine"] = "mine"
    power: float = 2.0

    def __call__(self, *, student, teacher, labels):
        """A power of the distances."""
        return (student.logits - teacher.logits).abs().pow(self.power).mean()


class Branching(losses.Loss):
    """A user's loss that asks for a number's value, which cannot be mapped."""

    kind: Literal["branching"] = "branching"
    margin: float = 0.1

    def __call__(self, *, student, teacher, labels):
        """The squared distance, where it is large."""
        distance = (student.logits - teacher.logits).square().mean()
        return distance if float(distance.detach()) > self.margin else distance * 0


class Named(losses.Loss):
    """A loss that names its contribution by its number."""

    kind: Literal["named"] = "named"
    temperature: float = 1.0

    def __call__(self, *, student, teacher, labels):
        """Another loss's value."""
        return losses.SoftTargets(temperature=3)(student=student, teacher=teacher, labels=labels)

    def contributions(self, *, student, teacher, labels):
        """Under one name beside another, which is fixed."""
        value = self(student=student, teacher=teacher, labels=labels)
        return {f"at {self.temperature}": value, "again": 0.5 * value}


def plain(*, student, teacher, labels):
    """A callable that is no `Loss`."""
    return torch.nn.functional.mse_loss(student.logits, teacher.logits)


LOSSES = {
    "soft targets": [losses.SoftTargets(temperature=T) for T in (1, 4, 20)],
    "hard labels": [losses.HardLabels()] * 3,
    "label smoothing": [losses.HardLabels(label_smoothing=s) for s in (0.0, 0.1, 0.3)],
    "logit matching": [losses.LogitMatching()] * 3,
    "hinton": [losses.hinton(T, w) for T, w in ((1, 0.1), (4, 0.5), (20, 0.9))],
    "hinton with weights of 0": [losses.hinton(2, w) for w in (0.0, 0.5, 1.0)],
    "report": [
        losses.WeightedSum(terms={"soft": losses.SoftTargets(temperature=T), "hard": losses.HardLabels()})
        for T in (1, 2, 50)
    ],
    "of several kinds": [
        losses.HardLabels(),
        losses.SoftTargets(temperature=3),
        HINTON,
        losses.LogitMatching(),
    ],
    "nested": [
        losses.WeightedSum(
            terms={"a": losses.hinton(T, 0.3), "b": losses.LogitMatching()}, weights={"a": 1, "b": w}
        )
        for T, w in ((1, 0.5), (5, 0.1))
    ],
    "of a user": [Mine(power=p) for p in (1.5, 2.0, 2.5)],
    "that cannot be mapped": [Branching(margin=m) for m in (0.01, 0.02)],
    "a callable": [plain] * 2,
    "whose names differ": [Named(temperature=T) for T in (1.0, 2.0, 2.0)],
    "callables": [plain, lambda **sides: plain(**sides) * 2],
}


@pytest.mark.parametrize("chosen", LOSSES.values(), ids=LOSSES)
def test_every_loss(net, data, chosen):
    """Students that differ in loss and initial values."""
    assert_trained_alike(net, data, chosen)


@pytest.mark.parametrize("kind", STACKED)
def test_every_kind(net, data, kind):
    """The contract's examples of a kind, those of one signature mapped with their numbers, each twice."""
    assert_trained_alike(net, data, STACKED[kind] * 2)


def assert_trained_alike(net, data, chosen):
    """A student for each loss."""
    assert_as_one_by_one(
        lambda: [
            Distiller(teacher=net(1), student=net(2 + place), loss=loss, optimizer=sgd())
            for place, loss in enumerate(chosen)
        ],
        data, batch_size=16, evaluate_on=data,
    )  # fmt: skip


DIFFERENCES = {
    "seed": [{"seed": seed} for seed in range(4)],
    "two and two of a seed": [{"seed": seed} for seed in (5, 6, 5, 6)],
    "unequal groups of a seed": [{"seed": seed} for seed in (5, 5, 6)],
    "learning rate": [{"optimizer": sgd(lr=lr)} for lr in (0.01, 0.05, 0.1)],
    "momentum and decay": [{"optimizer": sgd(momentum=m, weight_decay=1e-2 * m)} for m in (0.0, 0.5, 0.9)],
    "schedule": [
        {"schedule": lambda o, g=g: torch.optim.lr_scheduler.ExponentialLR(o, g)} for g in (0.5, 0.9)
    ],
    "schedule by steps": [
        {
            "schedule": lambda o, s=s: torch.optim.lr_scheduler.LinearLR(o, total_iters=s),
            "schedule_unit": "step",
        }
        for s in (3, 8)
    ],
    "some with a schedule": [
        {}, {"schedule": lambda o: torch.optim.lr_scheduler.StepLR(o, 1, 0.5)}
    ],
    "plateau": [
        {"schedule": lambda o, t=t: torch.optim.lr_scheduler.ReduceLROnPlateau(o, threshold=t)}
        for t in (0.0, 10.0)
    ],
    "clipping": [{"clip_norm": norm} for norm in (0.01, 0.5, None)],
    "fractions": [
        {"transfer_set": transfer_sets.Fraction(fraction=0.5, seed=seed), "seed": seed} for seed in (0, 1)
    ],
    "unlabelled": [
        {"transfer_set": transfer_sets.Unlabelled(), "loss": losses.SoftTargets(temperature=T)}
        for T in (1, 5)
    ],
    "max-norm": [{"callbacks": [MaxNorm(length)]} for length in (0.05, 0.5)],
}  # fmt: skip


@pytest.mark.parametrize("differences", DIFFERENCES.values(), ids=DIFFERENCES)
def test_students_may_differ(net, data, differences):
    """In seed, optimiser's settings, schedule, clipping, transfer set, callbacks."""

    def make():
        teacher, optimizer = net(1), sgd()
        return [
            Distiller(
                **{"teacher": teacher, "student": net(2), "loss": HINTON, "optimizer": optimizer, **each}
            )
            for each in differences
        ]

    assert_as_one_by_one(make, data, batch_size=16, evaluate_on=data)


def test_teachers_may_differ_or_be_missing(net, data):
    """Each learns from its own."""
    assert_as_one_by_one(
        lambda: [
            Distiller(teacher=net(1), student=net(2), loss=HINTON),
            Distiller(teacher=net(9), student=net(2), loss=HINTON, seed=1),
            Distiller(teacher=None, student=net(2), loss=losses.HardLabels()),
        ],
        data, batch_size=16, evaluate_on=data,
    )  # fmt: skip


OPTIMIZERS = {
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01),
    "Adam, fused": lambda p: torch.optim.Adam(p, lr=0.01, fused=True, amsgrad=True),
    "NAdam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "RAdam": lambda p: torch.optim.RAdam(p, lr=0.01),
    "Adamax": lambda p: torch.optim.Adamax(p, lr=0.01),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
    "Adadelta": lambda p: torch.optim.Adadelta(p, lr=0.5),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Rprop": lambda p: torch.optim.Rprop(p, lr=0.01),
    "Nesterov": sgd(nesterov=True),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimiser_and_its_state(net, data, optimizer):
    """The state is handed back, so training may go on, by `fit` or together."""
    teacher = net(1)

    def make():
        return [
            Distiller(teacher=teacher, student=net(2 + seed), loss=HINTON, optimizer=optimizer, seed=seed)
            for seed in range(3)
        ]

    assert_as_one_by_one(make, data, batch_size=25, epochs=2)
    once, twice, mixed = make(), make(), make()
    fit_together(once, data, epochs=2, batch_size=25, stack_size=3)
    for _ in range(2):
        fit_together(twice, data, epochs=1, batch_size=25, stack_size=3)
    fit_together(mixed, data, epochs=1, batch_size=25, stack_size=3)
    for one, other, third in zip(once, twice, mixed, strict=True):
        third.fit(data, epochs=1, batch_size=25)
        for distiller in (other, third):
            assert_same_tensors(distiller.student.state_dict(), one.student.state_dict())


def test_students_that_have_made_unequally_many_steps(net, data):
    """One has trained before: its counts stay its own."""

    def make():
        made = [
            Distiller(teacher=net(1), student=net(2), loss=HINTON, optimizer=OPTIMIZERS["AdamW"], seed=seed)
            for seed in range(2)
        ]
        made[1].fit(data, epochs=1, batch_size=25)
        return made

    assert_as_one_by_one(make, data, batch_size=25)


class Odd(nn.Module):
    """No plain layers: a parameter of its own, a residual, a function with an option."""

    def __init__(self, made, scale):
        super().__init__()
        self.inner, self.scale, self.gain = made, scale, nn.Parameter(torch.tensor(1.5))
        self.frozen = nn.Parameter(torch.ones(6), requires_grad=False)

    def forward(self, x):
        """The logits by name."""
        return {"logits": self.inner(x * self.frozen * self.scale) * self.gain}


@pytest.mark.parametrize(
    "kind",
    ["module", "batch norm", "convolution", "dropout by plain layers", "one dropout twice", "all dropped"],
)
def test_architectures(net, data, kind):
    """Modules that are mapped over, buffers that change, and dropout whose masks are those of `fit`."""
    x, y = data

    def student(seed):
        if kind == "module":
            return Odd(net(seed), 0.5)
        if kind == "batch norm":
            return net(seed, norm=True)
        if kind == "convolution":
            torch.manual_seed(seed)
            return nn.Sequential(
                nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4)
            )
        if kind == "one dropout twice":
            drop = nn.Dropout(0.5)
            return nn.Sequential(drop, net(seed), drop)
        if kind == "all dropped":
            return nn.Sequential(net(seed, dropout=1.0))
        return nn.Sequential(nn.Dropout(0.1), nn.Flatten(), net(seed, dropout=0.4))

    assert_as_one_by_one(
        lambda: [
            Distiller(teacher=net(1), student=student(2 + seed), loss=HINTON, optimizer=sgd(), seed=seed % 2)
            for seed in range(4)
        ],
        (x, y), batch_size=16, evaluate_on=(x, y),
    )  # fmt: skip


def test_inputs_by_name(net, data):
    """A mapping of tensors, as language models take."""

    class Named(nn.Module):
        def __init__(self, seed):
            super().__init__()
            self.inner = net(seed)

        def forward(self, x, shift):
            return self.inner(x + shift)

    x, y = data
    assert_as_one_by_one(
        lambda: [Distiller(teacher=Named(1), student=Named(seed), loss=HINTON, seed=seed) for seed in (2, 3)],
        {"x": x, "shift": torch.ones(len(x), 1), "labels": y}, batch_size=16,
    )  # fmt: skip


def test_jittered_views(net):
    """Each student's own view of its own order; the teacher sees what the student sees."""
    images, labels = torch.rand(40, 1, 3, 2), torch.randint(4, (40,))

    def make():
        teacher = nn.Sequential(nn.Flatten(), net(1))
        return [
            Distiller(
                teacher=teacher, student=nn.Sequential(nn.Flatten(), net(2)), loss=HINTON, seed=seed,
                transfer_set=transfer_sets.Jitter(pixels=1, seed=jitter),
            )
            for seed, jitter in ((0, 0), (0, 0), (1, 0), (1, 0), (0, 7), (0, 7))
        ]  # fmt: skip

    assert_as_one_by_one(make, (images, labels), batch_size=16)


class Scaled(transfer_sets.TransferSet):
    """Bytes as they are kept, numbers as the models want them."""

    kind: Literal["scaled_bytes"] = "scaled_bytes"

    def view(self, batch, *, epoch):
        """In [0, 1]."""
        return replace(batch, inputs=batch.inputs.float() / 255)


class NextClass(transfer_sets.TransferSet):
    """Every label is that of the next class."""

    kind: Literal["next_class_in_a_stack"] = "next_class_in_a_stack"

    def view(self, batch, *, epoch):
        """Whatever the inputs."""
        return replace(batch, labels=(batch.labels + 1) % 4)


def test_a_view_that_changes_labels(net, data):
    """Each student learns the labels of its own transfer set's view."""
    assert_as_one_by_one(
        lambda: [
            Distiller(teacher=net(1), student=net(2), loss=HINTON, seed=seed, transfer_set=view)
            for seed, view in enumerate((NextClass(), transfer_sets.Full(), NextClass()))
        ],
        data,
    )


def test_a_view_that_changes_what_the_models_take(net):
    """The models can only run on what the transfer set shows."""
    images, labels = torch.randint(256, (40, 6), dtype=torch.uint8), torch.randint(4, (40,))
    assert_as_one_by_one(
        lambda: [
            Distiller(teacher=net(1), student=net(2), loss=HINTON, seed=seed, transfer_set=Scaled())
            for seed in range(2)
        ],
        (images, labels), batch_size=16,
    )  # fmt: skip


def test_one_students_divergence_is_its_own(net, data):
    """It is reported as `fit` reports it; the others' numbers are as if it had not been there."""

    def make():
        return [
            Distiller(teacher=net(1), student=net(2), loss=HINTON, optimizer=sgd(lr=lr), seed=seed)
            for seed, lr in enumerate((0.05, 1e12, 0.05))
        ]

    together, alone = make(), make()
    got = fit_together(together, data, epochs=4, batch_size=16, stack_size=3, evaluate_on=data)
    with pytest.raises(DivergenceError) as error:
        alone[1].fit(data, epochs=4, batch_size=16)
    assert isinstance(got[1], DivergenceError)
    assert "no longer finite at step" in str(got[1])
    assert str(got[1]).split("(")[0] == str(error.value).split("(")[0]
    for place in (0, 2):
        expected = alone[place].fit(data, epochs=4, batch_size=16, evaluate_on=data)
        assert got[place]["loss"].tolist() == pytest.approx(expected["loss"].tolist(), rel=RTOL)
        assert_same_tensors(together[place].student.state_dict(), alone[place].student.state_dict())


class StopAfter(Callback):
    """Stops its student, and keeps what it was told."""

    def __init__(self, epochs):
        self.epochs, self.told = epochs, []

    def on_fit_start(self, distiller, epochs, steps):
        """Keep it."""
        self.told.append(("start", epochs, steps))

    def on_step_end(self, distiller, step):
        """Keep it; the student is in training mode."""
        assert distiller.student.training
        self.told.append(step)

    def on_epoch_end(self, distiller, row):
        """Stop at the epoch."""
        self.told.append(row["epoch"])
        if row["epoch"] == self.epochs:
            distiller.stop()


def test_a_student_that_stops_leaves_the_others_alone(net, data):
    """Its history ends; the others go on; callbacks are told what `fit` tells them."""

    def make():
        return [
            Distiller(teacher=net(1), student=net(2), loss=HINTON, seed=seed, callbacks=[StopAfter(last)],
                      schedule=lambda o: torch.optim.lr_scheduler.StepLR(o, 1, 0.5))
            for seed, last in enumerate((1, 3, 99))
        ]  # fmt: skip

    together, alone = make(), make()
    got = fit_together(together, data, epochs=5, batch_size=20, stack_size=3)
    assert [len(history) for history in got] == [1, 3, 5]
    for one, own, history in zip(together, alone, got, strict=True):
        expected = own.fit(data, epochs=5, batch_size=20)
        assert history["loss"].tolist() == pytest.approx(expected["loss"].tolist(), rel=RTOL)
        assert one.callbacks[0].told == own.callbacks[0].told
        assert_same_tensors(one.student.state_dict(), own.student.state_dict())


def test_an_interruption_leaves_plain_students(net, data):
    """Ctrl-C: the students hold the weights so far in memory of their own, and are no views."""

    class Interrupt(Callback):
        def on_step_end(self, distiller, step):
            if step == 2:
                raise KeyboardInterrupt

    distillers = [
        Distiller(teacher=net(1), student=net(2), loss=HINTON, callbacks=[Interrupt()]) for _ in range(2)
    ]
    before = copy.deepcopy(distillers[0].student.state_dict())
    with pytest.raises(KeyboardInterrupt):
        fit_together(distillers, data, epochs=1, batch_size=16, stack_size=2)
    for distiller in distillers:
        for name, tensor in distiller.student.state_dict().items():
            assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
            assert not torch.equal(tensor, before[name])


def test_the_teacher_is_asked_once_for_all(counting, net, data):
    """Its answers, and those to the evaluation's cases, are shared by all students."""
    x = data[0]
    distillers = [Distiller(teacher=counting, student=net(2), loss=HINTON, seed=seed) for seed in range(5)]
    fit_together(distillers, data, epochs=3, batch_size=16, evaluate_on=data, stack_size=5)
    assert counting.rows <= 2 * (len(x) + 8)


def test_several_architectures_are_several_stacks(net, data, must_stack):
    """And the results come in the order of the Distillers."""

    def make():
        return [
            Distiller(teacher=net(1), student=net(seed, hidden=hidden), loss=HINTON, seed=seed)
            for seed, hidden in enumerate((8, 5, 8, 5, 8, 3))
        ]

    got = fit_together(make(), data, epochs=1, batch_size=16, stack_size=2)
    for history, own in zip(got, make(), strict=True):
        assert history["loss"].tolist() == pytest.approx(
            own.fit(data, epochs=1, batch_size=16)["loss"].tolist()
        )
    assert sorted(must_stack) == [1, 2, 2]


class Changing(Callback):
    """Changes learning rate and weights as people do."""

    def on_step_end(self, distiller, step):
        """Warm up, and put a tensor in a weight's place."""
        distiller.optimizer.param_groups[0]["lr"] = 0.01 * step
        if step == 2:
            first = next(distiller.student.parameters())
            first.data = first.data * 0.9


def test_what_callbacks_change_counts_from_the_next_step(net, data):
    """The learning rate, and weights that are replaced."""
    assert_as_one_by_one(
        lambda: [
            Distiller(teacher=net(1), student=net(2), loss=HINTON, optimizer=sgd(), seed=seed,
                      callbacks=[Changing()] if seed else [])
            for seed in range(2)
        ],
        data, batch_size=16,
    )  # fmt: skip


def test_callbacks_see_the_optimisers_state(net, data):
    """A checkpoint that is written there goes on as it should."""
    seen = []

    class Look(Callback):
        def on_epoch_end(self, distiller, row):
            state = distiller.optimizer.state_dict()["state"]
            seen.append([float(one["step"]) for one in state.values()])

    distillers = [
        Distiller(teacher=net(1), student=net(2), loss=HINTON, callbacks=[Look()]) for _ in range(2)
    ]
    fit_together(distillers, data, epochs=2, batch_size=25, stack_size=2)
    assert seen == [[2.0] * 4] * 2 + [[4.0] * 4] * 2


def test_a_callback_that_changes_the_architecture_is_refused(net, data):
    """What is trained, and the settings of its parts, are those of all students."""

    class Freeze(Callback):
        def on_epoch_end(self, distiller, row):
            next(distiller.student.parameters()).requires_grad_(False)

    distillers = [
        Distiller(teacher=net(1), student=net(2), loss=HINTON, callbacks=[Freeze()]) for _ in range(2)
    ]
    with pytest.raises(ConfigurationError, match="A callback changed a student"):
        fit_together(distillers, data, epochs=2, batch_size=25, stack_size=2)


def test_a_student_that_diverges_after_another_left(net, data):
    """Its divergence is its own then, too."""

    class Break(Callback):
        def on_epoch_end(self, distiller, row):
            if row["epoch"] == 1:
                with torch.no_grad():
                    next(distiller.student.parameters()).fill_(float("nan"))

    callbacks = [[StopAfter(1)], [Break()], []]
    distillers = [
        Distiller(teacher=net(1), student=net(2), loss=HINTON, callbacks=each, seed=seed)
        for seed, each in enumerate(callbacks)
    ]
    got = fit_together(distillers, data, epochs=3, batch_size=25, stack_size=3)
    assert [type(one) for one in got] == [type(got[2]), DivergenceError, type(got[2])]
    assert len(got[0]) == 1
    assert "step 1 of epoch 2" in str(got[1])
    assert len(got[2]) == 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_students_of_other_types(net, dtype, data):
    """Weights in double, or half, precision."""
    x, y = data[0].to(dtype), data[1]
    assert_as_one_by_one(
        lambda: [
            Distiller(
                teacher=net(1).to(dtype), student=net(2).to(dtype), loss=losses.SoftTargets(temperature=T),
                precision="fp32", optimizer=sgd(), clip_norm=0.5,
            )
            for T in (1.0, 3.3)
        ],
        (x, y), epochs=1, batch_size=25,
    )  # fmt: skip


@pytest.mark.parametrize("mapped", [False, True])
def test_half_precision_by_autocast(net, data, mapped):
    """As near to training one by one as products with eight bits are."""

    def make():
        return [
            Distiller(
                teacher=net(1), student=Odd(net(2), 0.5) if mapped else net(2), loss=losses.hinton(T, 0.25),
                precision="bf16", optimizer=sgd(), clip_norm=0.5,
            )
            for T in (2.0, 4.0)
        ]  # fmt: skip

    together, alone = make(), make()
    got = fit_together(together, data, epochs=3, batch_size=16, stack_size=2)
    for one, history, own in zip(together, got, alone, strict=True):
        expected = own.fit(data, epochs=3, batch_size=16)["loss"].tolist()
        assert history["loss"].tolist() == pytest.approx(expected, rel=4e-3)
        for name, tensor in own.student.state_dict().items():
            assert tensor.dtype == torch.float32
            torch.testing.assert_close(one.student.state_dict()[name], tensor, rtol=0.02, atol=4e-3)


@pytest.mark.parametrize("mapped", [False, True])
def test_auto_gives_the_same(net, data, must_stack, mapped):
    """Whatever the trial chooses."""
    must_stack.append(2)

    def make():
        return [
            Distiller(teacher=net(1), student=Odd(net(2), 0.5) if mapped else net(2), loss=HINTON, seed=seed)
            for seed in range(3)
        ]

    distillers, alone = make(), make()
    state = torch.random.get_rng_state()
    fit_together(distillers, data, epochs=2, batch_size=16)
    assert torch.equal(state, torch.random.get_rng_state())
    for one, own in zip(distillers, alone, strict=True):
        own.fit(data, epochs=2, batch_size=16)
        assert_same_tensors(one.student.state_dict(), own.student.state_dict())
