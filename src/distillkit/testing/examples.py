"""Losses of a kind, made from what its class says of its settings."""

from __future__ import annotations

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss


def examples_of(kind: type[Loss]) -> list[Loss]:
    """Some losses of a class, for tests that are to run over every loss there is.

    One with its defaults, where every field has one. Otherwise one for each of the examples that the fields
    without a default name, as in `temperature: float = Field(gt=0, examples=[1.0, 20.0])`; the JSON Schema of
    the class shows them too.

    Args:
        kind: A class of losses with a `kind`.

    Returns:
        One loss or more.

    Raises:
        ConfigurationError: A field has neither a default nor examples.

    Example:
        >>> from distillkit.losses import HardLabels, SoftTargets
        >>> examples_of(HardLabels)
        [HardLabels(kind='hard_labels', label_smoothing=0.0)]
        >>> [loss.temperature for loss in examples_of(SoftTargets)]
        [1.0, 20.0]
    """
    required = {name: field for name, field in kind.model_fields.items() if field.is_required()}
    if silent := [name for name, field in required.items() if not field.examples]:
        raise ConfigurationError(
            f"{kind.__name__} has no default for {silent[0]!r} and no example of it, so no test can make "
            f"one: write {silent[0]}: ... = Field(examples=[...])."
        )
    given = {name: field.examples or [] for name, field in required.items()}
    count = max([1, *map(len, given.values())])
    return [
        kind(**{name: examples[number % len(examples)] for name, examples in given.items()})
        for number in range(count)
    ]
