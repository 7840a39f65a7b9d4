"""Tests of `Distiller.fit`: what it computes, and that it computes it again."""

from __future__ import annotations

import copy

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from distillkit import Callback, Distiller, Ensemble, losses, transfer_sets
from distillkit.engine.data.seeds import epoch_order, epoch_seed
from distillkit.engine.forward.dropout import cheap_masks, plain_dropouts
from distillkit.errors import ConfigurationError
from optimizers import sgd

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


def run(net, data, *, epochs=3, **settings):
    """A short training; gives the history and the student."""
    settings = {
        "teacher": net(1),
        "student": net(2, dropout=0.3),
        "loss": HINTON,
        "optimizer": sgd,
        **settings,
    }
    distiller = Distiller(**settings)
    return distiller.fit(data, epochs=epochs, batch_size=16, evaluate_on=data), distiller.student


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules hold the same values to the bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


class _Record(Callback):
    """Keeps the sum of the weights after each step."""

    def __init__(self) -> None:
        self.sums: list[float] = []

    def on_step_end(self, distiller, step):
        self.sums.append(float(sum(p.detach().double().sum() for p in distiller.student.parameters())))


@pytest.mark.parametrize("teacher_cache", ["auto", "off"])
def test_fit_equals_a_loop_written_by_hand(net, data, teacher_cache):
    """Losses, weights after every step and weights at the end equal those of a plain loop, to the bit."""
    x, y = data
    teacher, student, record = net(1), net(2, dropout=0.3), _Record()
    twin = copy.deepcopy(student)
    history = Distiller(
        teacher=teacher,
        student=student,
        loss=HINTON,
        optimizer=sgd,
        schedule=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
        clip_norm=0.5,
        teacher_cache=teacher_cache,
        precision="fp32",
        callbacks=[record],
        seed=3,
    ).fit(data, epochs=3, batch_size=16)

    optimizer = sgd(twin.parameters())
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    teacher.eval()
    kept = teacher(x).detach()
    expected, sums = [], []
    with torch.random.fork_rng(devices=[]):
        for epoch in range(3):
            torch.manual_seed(epoch_seed(3, epoch))
            of_epoch = []
            for part in epoch_order(torch.arange(len(x)), 3, epoch).split(16):
                with cheap_masks(plain_dropouts(twin, torch.device("cpu"))):
                    z = twin(x[part])
                v = kept[part] if teacher_cache == "auto" else teacher(x[part]).detach()
                q, p = F.log_softmax(z / 4, -1), F.log_softmax(v / 4, -1)
                soft = 0.75 * (F.kl_div(q, p, reduction="sum", log_target=True) * (4.0**2 / len(part)))
                loss = soft + 0.25 * F.cross_entropy(z, y[part])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
                optimizer.step()
                of_epoch.append(float(soft.detach()))
                sums.append(float(sum(p.detach().double().sum() for p in twin.parameters())))
            schedule.step()
            expected.append(sum(of_epoch) / len(of_epoch))

    assert history["soft"].tolist() == expected
    assert record.sums == sums
    assert same_weights(student, twin)


def test_one_seed_gives_one_history(net, data):
    """The same seed gives the same history and weights to the bit, whatever the caller's randomness."""
    torch.manual_seed(1)
    first, one = run(net, data, seed=5)
    torch.manual_seed(2)
    second, other = run(net, data, seed=5)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert same_weights(one, other)


def test_another_seed_gives_another_history(net, data):
    """The seed decides the order of the data and the dropout."""
    assert run(net, data, seed=5)[0]["loss"].tolist() != run(net, data, seed=6)[0]["loss"].tolist()


def test_policies_through_yaml_give_the_same_history(net, data):
    """Loss and transfer set written to YAML and read again train the same student."""
    chosen = transfer_sets.Chain(
        parts=[transfer_sets.OmitClasses(classes=[1]), transfer_sets.Fraction(fraction=0.8, seed=2)]
    )
    first, _ = run(net, data, transfer_set=chosen)
    again = losses.Loss.from_yaml(HINTON.to_yaml()), transfer_sets.TransferSet.from_yaml(chosen.to_yaml())
    second, _ = run(net, data, loss=again[0], transfer_set=again[1])
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_history_has_the_named_columns(net, data):
    """One row an epoch: the loss, its terms, the learning rate at the epoch's start, the metrics."""
    history, _ = run(
        net, data, schedule=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    )
    assert list(history.columns) == [
        "epoch", "loss", "soft", "hard", "learning_rate", "test_errors", "errors_by_class", "never_predicted",
        "nll", "ece", "teacher_agreement", "teacher_kl", "teacher_errors", "shared_errors",
    ]  # fmt: skip
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["learning_rate"].tolist() == [0.1, 0.05, 0.025]
    assert history["loss"].tolist() == (history["soft"] + history["hard"]).tolist()
    assert len(history.attrs["seconds"]) == 3


