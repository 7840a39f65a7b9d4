"""What a GPU gives, against what a CPU gives: run wherever there is one."""

from __future__ import annotations

import gc

import pandas as pd
import pytest
import torch
from torch import nn

from distillkit import Distiller, MaxNorm, TeacherCache, fit_together, losses, transfer_sets
from distillkit.engine.forward.compiling import CompileMode
from views import inputs_seen

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    # what torch's compiler imports warns of itself in some versions
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)
MODES: tuple[CompileMode, ...] = ("off", "on", "graphs")


def adamw(parameters):
    """As the presets have it."""
    return torch.optim.AdamW(parameters, lr=0.01, fused=True)


def falling(optimizer):
    """Another learning rate at each step."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.97**step)


def student_of(net, device, **settings):
    """A Distiller whose teacher and student begin the same on any device."""
    return Distiller(
        **{
            "teacher": net(1).to(device), "student": net(2).to(device), "loss": HINTON, "optimizer": adamw,
            "schedule": falling, "schedule_unit": "step", "precision": "fp32", **settings,
        }
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("clip_norm", [None, 0.3])
def test_a_training_is_that_of_a_cpu(net, data, mode, clip_norm, caplog):
    """The same batches in the same order, with a learning rate that moves and a smaller last batch."""
    on_cpu, on_gpu = (
        student_of(net, device, compile=how, clip_norm=clip_norm).fit(
            data, epochs=6, batch_size=8, evaluate_on=data
        )
        for device, how in (("cpu", "off"), ("cuda", mode))
    )
    pd.testing.assert_frame_equal(on_gpu, on_cpu, rtol=1e-3)
    assert not caplog.text


def test_a_view_is_the_same_image(images):
    """Shifts are drawn from numbers, not from the device's generator."""
    cases, _ = images
    jitter = transfer_sets.Jitter(pixels=1, seed=3)
    numbers = torch.arange(len(cases))
    on_gpu = inputs_seen(jitter, cases.cuda(), epoch=2, indices=numbers.cuda())
    torch.testing.assert_close(
        on_gpu.cpu(), inputs_seen(jitter, cases, epoch=2, indices=numbers), rtol=0, atol=0
    )


@pytest.mark.parametrize("mode", ["off", "graphs"])
def test_a_stack_is_its_students(net, data, mode, caplog):
    """Each with a seed and a loss of its own, those of one kind not side by side; and it can be recorded."""
    kinds = (losses.hinton(1.0, 0.25), losses.HardLabels(), losses.hinton(20.0, 0.25))

    def students():
        cache = TeacherCache()
        return [
            student_of(
                net, "cuda", student=net(3 + place).cuda(), loss=loss, seed=place, compile=mode,
                teacher_cache=cache,
            )
            for place, loss in enumerate(kinds)
        ]  # fmt: skip

    together, alone = (
        fit_together(students(), data, epochs=5, batch_size=8, evaluate_on=data, stack_size=size)
        for size in (3, 1)
    )
    for ours, theirs in zip(together, alone, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-3)
    assert "cannot be recorded" not in caplog.text


def test_a_recorded_dropout_is_drawn_anew(net, data, caplog):
    """Of a student that stands still and is shown everything at once, the loss moves with the masks alone."""
    student = net(2, dropout=0.5).cuda()
    distiller = student_of(
        net, "cuda", student=student, compile="graphs", schedule=None,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0, fused=True),
    )  # fmt: skip
    history = distiller.fit(data, epochs=12, batch_size=len(data[0]))
    assert history["loss"].nunique() == 12
    assert not caplog.text


def test_after_a_recording_that_failed_dropout_goes_on(net, data, caplog):
    """As it is, with the same numbers."""

    def reading(*, student, teacher, labels):
        loss = HINTON(student=student, teacher=teacher, labels=labels)
        return loss * (1 + 0 * loss.item())

    def train(mode):
        student = net(2, dropout=0.5).cuda()
        return student_of(net, "cuda", student=student, loss=reading, compile=mode).fit(
            data, epochs=4, batch_size=8
        )

    pd.testing.assert_frame_equal(train("graphs"), train("off"), rtol=1e-5)
    assert caplog.text.count("cannot be recorded") == 1


@pytest.mark.parametrize("mode", ["off", "graphs"])
def test_the_same_seed_gives_the_same_history(net, data, mode):
    """With dropout, recorded or not."""
    first, again = (
        student_of(net, "cuda", student=net(2, dropout=0.5).cuda(), compile=mode).fit(
            data, epochs=5, batch_size=8
        )
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, again, rtol=1e-5)


def test_recordings_of_others_may_end_as_one_is_made(net, data, caplog):
    """Garbage is looked for all the time, and recordings that training by hand leaves behind are some."""
    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(4):
            distiller = student_of(net, "cuda", student=net(2, dropout=0.5).cuda(), compile="graphs")
            for _ in range(8):
                distiller.step(data)
    finally:
        gc.set_threshold(*thresholds)
    assert not caplog.text


def test_max_norm_holds_after_recorded_updates(net, data):
    """A callback that changes weights works between replays."""
    distiller = student_of(net, "cuda", compile="graphs", callbacks=[MaxNorm(0.01)])
    distiller.fit(data, epochs=3, batch_size=8)
    lengths = [part.weight.norm(dim=1) for part in distiller.student.modules() if isinstance(part, nn.Linear)]
    assert all(bool((one <= 0.1001).all()) for one in lengths)


@pytest.mark.parametrize("precision", ["bf16", "fp16", "tf32"])
@pytest.mark.parametrize("mode", ["off", "graphs"])
def test_every_precision_learns(net, data, precision, mode, caplog):
    """Mixed precision keeps weights in float32; float16 has its scaler, and is not recorded."""
    distiller = student_of(net, "cuda", precision=precision, compile=mode, schedule=None)
    history = distiller.fit(data, epochs=20, batch_size=10)
    assert history["loss"].iloc[-1] < 0.95 * history["loss"].iloc[0]
    assert all(one.dtype == torch.float32 for one in distiller.student.parameters())
    assert ("not recorded" in caplog.text) == (precision == "fp16" and mode == "graphs")
