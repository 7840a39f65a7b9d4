"""Losses that follow schedules: each step has its numbers, and the history shows them."""

from __future__ import annotations

import logging

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from distillkit import Distiller, fit_together, losses
from distillkit.engine.data.seeds import epoch_order, epoch_seed
from distillkit.engine.forward.compiling import Compiling
from distillkit.engine.loop import training as training_module
from distillkit.errors import ConfigurationError
from distillkit.losses import HardLabels, Loss, SoftTargets, WeightedSum
from distillkit.schedules import Cosine, Linear, WarmUp
from distillkit.typing import Outputs

LOSS = WeightedSum(
    terms={"soft": SoftTargets(temperature=Cosine(start=20, end=1)), "hard": HardLabels()},
    weights={"soft": WarmUp(end=2, share=0.5), "hard": 1},
)
NAMES = ["terms.soft.temperature", "weights.soft"]


def plain(progress: float) -> WeightedSum:
    """The loss above with numbers, by hand."""
    temperature = 20 - 19 * (1 - torch.tensor(torch.pi * progress, dtype=torch.float64).cos().item()) / 2
    return WeightedSum(
        terms={"soft": SoftTargets(temperature=temperature), "hard": HardLabels()},
        weights={"soft": min(4 * progress, 2), "hard": 1},
    )


def test_fit_gives_each_step_its_numbers(net, data):
    """A loop written by hand, with plain numbers for each of eight steps, gives the same weights."""
    x, y = data
    fitted, twin, teacher = net(2), net(2), net(1)
    history = Distiller(teacher=teacher, student=fitted, loss=LOSS, precision="fp32", seed=3).fit(
        data, epochs=2, batch_size=16
    )
    optimizer, taken = torch.optim.AdamW(twin.parameters(), lr=1e-3), 0
    for epoch in range(2):
        for part in epoch_order(torch.arange(50), 3, epoch).split(16):
            loss, taken = plain(taken / 8), taken + 1
            with torch.no_grad():
                taught = Outputs(teacher(x[part]))
            optimizer.zero_grad()
            loss(student=Outputs(twin(x[part])), teacher=taught, labels=y[part]).backward()
            optimizer.step()
    for left, right in zip(fitted.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(left, right)
    assert history["weights.soft"].tolist() == [0, 2]
    assert history["terms.soft.temperature"].tolist() == pytest.approx([20, 10.5])
    assert list(history.columns) == ["epoch", "loss", "soft", "hard", "learning_rate", *NAMES]


def test_steps_that_say_how_far_they_are_equal_fit(net, data):
    """Over fit's batches, to the bit."""
    x, y = data
    fitted, stepped = net(2), net(2)
    settings = {"teacher": net(1), "loss": LOSS, "teacher_cache": "off"}
    Distiller(student=fitted, seed=3, **settings).fit(data, epochs=1, batch_size=16)
    distiller = Distiller(student=stepped, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(epoch_seed(3, 0))
        for step, part in enumerate(epoch_order(torch.arange(50), 3, 0).split(16)):
            distiller.step((x[part], y[part]), progress=step / 4)
    assert all(map(torch.equal, fitted.parameters(), stepped.parameters()))


def test_a_loop_that_does_not_say_stays_at_the_start(net, data, caplog):
    """And is told so, once."""
    silent, told = net(2), net(2)
    with caplog.at_level(logging.WARNING, "distillkit"):
        distiller = Distiller(teacher=net(1), student=silent, loss=LOSS)
        for _ in range(3):
            distiller.step(data)
        assert [", ".join(NAMES) in record.message for record in caplog.records] == [True]
        caplog.clear()
        distiller = Distiller(teacher=net(1), student=told, loss=LOSS)
        for _ in range(3):
            distiller.step(data, progress=0)
        assert not caplog.records
    assert all(map(torch.equal, silent.parameters(), told.parameters()))


@pytest.mark.parametrize("progress", [-0.1, 1.1, float("nan")])
def test_progress_is_a_share(net, data, progress):
    """In [0, 1]."""
    with pytest.raises(ConfigurationError, match="share of the training"):
        Distiller(teacher=net(1), student=net(2), loss=LOSS).step(data, progress=progress)


def test_another_fit_begins_at_the_start_again(net, data):
    """How far a training is, is a matter of one call."""
    distiller = Distiller(teacher=net(1), student=net(2), loss=LOSS)
    first, second = (distiller.fit(data, epochs=4, batch_size=16) for _ in range(2))
    assert first[NAMES].equals(second[NAMES])
    assert second["epoch"].tolist() == [5, 6, 7, 8]


def test_a_stream_counts_epochs(net, data, caplog):
    """A loader tells its steps, or whole epochs are what is counted."""
    loader = DataLoader(TensorDataset(*data), batch_size=16)
    batches = [*loader]
    for form, says in ((loader, False), (batches, True)):
        with caplog.at_level(logging.INFO, "distillkit"):
            history = Distiller(teacher=net(1), student=net(2), loss=LOSS).fit(form, epochs=4)
        assert history["weights.soft"].tolist() == [0, 1, 2, 2]
        assert any("from epoch to epoch" in record.message for record in caplog.records) == says


@pytest.mark.parametrize("loss", [losses.hinton(4, 0.25), HardLabels()])
def test_one_without_schedules_is_used_as_it_is(net, data, loss, monkeypatch):
    """Nothing is asked of it at a step."""
    monkeypatch.setattr(Loss, "at", None)
    distiller = Distiller(teacher=net(1), student=net(2), loss=loss)
    assert list(distiller.fit(data, epochs=1).columns)[-1] == "learning_rate"
    distiller.step(data)


def test_students_with_schedules_are_not_stacked(net, data, caplog):
    """They train alone, as the log says, and as `fit` trains them."""
    alone = net(2)
    Distiller(teacher=net(1), student=alone, loss=LOSS).fit(data, epochs=2, batch_size=16)
    students = [net(2), net(2), net(2)]
    together = [Distiller(teacher=net(1), student=one, loss=LOSS) for one in students]
    with caplog.at_level(logging.INFO, "distillkit"):
        fit_together(together, data, epochs=2, batch_size=16, stack_size=3)
    assert sum("follows schedules" in record.message for record in caplog.records) == 3
    for student in students:
        assert all(map(torch.equal, student.parameters(), alone.parameters()))


def test_updates_with_schedules_are_not_recorded(net, data, caplog, monkeypatch):
    """A recording would keep the numbers of one step: the log says that there is none."""
    monkeypatch.setattr(training_module, "recorder_for", lambda device: pytest.fail("it is recorded"))
    with caplog.at_level(logging.WARNING, "distillkit"):
        distiller = Distiller(teacher=net(1), student=net(2), loss=LOSS, compile="graphs")
    assert distiller.training.compiling == Compiling("off")
    assert "would keep the numbers of one step" in caplog.text


def test_a_term_cannot_have_a_schedules_name(net, data):
    """Two columns of one name would hide one another."""
    loss = WeightedSum(
        terms={"weights.soft": HardLabels(), "soft": SoftTargets(temperature=2)},
        weights={"weights.soft": 1, "soft": Linear(start=0, end=1)},
    )
    with pytest.raises(ConfigurationError, match=r"'weights\.soft', which is a column"):
        Distiller(teacher=net(1), student=net(2), loss=loss).fit(data, epochs=1)
