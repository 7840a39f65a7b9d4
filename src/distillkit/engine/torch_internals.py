"""Names of torch that its documentation does not promise: look here first at each new release of torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

ATTRIBUTES_OF_MODULES = frozenset(vars(nn.Module()))
"""The attributes that every module has."""
_HOOKS = tuple(name for name in ATTRIBUTES_OF_MODULES if name.endswith("_hooks"))


def has_hooks(module: nn.Module) -> bool:
    """Whether a module or a part of it has hooks."""
    return any(getattr(part, hooks) for part in module.modules() for hooks in _HOOKS)


def gradient_has_hooks(tensor: Tensor) -> bool:
    """Whether hooks wait for the gradient of a tensor."""
    # a tensor without hooks has None there
    return bool(tensor._backward_hooks or tensor._post_accumulate_grad_hooks)


def step_has_hooks(optimizer: Optimizer) -> bool:
    """Whether hooks run before or after the optimiser's steps."""
    return bool(optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks)


def is_compiled(module: nn.Module) -> bool:
    """Whether a module or a part of it is compiled, by `torch.compile(module)` or by `module.compile()`."""
    return any(
        hasattr(part, "_orig_mod") or getattr(part, "_compiled_call_impl", None) is not None
        for part in module.modules()
    )


def compiler_errors() -> tuple[type[Exception], ...]:
    """Return the errors of compiled code where the machine cannot compile it."""
    # imported here for a quick start
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError

    return TorchDynamoException, InductorError


def times_written(tensor: Tensor) -> int:
    """Return how many times a tensor has been changed in place."""
    return tensor._version


def parameter_places(module: nn.Module) -> dict[str, nn.Parameter | None]:
    """Return where a module keeps its own parameters, by name; the mapping may be changed."""
    return module._parameters


def children_by_name(module: nn.Module) -> dict[str, nn.Module | None]:
    """Return a module's direct parts; `named_children` leaves out a part that is there twice."""
    return module._modules


def divides_gradients(optimizer: Optimizer) -> bool:
    """Whether the optimiser divides the gradients by its `grad_scale` as it reads them."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def cpu_has_bf16() -> bool:
    """Whether the CPU has instructions for bfloat16."""
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    supported = [getattr(torch.cpu, name, None) for name in names]
    return any(bool(ask()) for ask in supported if ask is not None)
