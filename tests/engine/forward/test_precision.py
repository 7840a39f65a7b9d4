"""Tests of the precision of the forward pass."""

from __future__ import annotations

import pytest
import torch

from distillkit import Distiller, losses
from distillkit.engine.forward import precision
from distillkit.errors import ConfigurationError

CPU = torch.device("cpu")
HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


@pytest.mark.parametrize(("has", "name"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_what_the_cpu_can_do(monkeypatch, has, name):
    """bf16 only where there are instructions for it."""
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has)
    assert precision.resolve_precision("auto", CPU).name == name


@pytest.mark.parametrize(("has", "name"), [(True, "bf16"), (False, "fp16")])
def test_auto_is_what_the_gpu_can_do(monkeypatch, has, name):
    """fp16 only on a GPU that knows no bf16."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: has)
    assert precision.resolve_precision("auto", torch.device("cuda", 0)).name == name


def test_what_a_device_cannot_do_is_refused():
    """fp16 on a CPU, and a name that there is not."""
    with pytest.raises(ConfigurationError, match="use bf16 or fp32 on a CPU"):
        precision.resolve_precision("fp16", CPU)
    with pytest.raises(ConfigurationError, match="got 'fp8'"):
        precision.resolve_precision("fp8", CPU)


def test_tf32_is_of_gpus_and_leaves_torch_as_it_was(net, data):
    """In the forward and the backward pass alike."""
    with pytest.raises(ConfigurationError, match="the device is cpu: use fp32 or bf16"):
        precision.resolve_precision("tf32", CPU)
    assert precision.resolve_precision("tf32", torch.device("cuda", 0)).name == "tf32"
    seen = []

    def look(*_):
        seen.append(torch.get_float32_matmul_precision())

    student = net(2)
    student.register_forward_hook(look)
    student[0].weight.register_hook(look)
    distiller = Distiller(teacher=net(1), student=student, loss=HINTON, precision="fp32")
    distiller.training.precision = precision.Precision("tf32", CPU)
    distiller.fit(data, epochs=1, batch_size=25)
    assert seen == ["high"] * 4
    assert torch.get_float32_matmul_precision() == "highest"


def test_bf16_is_of_the_forward_pass_alone(net, data):
    """Logits are bfloat16; the loss, the weights and the optimiser's state stay float32."""
    seen = []

    def loss(*, student, teacher, labels):
        value = HINTON(student=student, teacher=teacher, labels=labels)
        seen.append((student.logits.dtype, value.dtype))
        return value

    distiller = Distiller(teacher=net(1), student=net(2), loss=loss, precision="bf16")
    history = distiller.fit(data, epochs=2, evaluate_on=data)
    exact = Distiller(teacher=net(1), student=net(2), loss=HINTON, precision="fp32").fit(data, epochs=2)
    assert set(seen) == {(torch.bfloat16, torch.float32)}
    assert all(parameter.dtype == torch.float32 for parameter in distiller.student.parameters())
    assert all(state["exp_avg"].dtype == torch.float32 for state in distiller.optimizer.state.values())
    assert history["loss"].tolist() == pytest.approx(exact["loss"].tolist(), rel=0.02)


def test_kept_and_live_answers_agree_in_bf16(net, data):
    """A teacher's kept answers are in the precision in which it would answer live."""
    one, other = (
        Distiller(teacher=net(1), student=net(2), loss=HINTON, precision="bf16", teacher_cache=mode)
        .fit(data, epochs=2)["loss"]
        .tolist()
        for mode in ("auto", "off")
    )
    assert one == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_the_scaler_does_nothing_but_for_fp16_on_cuda(name):
    """Elsewhere gradients are not scaled."""
    assert precision.resolve_precision(name, CPU).scaler() is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_fp16_is_scaled_on_cuda(net, data):
    """The scaler is on, gradients are clipped unscaled, and the losses are those of float32, nearly."""

    def train(name):
        distiller = Distiller(
            teacher=net(1).cuda(), student=net(2).cuda(), loss=HINTON, precision=name, clip_norm=0.5
        )
        return distiller.fit(data, epochs=3, batch_size=16, evaluate_on=data)

    assert precision.resolve_precision("fp16", torch.device("cuda", 0)).scaler().is_enabled()
    assert train("fp16")["loss"].tolist() == pytest.approx(train("fp32")["loss"].tolist(), rel=0.02)
