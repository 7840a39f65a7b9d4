"""All that a loss promises, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from distillkit.losses import Loss
from distillkit.testing import on_any_loss, on_features, on_logits
from distillkit.testing.case import looks_at_layers

Check: TypeAlias = Callable[[Loss], None]
"""Holds a loss to one promise: an AssertionError, which begins with the loss, says that it breaks it."""

_OF_ANY: tuple[Check, ...] = (
    on_any_loss.survives_files,
    on_any_loss.ignores_the_batch_size,
    on_any_loss.ignores_the_order_of_examples,
    on_any_loss.has_the_gradient_of_its_value,
    on_any_loss.leaves_its_inputs_alone,
    on_any_loss.adds_up,
)
_IN_16_BITS: tuple[Check, ...] = (on_any_loss.is_close_in_bfloat16, on_any_loss.ignores_autocast)
_ON_LOGITS: tuple[Check, ...] = (
    on_logits.takes_tokens,
    on_logits.ignores_the_order_of_classes,
    on_logits.is_finite_for_extreme_logits,
    on_logits.is_0_for_one_class,
    on_logits.leads_to_the_teachers_answer,
)
_ON_FEATURES: tuple[Check, ...] = (
    on_features.explains_other_shapes,
    on_features.explains_vectors_and_tokens,
    on_features.refuses_other_examples,
    on_features.is_finite_for_extreme_features,
    on_features.is_finite_for_equal_examples,
    on_features.is_0_for_equal_layers,
    on_features.can_be_learnt,
)


def checks_for(loss: Loss) -> tuple[Check, ...]:
    """The checks that a loss is held to: those of every loss, and those on logits or on features.

    Each is a function of this module that takes the loss.

    Example:
        >>> from distillkit.losses import SoftTargets
        >>> loss = SoftTargets(temperature=4)
        >>> checks_for(loss)[0](loss)
        >>> checks_for(loss)[0].__name__
        'survives_files'
    """
    return (*_OF_ANY, *(_ON_FEATURES if looks_at_layers(loss) else _ON_LOGITS), *_IN_16_BITS)


def check_loss(loss: Loss) -> None:
    """Hold a loss to all that every loss of distillkit promises.

    It goes to YAML and JSON and back. Neither the batch size nor the order of the examples changes it (a loss
    that relates examples says so by `needs().whole_batch`). Its gradient is that of its value (unless
    `gradient_is_of_the_value` says no). Teacher and inputs are left alone, its contributions add up to it,
    and it stays finite and close in 16 bits.

    On logits, the names of the classes do not matter, tokens are examples, one class is loss 0, and
    minimising it leads to the teacher's answer where that is right.

    On features, which it names by `needs()`, it takes layers of any shapes or
    says in a sentence what it needs; layers that agree have loss 0 where nothing is learnt between them; and
    minimising it brings it down.

    That the number is the right one, a test of yours says. Of a loss that is meant to break one of these,
    call the others: `for check in checks_for(loss)`.

    Args:
        loss: On logits, or on features.

    Raises:
        AssertionError: It breaks one of these; says which.

    Example:
        >>> from distillkit.losses import AT, SoftTargets
        >>> check_loss(SoftTargets(temperature=4))
        >>> check_loss(AT(layers={"layer*": "layer*"}))
    """
    for check in checks_for(loss):
        check(loss)
