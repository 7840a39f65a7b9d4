"""Where a run file's data come from."""

from __future__ import annotations

from abc import abstractmethod
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.error import URLError

import torch
from pydantic import Field, JsonValue, PositiveFloat, model_validator
from torch import Tensor
from torch.utils.data import Dataset

from distillkit.errors import ConfigurationError, DataUnavailableError
from distillkit.policy import Policy
from distillkit.workbench.runs.code_file import CodeFile, call_function
from distillkit.workbench.runs.downloads import short_timeout

_IN_MEMORY_BYTES = 2**30

_TRAIN_FLAG = ({"train": True}, {"train": False})
_TRAIN_TEST = ({"split": "train"}, {"split": "test"})
_TRAINVAL_TEST = ({"split": "trainval"}, {"split": "test"})
_TRAIN_VAL = ({"split": "train"}, {"split": "val"})
_PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **dict.fromkeys(
        ("MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST", "CIFAR10", "CIFAR100", "USPS"), _TRAIN_FLAG
    ),
    **dict.fromkeys(
        ("SVHN", "STL10", "GTSRB", "Food101", "Flowers102", "DTD", "PCAM", "RenderedSST2", "StanfordCars"),
        _TRAIN_TEST,
    ),
    **dict.fromkeys(("FGVCAircraft", "OxfordIIITPet"), _TRAINVAL_TEST),
    **dict.fromkeys(("ImageNet", "Imagenette"), _TRAIN_VAL),
    "FakeData": ({}, {"random_offset": 2**31}),
}
"""How each of torchvision's data sets of one class an image is asked for its two parts."""


