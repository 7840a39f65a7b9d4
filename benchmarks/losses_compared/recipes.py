"""How each built-in loss is compared: by one rule, and where a paper says otherwise by a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.losses_compared.networks import (
    BEFORE_RELU,
    POOLED,
    STAGES,
    STUDENT_CHANNELS,
    TEACHER_CHANNELS,
)
from distillkit.errors import ConfigurationError
from distillkit.losses import FeatureLoss, HardLabels, Loss, WeightedSum, hinton
from distillkit.schedules import WarmUp

BASELINE = "hard_labels"
"""The kind that all others are compared with."""
TEMPERATURE = 4.0
"""Of losses that have no temperature by default."""
BATCH_SIZE = 64
"""Of the students' training; some published weights depend on it."""
_HINTON = hinton(temperature=TEMPERATURE, hard_label_weight=0.1).to_dict()


@dataclass(frozen=True)
class Recipe:
    """What the general rule does not say of a loss."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields that are not the loss's defaults, or that have none."""
    weight: Any = 1.0
    """Of the loss, a number or a schedule."""
    hard_label_weight: float = 1.0
    """Of the hard labels beside it; 0: the loss stands alone."""
    teachers: int = 1
    """Networks that teach; several are an ensemble."""
    students: int = 1
    """Networks that learn; the first of several is the one that is judged."""


_ALONE = Recipe(hard_label_weight=0.0)
_DEEP, _MIDDLE = {"stage3": "stage3"}, {"stage2": "stage2"}
RECIPES: Mapping[str, Recipe] = {
    "hard_labels": _ALONE,
    # the plain soft targets, and what goes in their place: papers that have nothing beside it
    "soft_targets": _ALONE,
    "chunked_soft_targets": Recipe({"temperature": TEMPERATURE}, hard_label_weight=0.0),
    "top_k_soft_targets": Recipe({"k": 5, "temperature": TEMPERATURE}, hard_label_weight=0.0),
    "logit_matching": _ALONE,
    "reverse_kl": _ALONE,
    "generalized_jsd": _ALONE,
    # Hinton's sum stands for sums
    "weighted_sum": Recipe({name: _HINTON[name] for name in ("terms", "weights")}, hard_label_weight=0.0),
    # the papers' weights; where a loss is not here, they are 1 and 1, or the paper names none for one stage
    "dkd": Recipe(weight=WarmUp(end=1.0, share=20 / 240)),
    "wsld": Recipe({"temperature": 2.0}, weight=2.5),
    "ctkd": Recipe(weight=0.9, hard_label_weight=0.1),
    "mlkd": Recipe(weight=0.9, hard_label_weight=0.1),
    "standardized": Recipe(weight=9.0, hard_label_weight=0.1),
    "at": Recipe(weight=1000.0),
    "fitnet": Recipe({"layers": _MIDDLE}, weight=200.0),
    "sp": Recipe({"layers": _DEEP}, weight=3000.0),
    "nst": Recipe({"layers": _DEEP}, weight=50.0),
    "ickd": Recipe({"layers": _DEEP}, weight=2.5 * TEACHER_CHANNELS[-1]),
    "pkt": Recipe({"layers": POOLED}, weight=30_000 / BATCH_SIZE),
    "rkd": Recipe({"layers": POOLED}),
    "cc": Recipe({"layers": POOLED}),
    "crd": Recipe({"layers": POOLED}, weight=0.8),
    "ofd": Recipe({"layers": BEFORE_RELU}),
    # what is made for several networks
    "best_of": Recipe(hard_label_weight=0.0, teachers=2),
    "mutual": Recipe(hard_label_weight=0.0, students=2),
    # layers of as many channels on both sides, which it needs; published code has 50 on the mean square
    "fsp": Recipe(
        {"layers": {"stage2": "stage1", "stage3": "stage2"}},
        weight=50 / (STUDENT_CHANNELS[1] * STUDENT_CHANNELS[2]),
    ),
}
"""By kind. The numbers are the papers', or of code that was published with them or of them."""


