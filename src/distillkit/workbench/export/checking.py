"""Whether an exported file answers as its model does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from distillkit.errors import ConfigurationError, ExportError
from distillkit.workbench.export.answering import Answering
from distillkit.workbench.export.formats import Answers, Format

_ALLOWED = 1e-4
"""Largest difference from the model's logits, as a share of the largest of them; rounding takes 1e-6."""


def asked(model: Answering, batch: Mapping[str, Tensor]) -> Tensor:
    """The model's own logits.

    Raises:
        ConfigurationError: It cannot answer the batch, or not with finite numbers.
    """
    try:
        said = model.ask(batch)
    except ConfigurationError:
        raise
    except Exception as error:  # a model of a person's own may do anything
        shapes = ", ".join(f"{name} {list(one.shape)}" for name, one in batch.items())
        raise ConfigurationError(
            f"The model cannot answer a batch of {shapes} ({told(error)}): give inputs as it takes them."
        ) from error
    if not bool(said.isfinite().all()):
        raise ConfigurationError(
            "The model's logits are not all finite on these inputs: look at its weights."
        )
    return said


def largest_difference(
    form: Format,
    content: bytes,
    model: Answering,
    batches: Sequence[Mapping[str, Tensor]],
    expected: Sequence[Tensor],
) -> float:
    """The largest difference of a file's logits from the model's, over all batches.

    Raises:
        ExportError: It is larger than rounding explains, or the file cannot answer.
    """
    answers: Answers | None = None
    largest = 0.0
    for batch, wanted in zip(batches, expected, strict=True):
        size = len(wanted)
        try:
            answers = answers or form.read(content, model)
            found = answers(batch)
        except Exception as error:  # readers raise many kinds
            raise ExportError(
                f"What was made as {form.name} cannot answer a batch of {size} ({told(error)}), so nothing "
                "was written."
            ) from error
        if found.shape != wanted.shape:
            raise ExportError(
                f"What was made as {form.name} answers a batch of {size} with {list(found.shape)}, and the "
                f"model with {list(wanted.shape)}, so nothing was written."
            )
        difference = float((found.double() - wanted.double()).abs().max())
        if not difference <= _ALLOWED * max(float(wanted.abs().max()), 1e-3):
            raise ExportError(
                f"What was made as {form.name} answers a batch of {size} otherwise than the model: logits "
                f"differ by up to {difference:.3g}, so nothing was written. Look for randomness or state in "
                "the forward pass."
            )
        largest = max(largest, difference)
    return largest


def told(error: Exception) -> str:
    """An error's kind and first words, in one line."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:300]}" if lines else type(error).__name__