class DataSource(Policy):
    """The root of the data of run files, to train on and to evaluate on, by `kind`.

    Another kind is one class; in a package of yours, its entry point is in the group `distillkit.data`.
    """

    family: ClassVar[str] = "distillkit.data"

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions of the code file that it calls."""
        return ()

    @abstractmethod
    def load(self, code: CodeFile | None) -> tuple[Any, Any]:
        """Training data and labelled evaluation data, each in any form that `Distiller.fit` takes.

        Args:
            code: The file that was named on the command line, if any.

        Raises:
            ConfigurationError: The settings do not fit the data.
            DataUnavailableError: The data could not be found or downloaded.
        """


class Normalisation(Policy):
    """(x − mean) / std, channel by channel, of pixels in [0, 1].

    Example:
        >>> Normalisation(mean=[0.5], std=[0.5])
        Normalisation(mean=(0.5,), std=(0.5,))
    """

    mean: Annotated[tuple[float, ...], Field(min_length=1)]
    """One number a channel."""
    std: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    """One number a channel, each > 0."""

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ConfigurationError(
                f"mean and std need one number a channel each, got {len(self.mean)} and {len(self.std)}."
            )
        return self


class TorchvisionData(DataSource):
    """A classification data set of torchvision, its training part and its test part; images in [0, 1].

    Example:
        >>> TorchvisionData(dataset="MNIST", root="data").download
        False
    """

    kind: Literal["torchvision"] = "torchvision"
    dataset: str
    """Its name: MNIST, FashionMNIST, CIFAR10, ...; FakeData makes random images up."""
    root: Path = Path("data")
    """torchvision's folder for data."""
    download: bool = False
    """Whether to download what is not there."""
    image_size: int | None = Field(default=None, ge=1)
    """Height and width, in pixels, that images are resized to; null leaves them as they are."""
    channels: Literal[1, 3] | None = None
    """1 makes images grey, 3 colour; null leaves them as they are."""
    normalise: Normalisation | None = None
    """Mean and standard deviation that are taken out of the pixels."""
    in_memory: Literal["auto", "on", "off"] = "auto"
    """Whether images are decoded once and kept, which is faster, and lets the teacher's answers be kept too;
    auto: where both parts together take at most 1 GiB."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Further arguments of the data set's class (`split: letters` of EMNIST)."""

    def load(self, code: CodeFile | None) -> tuple[Any, Any]:
        """Training part and test part, as tensors or as data sets."""
        parts = [self._part(part) for part in self._kinds_of_parts()]
        sizes = [len(part) * self._image(part).nbytes for part in parts]
        keep = self.in_memory == "on" or (self.in_memory == "auto" and sum(sizes) <= _IN_MEMORY_BYTES)
        train, test = map(self._in_memory, parts) if keep else parts
        return train, test

    def _kinds_of_parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if self.dataset not in _PARTS:
            close = get_close_matches(self.dataset, _PARTS, n=1)
            meant = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigurationError(
                f"There is no data set {self.dataset!r} here{meant}; of torchvision there are "
                f"{', '.join(sorted(_PARTS))}. "
                "Any other can come from a function (kind: function)."
            )
        return _PARTS[self.dataset]

    def _part(self, which: dict[str, Any]) -> Any:
        # imported here for a quick start
        from torchvision import datasets

        arguments = {"transform": self._transform(), **self.arguments}
        if self.dataset != "FakeData":
            arguments["root"] = self.root.expanduser()
            if self.dataset != "ImageNet":  # which is not for download
                arguments["download"] = self.download
        try:
            with short_timeout():
                return getattr(datasets, self.dataset)(**arguments, **which)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"torchvision cannot make {self.dataset} of these settings: {error}."
            ) from error
        except (RuntimeError, OSError, URLError, ImportError) as error:
            hint = (
                "look at the network and try again"
                if self.download
                else "set download: true, or the right root"
            )
            raise DataUnavailableError(
                f"{self.dataset} could not be had from {self.root} ({' '.join(str(error).split())}): {hint}."
            ) from error

    def _transform(self) -> Any:
        # imported here for a quick start
        from torchvision import transforms

        steps: list[Any] = []
        if self.channels is not None:
            steps.append(_Channels(self.channels))
        if self.image_size is not None:
            steps.append(transforms.Resize((self.image_size, self.image_size)))
        steps.append(transforms.ToTensor())
        if self.normalise is not None:
            steps.append(transforms.Normalize(self.normalise.mean, self.normalise.std))
        return transforms.Compose(steps)

    def _image(self, part: Dataset[Any]) -> Tensor:
        try:
            image: Tensor = part[0][0]
        except RuntimeError as error:
            raise ConfigurationError(
                f"The images of {self.dataset} do not fit the settings ({' '.join(str(error).split())}): "
                "look at channels "
                "and normalise."
            ) from error
        return image

    def _in_memory(self, part: Any) -> tuple[Tensor, Tensor]:
        first = self._image(part)
        images = torch.empty(len(part), *first.shape)
        labels = torch.empty(len(part), dtype=torch.int64)
        for number in range(len(part)):
            image, label = part[number]
            if image.shape != first.shape:
                raise ConfigurationError(
                    f"The images of {self.dataset} differ in size ({list(first.shape)}, "
                    f"{list(image.shape)}): set image_size."
                )
            images[number], labels[number] = image, label
        return images, labels


class FunctionData(DataSource):
    """The data that a function of the `--code` file returns: for training and for evaluation.

    Example:
        >>> FunctionData(function="digits").functions
        ('digits',)
    """

    kind: Literal["function"] = "function"
    function: str
    """Its name; it returns (train, evaluation), each in any form that `Distiller.fit` takes."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """The arguments of the function, by name."""

    @property
    def functions(self) -> tuple[str, ...]:
        """The function."""
        return (self.function,)

    def load(self, code: CodeFile | None) -> tuple[Any, Any]:
        """Load the data by the function."""
        data = call_function(code, self.function, self.arguments)
        if not isinstance(data, tuple) or len(data) != 2:
            size = f" of {len(data)}" if isinstance(data, tuple) else ""
            raise ConfigurationError(
                f"The function {self.function!r} must return (train, evaluation), got "
                f"{type(data).__name__}{size}."
            )
        return data


class _Channels:
    """Makes an image grey or coloured; a class, so that it reaches other processes."""

    def __init__(self, channels: int) -> None:
        self._mode = "L" if channels == 1 else "RGB"

    def __call__(self, image: Any) -> Any:
        return image.convert(self._mode)