CHOSEN: Mapping[str, float] = {"at": 0.01, "fsp": 0.01, "nst": 0.1, "sp": 0.1, "vid": 0.1}
"""By kind the factor of its published weight that was better than 1 on held-out training cases
(`--weights`; `docs/results/losses/weights`); the loss is compared with both weights."""
_TIMES = " × "


def recipe_of(name: str) -> Recipe:
    """That of `RECIPES`, or the general one."""
    return RECIPES.get(kind_of(name), Recipe())


def named(kind: str, factor: float) -> str:
    """What a loss is called whose published weight is multiplied.

    Example:
        >>> named("at", 0.01), kind_of("at × 0.01"), kind_of("at")
        ('at × 0.01', 'at', 'at')
    """
    return f"{kind}{_TIMES}{factor:g}"


def kind_of(name: str) -> str:
    """The kind in a name that `named` made, or that is a kind."""
    return name.partition(_TIMES)[0]


def with_factor(kind: str, factor: float) -> tuple[str, Loss]:
    """Name and setting of a loss whose published weight is multiplied.

    Example:
        >>> with_factor("at", 0.01)[1].weights
        {'at': 10.0, 'hard': 1.0}
    """
    return named(kind, factor), _in_its_setting(kind, factor)


def compared(only: Collection[str] | None = None) -> dict[str, Loss]:
    """The losses as they are compared, by kind: every one that is built in, or those of `only`.

    A loss that is registered later is among them: with its defaults, at every stage of both networks if it
    looks at layers, and with hard labels of the same weight beside it. `RECIPES` says where it is otherwise.
    The baseline is always there, and first. Losses of `CHOSEN` are there once more, with that weight.

    Raises:
        ConfigurationError: There is no such loss; or one has a field without a default, and no recipe.

    Example:
        >>> list(compared(["pkt"]))
        ['hard_labels', 'pkt']
    """
    wanted = kinds_to_compare(only)
    found = {kind: _in_its_setting(kind) for kind in (BASELINE, *wanted)}
    return found | dict(with_factor(kind, CHOSEN[kind]) for kind in wanted if kind in CHOSEN)


def kinds_to_compare(only: Collection[str] | None = None) -> list[str]:
    """Every built-in kind but the baseline's, or those of `only`.

    Raises:
        ConfigurationError: There is no such loss.
    """
    kinds = [kind for kind in Loss.kinds() if kind not in Loss.plugins() and _is_built_in(kind)]
    if unknown := [kind for kind in only or () if kind not in kinds]:
        raise ConfigurationError(f"There is no built-in loss {unknown[0]!r}; there are {', '.join(kinds)}.")
    return [kind for kind in kinds if kind != BASELINE and (only is None or kind in only)]


def _is_built_in(kind: str) -> bool:
    return Loss.kind_class(kind).__module__.startswith("distillkit.")


def _in_its_setting(kind: str, factor: float = 1.0) -> Loss:
    recipe = recipe_of(kind)
    loss = Loss.from_dict({"kind": kind, **_required(kind), **recipe.settings})
    if not recipe.hard_label_weight:
        return loss
    return WeightedSum(
        terms={kind: loss, "hard": HardLabels()},
        weights={kind: _times(recipe.weight, factor), "hard": recipe.hard_label_weight},
    )


def _times(weight: Any, factor: float) -> Any:
    if isinstance(weight, WarmUp):
        return weight.model_copy(update={"end": weight.end * factor})
    return weight * factor


def _required(kind: str) -> dict[str, Any]:
    """Values of the fields without a default, where a rule has them."""
    found = Loss.kind_class(kind)
    layers = STAGES if issubclass(found, FeatureLoss) else tuple(STAGES)
    known = {"temperature": TEMPERATURE, "layers": layers, **recipe_of(kind).settings}
    needed = [name for name, one in found.model_fields.items() if one.is_required()]
    if missing := [name for name in needed if name not in known]:
        raise ConfigurationError(
            f"The loss {kind!r} has no default for {missing[0]!r}: say in RECIPES what it is compared with."
        )
    return {name: known[name] for name in needed}
