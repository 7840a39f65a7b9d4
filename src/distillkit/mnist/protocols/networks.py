"""The networks of the papers: fully connected, from 784 pixels to 10 classes."""

from __future__ import annotations

from typing import Annotated, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from torch import nn

from distillkit.errors import ConfigurationError

PIXELS, CLASSES = 784, 10

DropoutRate = Annotated[float, Field(ge=0, lt=1)]


class NetworkSpec(BaseModel):
    """A network 784-D-…-D-10 of linear layers and ReLUs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    hidden_units: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Units of each hidden layer, first to last."""
    input_dropout: DropoutRate = 0.0
    """Share of the pixels that are dropped in training, in [0, 1)."""
    hidden_dropout: tuple[DropoutRate, ...] = ()
    """Share of the units dropped after each hidden layer, in [0, 1); none where empty."""
    relu_on_logits: bool = False
    """A ReLU after the last layer, as in the report's code: no logit is negative, and an output can die."""

    @model_validator(mode="after")
    def _a_rate_a_layer(self) -> Self:
        if len(self.hidden_dropout) not in {0, len(self.hidden_units)}:
            raise ConfigurationError(
                f"hidden_dropout needs one rate for each of the {len(self.hidden_units)} hidden "
                "layers or none, got "
                f"{len(self.hidden_dropout)}."
            )
        return self

    def build(self, seed: int) -> nn.Sequential:
        """The network, PyTorch's default initial values drawn from `seed`; the caller's randomness stays.

        Takes `[batch, 1, 28, 28]` or `[batch, 784]`, gives `[batch, 10]`.

        Example:
            >>> network = NetworkSpec(hidden_units=(30, 30)).build(seed=0)
            >>> network(torch.zeros(2, 1, 28, 28)).shape
            torch.Size([2, 10])
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return nn.Sequential(*self._layers())

    def _layers(self) -> list[nn.Module]:
        layers: list[nn.Module] = [nn.Flatten()]
        if self.input_dropout:
            layers.append(nn.Dropout(self.input_dropout))
        width = PIXELS
        rates = self.hidden_dropout or (0.0,) * len(self.hidden_units)
        for units, rate in zip(self.hidden_units, rates, strict=True):
            layers += [nn.Linear(width, units), nn.ReLU()]
            if rate:
                layers.append(nn.Dropout(rate))
            width = units
        layers.append(nn.Linear(width, CLASSES))
        if self.relu_on_logits:
            layers.append(nn.ReLU())
        return layers