def test_callers_randomness_is_not_moved(net, data):
    """Neither fit nor evaluate nor logits draws from torch's generator, also where they read a data set."""
    dataset = [(row, int(label)) for row, label in zip(*data, strict=True)]

    class Plain(torch.utils.data.Dataset):
        def __len__(self):
            return len(dataset)

        def __getitem__(self, index):
            return dataset[index][0] + 0 * torch.rand(()), dataset[index][1]

    distiller = Distiller(
        teacher=net(1),
        student=net(2, dropout=0.5),
        loss=HINTON,
        transfer_set=transfer_sets.OmitClasses(classes=[0]),
    )
    before = torch.random.get_rng_state()
    distiller.fit(Plain(), epochs=1, batch_size=16, evaluate_on=Plain())
    distiller.evaluate(Plain())
    distiller.logits(Plain())
    assert torch.equal(before, torch.random.get_rng_state())


def test_fit_again_goes_on(net, data):
    """Two fits of two epochs are one of four: epochs, order, optimiser and schedule go on."""

    def distiller():
        return Distiller(
            teacher=net(1),
            student=net(2, dropout=0.3),
            loss=HINTON,
            optimizer=sgd,
            schedule=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
        )

    whole = distiller().fit(data, epochs=4, batch_size=16)
    parted = distiller()
    first, second = (parted.fit(data, epochs=2, batch_size=16) for _ in range(2))
    pd.testing.assert_frame_equal(whole, pd.concat([first, second], ignore_index=True), check_exact=True)
    assert parted.epochs_done == 4


def test_student_is_handed_over_as_a_plain_module(net, data):
    """Its class, names, hooks and modes are what they were; the teacher is not in it."""
    student = net(2, dropout=0.3)
    student.eval()
    student[2].train()
    names, modes = list(student.state_dict()), [part.training for part in student.modules()]
    teacher = net(1)
    Distiller(teacher=teacher, student=student, loss=HINTON).fit(data, epochs=1)
    assert type(student) is nn.Sequential
    assert list(student.state_dict()) == names
    assert [part.training for part in student.modules()] == modes
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in student.modules())
    assert not {id(part) for part in teacher.modules()} & {id(part) for part in student.modules()}


def test_student_is_in_training_mode_while_it_trains(net, data):
    """A student that comes in evaluation mode learns with dropout all the same."""
    seen = []

    class Look(Callback):
        def on_step_end(self, distiller, step):
            seen.append(all(part.training for part in distiller.student.modules()))
            distiller.evaluate(data)

    student = net(2, dropout=0.3).eval()
    with_look = Distiller(teacher=net(1), student=student, loss=HINTON, callbacks=[Look()]).fit(
        data, epochs=1
    )
    without = Distiller(teacher=net(1), student=net(2, dropout=0.3), loss=HINTON).fit(data, epochs=1)
    assert seen
    assert all(seen)
    assert with_look["loss"].tolist() == without["loss"].tolist()


def test_a_student_trains_without_a_teacher(net, data):
    """With teacher=None a loss on labels works, any callable is a loss, and no teacher is measured."""
    hard, _ = run(net, data, teacher=None, loss=losses.HardLabels())
    by_hand, _ = run(
        net,
        data,
        teacher=None,
        loss=lambda *, student, teacher, labels: F.cross_entropy(student.logits, labels),
    )
    assert hard["loss"].tolist() == by_hand["loss"].tolist()
    assert hard["teacher_kl"].isna().all()


def test_a_loss_that_needs_a_teacher_says_so(net, data):
    """Soft targets without a teacher are refused on the first batch."""
    with pytest.raises(ConfigurationError, match="there is none"):
        run(net, data, teacher=None, loss=losses.SoftTargets(temperature=2))


def test_batches_keep_the_layout_of_images():
    """Channels that come last in memory do so in every batch, for teacher and student alike."""
    seen = []

    class Looking(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            seen.append(x.is_contiguous(memory_format=torch.channels_last))
            return self.convolution(x).mean((2, 3))

    images = torch.randn(20, 3, 6, 6).contiguous(memory_format=torch.channels_last)
    distiller = Distiller(
        teacher=Looking(), student=Looking(), loss=losses.SoftTargets(temperature=2), teacher_cache="off"
    )
    distiller.fit(images, epochs=1, batch_size=8)
    assert seen == [True] * 6


def test_an_ensemble_teaches_like_the_module_that_it_is(net, data):
    """A student of an Ensemble learns what it learns from a module with the same logits."""
    members = [net(1), net(4)]

    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.members = nn.ModuleList(copy.deepcopy(members))

        def forward(self, x):
            return torch.stack([member(x) for member in self.members]).mean(0)

    one, _ = run(net, data, teacher=Ensemble(members, average="logits"))
    other, _ = run(net, data, teacher=Mean())
    pd.testing.assert_frame_equal(one, other, check_exact=True)
