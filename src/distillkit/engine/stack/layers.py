"""The forward pass of students made of plain layers, by batched products."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from distillkit.engine.forward.dropout import dropout_mask
from distillkit.engine.torch_internals import children_by_name

Generators = Sequence[torch.Generator] | None
"""One generator a student, for dropout on a CPU; `None` switches dropout off."""

Layer = Callable[[Tensor, Mapping[str, Tensor], int, Generators], Tensor]
"""A layer of all students: `[groups or students, batch, ...]`, weights by name, number of students."""

_ELEMENTWISE = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus,
    nn.Tanh, nn.Sigmoid, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.LogSigmoid, nn.Softsign, nn.Identity,
)  # fmt: skip


def layers_of(module: nn.Module) -> list[Layer] | None:
    """Return the layers of an `nn.Sequential` of linear and elementwise ones; `None` if there are others."""
    candidates = [_layer(name, part) for name, part in _flat("", module)]
    layers = [layer for layer in candidates if layer is not None]
    return layers if len(layers) == len(candidates) else None


def run_layers(
    layers: Sequence[Layer],
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    students: int,
    generators: Generators,
) -> Tensor:
    """Return the outputs of all students, `[students, batch, ...]`.

    Args:
        layers: The layers, from `layers_of`.
        weights: The weights by name, each `[students, ...]`.
        inputs: `[groups, batch, ...]`: the first students / groups students get the first group's, and so on.
            As long as the students of a group have the same inputs, a linear layer is one product for them.
        students: Number of students, a multiple of the groups.
        generators: See `Generators`.
    """
    for layer in layers:
        inputs = layer(inputs, weights, students, generators)
    return each_students(inputs, students)


def each_students(inputs: Tensor, students: int) -> Tensor:
    """Repeat `[groups, ...]` to `[students, ...]`."""
    return inputs if len(inputs) == students else inputs.repeat_interleave(students // len(inputs), dim=0)


def _flat(prefix: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    if type(module) is not nn.Sequential:
        yield prefix, module
        return
    for name, part in children_by_name(module).items():
        if part is not None:
            yield from _flat(f"{prefix}.{name}" if prefix else name, part)


def _layer(name: str, part: nn.Module) -> Layer | None:
    prefix = f"{name}." if name else ""
    if type(part) is nn.Linear:
        bias = None if part.bias is None else f"{prefix}bias"
        return lambda inputs, weights, students, generators: _linear(
            inputs, weights[f"{prefix}weight"], None if bias is None else weights[bias]
        )
    if type(part) is nn.Flatten and part.start_dim == 1:
        end = part.end_dim if part.end_dim < 0 else part.end_dim + 1
        return lambda inputs, weights, students, generators: inputs.flatten(2, end)
    if type(part) is nn.Dropout:
        rate = part.p
        return lambda inputs, weights, students, generators: (
            _dropped(inputs, rate, students, generators) if generators is not None and rate else inputs
        )
    if type(part) in _ELEMENTWISE and not getattr(part, "inplace", False):
        return lambda inputs, weights, students, generators: part(inputs)
    return None


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply with units before cases in memory, so that gradients have the weights' layout."""
    students, units, width = weight.shape
    groups, between = len(inputs), inputs.shape[1:-1]
    # one product for all students of a group
    wide = weight.reshape(groups, -1, width)
    columns = inputs.reshape(groups, -1, width).transpose(1, 2)
    if bias is None:
        out = torch.bmm(wide, columns)
    else:
        out = torch.baddbmm(bias.reshape(groups, -1, 1), wide, columns)
    return out.reshape(students, units, *between).movedim(1, -1)


def _dropped(inputs: Tensor, rate: float, students: int, generators: Generators) -> Tensor:
    inputs = each_students(inputs, students)
    if rate == 1:
        return torch.zeros_like(inputs)
    if generators is None or inputs.device.type != "cpu":
        return torch.nn.functional.dropout(inputs, rate)
    masks = [dropout_mask(one, rate, own) for one, own in zip(inputs, generators, strict=True)]
    return inputs * torch.stack(masks)
