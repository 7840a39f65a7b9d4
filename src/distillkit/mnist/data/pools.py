"""Images to distil on that nobody has labelled: the training images, digits that are not MNIST, and noise."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor

from distillkit.mnist.data.digits import BACKGROUND, MnistData, make_stand_in


class Pool(BaseModel):
    """So many images of a kind, without labels."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    images: Literal["training", "fonts", "noise"]
    """`training`: of the training set; `fonts`: drawn as the stand-in is; `noise`: every pixel uniform."""
    number: PositiveInt
    """How many different ones; the training set's number at most."""

    def draw(self, data: MnistData, seed: int) -> Tensor:
        """Draw as many rows as the training set has, `[60000, 784]` in [−1, 1], each image equally often.

        A student on few images makes as many updates so as one on many, and only their number differs.

        Args:
            data: What the training images are taken from.
            seed: Which images: another seed chooses, or draws, others.
        """
        rows = len(data.train_images)
        number = min(self.number, rows)
        generator = torch.Generator().manual_seed(seed)
        if self.images == "noise":
            images = torch.rand((number, data.train_images.shape[1]), generator=generator)
            images = BACKGROUND + (1 - BACKGROUND) * images
        elif self.images == "fonts":
            # the stand-in itself, which may be the data, is the drawing of seed 0
            images = make_stand_in(n_train=number, n_test=1, seed=seed + 1).train_images
        else:
            images = data.train_images[torch.randperm(rows, generator=generator)[:number]]
        return images[torch.arange(rows) % number]
