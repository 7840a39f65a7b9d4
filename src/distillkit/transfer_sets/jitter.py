"""Images shifted by a few pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import random_integers
from distillkit.transfer_sets.base import TransferSet
from distillkit.typing import Batch


class Jitter(TransferSet):
    """Every image shifted by up to n pixels in any direction, anew in each epoch.

    Both shifts of an image are whole numbers in [−n, n], drawn from (seed, epoch, number of the image).

    Example:
        >>> jitter = Jitter(pixels=1)
        >>> images = torch.eye(3).view(1, 1, 3, 3)
        >>> jitter.view(Batch(images, indices=torch.tensor([0])), epoch=0).inputs.shape
        torch.Size([1, 1, 3, 3])

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §3.
    """

    kind: Literal["jitter"] = "jitter"
    pixels: int = Field(ge=1)
    """The largest shift n, in pixels, ≥ 1."""
    fill: float = 0.0
    """The value of the background, in the units of the images: what is shifted in at the edges."""
    shifts: Literal["uniform", "rounded"] = "uniform"
    """`uniform`: each shift equally likely; `rounded`: a real number in [−n, n], rounded, as torchvision's
    `RandomAffine` has it, so that −n and n are half as likely as the others."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Which shifts: another seed draws others."""

    @property
    def same_view(self) -> bool:
        """An image moves from epoch to epoch."""
        return False

    def view(self, batch: Batch, *, epoch: int) -> Batch:
        """Shift the images, `[batch, channels, height, width]`.

        Raises:
            ConfigurationError: The inputs are not images of this shape, or the examples have no numbers.
        """
        inputs, indices = batch.inputs, self.numbers_of(batch)
        # the engine hands over what the data gave, and that may be a mapping of inputs by name
        if not isinstance(inputs, Tensor) or inputs.dim() != 4:
            came = list(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__
            raise ConfigurationError(
                f"Jitter shifts images of shape [batch, channels, height, width], got {came}: reshape the "
                "inputs, and let the model flatten them."
            )
        n = self.pixels
        height, width = inputs.shape[-2:]
        down = self._offsets(indices, epoch, stream=0).to(inputs.device)
        right = self._offsets(indices, epoch, stream=1).to(inputs.device)
        padded = F.pad(inputs, (n, n, n, n), value=self.fill)
        # all windows of each padded image, as a view; one of them is the shifted image
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        shifted = windows[torch.arange(len(inputs), device=inputs.device), :, n - down, n - right]
        return replace(batch, inputs=shifted)

    def _offsets(self, indices: Tensor, epoch: int, stream: int) -> Tensor:
        n = self.pixels
        if self.shifts == "uniform":
            return random_integers(indices, low=-n, high=n, seed=self.seed, epoch=epoch, stream=stream)
        # of 4n equal parts of [−n, n], the outermost two belong to −n and n, and two to each shift between
        part = random_integers(indices, low=0, high=4 * n - 1, seed=self.seed, epoch=epoch, stream=stream)
        return (part + 1) // 2 - n
