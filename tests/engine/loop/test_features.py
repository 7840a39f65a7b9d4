"""A `Distiller` whose loss looks at layers."""

from __future__ import annotations

import copy
import logging
from typing import Literal

import pandas as pd
import pytest
import torch
from torch import nn

from distillkit import Distiller, TeacherCache, fit_together, losses, transfer_sets
from distillkit.engine.data.seeds import epoch_order, epoch_seed
from distillkit.errors import ConfigurationError
from distillkit.typing import Outputs

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


@pytest.fixture
def sides(net):
    """A teacher and a student, whose layers are numbers."""
    return {"teacher": net(1, dropout=0.4), "student": net(2)}


def test_fit_equals_a_loop_by_hand(net, data, apart):
    """Losses and weights of a training on logits and features, to the bit."""
    x, y = data
    teacher, student, twin = net(1, dropout=0.5), net(2), net(2)
    loss = losses.WeightedSum(
        terms={"features": apart(layers={"0": "0", "3": "3"}), "hinton": HINTON},
        weights={"features": 0.5, "hinton": 1},
    )
    history = Distiller(teacher=teacher, student=student, loss=loss, seed=3).fit(
        data, epochs=1, batch_size=16
    )
    optimizer = torch.optim.AdamW(twin.parameters(), lr=1e-3, fused=True)
    total = 0.0
    teacher.eval()
    for part in epoch_order(torch.arange(50), 3, 0).split(16):
        optimizer.zero_grad()
        hidden, taught = twin[0](x[part]), teacher[0](x[part])
        logits, soft = twin[1:](hidden), teacher(x[part])
        near = (hidden - taught).square().mean() + (logits - soft).square().mean()
        term = 0.5 * near
        rest = HINTON(student=Outputs(logits), teacher=Outputs(soft.detach()), labels=y[part])
        (term + rest).backward()
        optimizer.step()
        total += term.item()
    assert history["features"].tolist() == pytest.approx([total / 4], rel=1e-6)
    for left, right in zip(student.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(left, right)


def test_steps_equal_fit(net, data, apart):
    """Steps over fit's batches give fit's weights to the bit."""
    x, y = data
    settings = {"teacher": net(1), "loss": apart(layers={"0": "0"})}
    fitted, stepped = net(2), net(2)
    Distiller(student=fitted, seed=3, **settings).fit(data, epochs=1, batch_size=16)
    distiller = Distiller(student=stepped, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(epoch_seed(3, 0))
        for part in epoch_order(torch.arange(50), 3, 0).split(16):
            distiller.step((x[part], y[part]))
    for left, right in zip(fitted.parameters(), stepped.parameters(), strict=True):
        assert torch.equal(left, right)


def test_models_are_given_back_as_they_came(sides, data, apart):
    """No hook on either side, the same names in the states, and the teacher's values."""
    teacher, student = sides["teacher"], sides["student"]
    before, names = copy.deepcopy(teacher.state_dict()), list(student.state_dict())
    distiller = Distiller(**sides, loss=apart(layers={"*": "*"}))
    distiller.fit(data, epochs=1, evaluate_on=data)
    distiller.step(data)
    distiller.evaluate(data)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert list(student.state_dict()) == names
    for side in (teacher, student):
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in side.modules())
    copy.deepcopy(student)


@pytest.mark.parametrize("side", ["student", "teacher"])
def test_a_layer_that_is_not_there_is_an_error_at_once(sides, apart, side):
    """When the Distiller is made, with the side and what is close."""
    layers = {"00": "0"} if side == "student" else {"0": "00"}
    with pytest.raises(ConfigurationError, match=f"The {side} has no layer '00': did you mean '0'"):
        Distiller(**sides, loss=losses.WeightedSum(terms={"near": apart(layers=layers), "more": HINTON}))


def test_a_term_of_weight_zero_looks_at_nothing(sides, data, apart):
    """It asks for no layer, as for nothing else, and the teacher runs once."""
    loss = losses.WeightedSum(
        terms={"near": apart(layers={"x": "y"}), "more": HINTON}, weights={"near": 0, "more": 1}
    )
    distiller = Distiller(**sides, loss=loss)
    assert not distiller.training.captures.looks
    distiller.fit(data, epochs=1)


def test_layers_are_seen_through_other_losses(sides, data, apart):
    """What stands around a loss hands its layers on."""
    near = apart(layers={"0": "0"})
    for loss in (losses.Standardized(loss=near), losses.CorrectedTeacher(loss=near)):
        assert (loss.needs().student_layers, loss.needs().teacher_layers) == (("0",), ("0",))
        assert Distiller(**sides, loss=loss).step(data)


def test_layers_are_paired_in_order_and_must_be_as_many(sides, data, apart):
    """Patterns find as many on both sides, or the error names what they found."""
    distiller = Distiller(**sides, loss=apart(layers={"[03]": "*"}))
    with pytest.raises(ConfigurationError, match=r"'\[03\]' are 2 of the student \(0, 3\), '\*' 4 of the"):
        distiller.step(data)


def test_no_teacher_is_an_error(net, data, apart):
    """As for losses on logits."""
    distiller = Distiller(teacher=None, student=net(2), loss=apart(layers={"0": "0"}))
    with pytest.raises(ConfigurationError, match="compares the student with a teacher"):
        distiller.step(data)


def test_a_frozen_layer_is_an_error(sides, data, apart):
    """No gradient goes through it, so it teaches nothing."""
    sides["student"][0].requires_grad_(False)
    loss = losses.WeightedSum(terms={"near": apart(layers={"0": "0"}), "more": HINTON})
    with pytest.raises(ConfigurationError, match="layer '0' gives carries no gradient"):
        Distiller(**sides, loss=loss).step(data)


def test_what_small_layers_give_is_kept(counting, net, data, apart):
    """No more numbers than the inputs have; a shared cache, which keeps logits, is left alone."""
    loss = losses.WeightedSum(terms={"near": apart(layers={"3": "layer"}), "more": HINTON})
    histories = []
    for cache in (TeacherCache(), "off"):
        counting.rows = 0
        distiller = Distiller(
            teacher=counting, student=net(2), loss=loss, teacher_cache=cache, precision="fp32"
        )
        histories.append(distiller.fit(data, epochs=3, batch_size=16))
        # two for their shapes, eight that are asked again
        assert counting.rows == (150 if cache == "off" else 8 + 50)
        assert cache == "off" or repr(cache) == "TeacherCache(0 kept)"
    pd.testing.assert_frame_equal(*histories, rtol=1e-5)


def test_a_teacher_with_large_layers_runs_live(counting, net, data, apart, caplog):
    """In every epoch, and the log says why; so does one whose views change."""
    teacher = nn.Sequential(counting, nn.Linear(4, 8), nn.Linear(8, 4))
    distiller = Distiller(teacher=teacher, student=net(2), loss=apart(layers={"0": "1"}))
    with caplog.at_level(logging.INFO, logger="distillkit"):
        distiller.fit(data, epochs=3)
    assert counting.rows == 8 + 150
    assert (
        "The teacher runs live: the loss uses its layers, whose outputs are larger than the in" in caplog.text
    )


def test_a_layer_without_a_row_an_example_is_not_kept(net, data):
    """What it gives belongs to the batch, so the teacher runs live."""

    class Spread(nn.Module):
        def forward(self, x):
            return x.std(dim=0)

    class Measured(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.spread = net(1), Spread()

        def forward(self, x):
            self.spread(x)
            return self.inner(x)

    class Level(losses.Loss):
        kind: Literal["level_for_a_test"] = "level_for_a_test"

        def needs(self):
            return losses.Needs(teacher_layers=("spread",))

        def __call__(self, *, student, teacher, labels):
            return (student.logits.std() - teacher.features["spread"].mean()).square()

    histories = [
        Distiller(teacher=Measured(), student=net(2), loss=Level(), teacher_cache=cache).fit(data, epochs=2)
        for cache in ("auto", "off")
    ]
    pd.testing.assert_frame_equal(*histories, check_exact=True)


def test_a_teacher_whose_layers_are_not_looked_at_runs_once(counting, net, data):
    """A loss on the student's layers alone leaves the teacher's answers in the cache."""
    distiller = Distiller(teacher=counting, student=net(2), loss=losses.OFA(layers=["0"]), teacher_cache="on")
    distiller.fit(data, epochs=4)
    assert counting.rows == 2 + 8 + 50  # two for shapes, eight that are asked again


def test_a_cache_that_is_asked_for_is_refused(sides, data, apart):
    """It keeps logits only."""
    distiller = Distiller(**sides, loss=apart(layers={"0": "0"}), teacher_cache="on")
    with pytest.raises(ConfigurationError, match="keeps a teacher's logits, and this loss uses its"):
        distiller.fit(data, epochs=1)


def test_the_teacher_sees_the_students_view(net, images, apart):
    """With another jitter each epoch, equal networks stay equal in every layer."""
    student = nn.Sequential(nn.Flatten(), net(1))
    teacher = copy.deepcopy(student)
    distiller = Distiller(
        teacher=teacher,
        student=student,
        loss=apart(layers={"1.0": "1.0"}),
        transfer_set=transfer_sets.Jitter(pixels=1),
    )
    assert distiller.fit(images, epochs=2)["loss"].tolist() == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize(("mode", "level"), [("on", "WARNING"), ("graphs", "WARNING"), ("auto", "INFO")])
def test_nothing_is_compiled(sides, data, apart, monkeypatch, caplog, mode, level):
    """Compiled code and recorded graphs would not know the hooks: the log says so, and training goes on."""
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    with caplog.at_level(logging.INFO, logger="distillkit"):
        distiller = Distiller(**sides, loss=apart(layers={"0": "0"}), compile=mode)
        distiller.fit(data, epochs=1)
    assert distiller.training.recorder is None
    said = [record.levelname for record in caplog.records if "compiled or recorded" in record.message]
    assert said == [level]


def test_compiling_in_bfloat16_is_off_too(sides, data, apart):
    """The one compiled pass over the weights does not take over, whatever lies ahead."""
    distiller = Distiller(**sides, loss=apart(layers={"0": "0"}), precision="bf16", compile="on")
    assert not distiller.training.fused_step_pays(10**12)
    distiller.fit(data, epochs=1)


def test_students_train_one_by_one(net, data, apart, caplog):
    """A stack has no layers to look at, so each is trained by fit, with fit's numbers."""
    loss = apart(layers={"0": "0"})

    def made():
        return [Distiller(teacher=net(1), student=net(2 + seed), loss=loss, seed=seed) for seed in range(2)]

    with caplog.at_level(logging.INFO, logger="distillkit"):
        together = fit_together(made(), data, epochs=2, stack_size=2)
    assert "Student 0 trains alone: its loss looks at features." in caplog.text
    for history, distiller in zip(together, made(), strict=True):
        pd.testing.assert_frame_equal(history, distiller.fit(data, epochs=2), check_exact=True)


def test_half_precision(sides, data, apart):
    """Under autocast features come in bfloat16, and training goes on."""
    history = Distiller(**sides, loss=apart(layers={"0": "0"}), precision="bf16").fit(data, epochs=2)
    assert history["loss"].iloc[1] < history["loss"].iloc[0]


def test_models_of_torchvision_as_they_are():
    """A ResNet and a MobileNet, full of in-place activations; losses with and without adapters."""
    from torchvision.models import mobilenet_v3_small, resnet18

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        teacher, student = resnet18(num_classes=4), mobilenet_v3_small(num_classes=4)
        images, labels = torch.randn(4, 3, 64, 64), torch.tensor([0, 1, 2, 3])
    stages = {"features.1": "layer1", "features.3": "layer2", "features.8": "layer3", "features.12": "layer4"}
    loss = losses.WeightedSum(
        terms={
            "at": losses.AT(layers=stages),
            "review": losses.ReviewKD(layers=stages),
            "before": losses.OFD(layers={"features.0.1": "bn1"}),
            "rkd": losses.RKD(layers={"avgpool": "avgpool"}),
            "hard": losses.HardLabels(),
        }
    )
    distiller = Distiller(teacher=teacher, student=student, loss=loss, precision="fp32")
    first = distiller.step((images, labels))
    for _ in range(4):
        last = distiller.step((images, labels))
    assert all(float(last[name]) < float(first[name]) for name in ("review", "hard"))
    assert not any(part._forward_hooks for side in (teacher, student) for part in side.modules())
    with torch.no_grad():
        _, taken = distiller.training.captures.teacher(teacher.eval(), images)
        assert torch.equal(taken["bn1"], teacher.bn1(teacher.conv1(images)))
        assert (taken["bn1"] < 0).any()


def test_an_error_in_a_step_leaves_no_hook(sides, data, apart):
    """A batch that does not fit, a loss that fails: both sides are as they were, and the next step works."""
    distiller = Distiller(**sides, loss=apart(layers={"0": "0"}))
    distiller.step(data)
    with pytest.raises(RuntimeError):
        distiller.step((data[0][:, :2], data[1]))
    assert not any(part._forward_hooks for side in sides.values() for part in side.modules())
    distiller.step(data)


def test_a_stream_of_batches_is_looked_at_and_trained_on(net, data):
    """What is learnt is made from its first batch, and the epoch has all of them."""
    batches = [(data[0][:20], data[1][:20]), (data[0][20:], data[1][20:])]
    seen = []

    class Stream:
        """Counts what is read."""

        def __iter__(self):
            for batch in batches:
                seen.append(len(batch[0]))
                yield batch

    distiller = Distiller(
        teacher=net(1, hidden=12), student=net(2), loss=losses.FitNet(layers={"0": "0"}), clip_norm=1.0
    )
    distiller.fit(Stream(), epochs=2)
    assert seen == [20, 20, 30, 20, 30]
    assert distiller.adapters[0].out_features == 12
