"""Where a run file's models come from."""

from __future__ import annotations

import pickle
from abc import abstractmethod
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, JsonValue, NonNegativeFloat
from torch import nn

from distillkit.ensemble import Ensemble
from distillkit.errors import ConfigurationError, DataUnavailableError
from distillkit.policy import Policy
from distillkit.workbench.runs.code_file import CodeFile, call_function
from distillkit.workbench.runs.downloads import short_timeout
from distillkit.workbench.runs.weights import read_weights


class ModelSource(Policy):
    """The root of the models of run files, by `kind`.

    Another kind is one class; in a package of yours, its entry point is in the group `distillkit.models`.
    """

    family: ClassVar[str] = "distillkit.models"

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions of the code file that it calls."""
        return ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it reads."""
        return ()

    @property
    def untrained(self) -> bool:
        """Whether the weights are known to be random, which no teacher's should be."""
        return False

    def without_weights_file(self) -> Self:
        """The same model for weights that come later: no file of a state dict is read for it."""
        return self

    @abstractmethod
    def build(self, code: CodeFile | None) -> nn.Module:
        """The model, on the CPU.

        Args:
            code: The file that was named on the command line, if any.

        Raises:
            ConfigurationError: It cannot be built of these settings.
            DataUnavailableError: Its weights could not be downloaded.
        """


class TorchvisionModel(ModelSource):
    """A classification model of torchvision, by name.

    Example:
        >>> ModelSource.from_dict({"kind": "torchvision", "name": "resnet18", "num_classes": 10}).name
        'resnet18'
    """

    kind: Literal["torchvision"] = "torchvision"
    name: str
    """A name of `torchvision.models.list_models()`."""
    num_classes: int | None = Field(default=None, ge=1)
    """Units of the last layer; torchvision's own number (1,000) where it is null."""
    weights: str | None = None
    """torchvision's trained weights by name (`DEFAULT`, `IMAGENET1K_V1`), which are downloaded; or null."""
    weights_file: Path | None = None
    """A plain state dict, .safetensors or .pt, that is read after that."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Further arguments of the model's function."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The weights file."""
        return () if self.weights_file is None else (self.weights_file,)

    @property
    def untrained(self) -> bool:
        """Where no weights are named."""
        return self.weights is None and self.weights_file is None

    def without_weights_file(self) -> Self:
        """With weights of torchvision's, if it has any: some of them change how the model is built."""
        return self.model_copy(update={"weights_file": None})

    def build(self, code: CodeFile | None) -> nn.Module:
        """The model, on the CPU."""
        # imported here for a quick start
        from torchvision import models

        names = models.list_models(module=models)
        if self.name not in names:
            close = get_close_matches(self.name, names, n=3)
            there_are = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}."
            raise ConfigurationError(f"torchvision has no classification model {self.name!r}; {there_are}")
        arguments = {
            **self.arguments,
            **({} if self.num_classes is None else {"num_classes": self.num_classes}),
        }
        if self.weights is not None:
            self._fetch_weights()
        try:
            model: nn.Module = models.get_model(self.name, weights=self.weights, **arguments)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"torchvision cannot build {self.name} of these settings: {error}"
            ) from error
        read_weights(model, self.weights_file, self.name)
        return model

    def _fetch_weights(self) -> None:
        """Fill torchvision's cache, and see that it holds tensors alone: torchvision unpickles anything."""
        # imported here for a quick start
        from torchvision import models

        known = models.get_model_weights(self.name)
        if self.weights not in known.__members__:
            raise ConfigurationError(
                f"torchvision has no weights {self.weights!r} of {self.name}; there are "
                f"{', '.join(known.__members__) or 'none'}."
            )
        try:
            with short_timeout():
                known[self.weights].get_state_dict(check_hash=True, weights_only=True)
        except pickle.UnpicklingError:
            raise ConfigurationError(
                f"torchvision's cached file of {self.name}'s weights {self.weights} holds more than tensors, "
                "so it was not "
                "used: delete it, and it is downloaded anew."
            ) from None
        except (OSError, RuntimeError) as error:
            raise DataUnavailableError(
                f"The weights {self.weights} of {self.name} could not be downloaded ({error}): try again, or "
                "name a "
                "weights_file."
            ) from None


class FunctionModel(ModelSource):
    """The model that a function of the `--code` file returns.

    Example:
        >>> FunctionModel(function="small_net", arguments={"hidden_units": 30}).functions
        ('small_net',)
    """

    kind: Literal["function"] = "function"
    function: str
    """Its name; a class that makes the model is as good."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """The arguments of the function, by name."""
    weights_file: Path | None = None
    """A plain state dict, .safetensors or .pt, for the model that it returns."""

    @property
    def functions(self) -> tuple[str, ...]:
        """The function."""
        return (self.function,)

    @property
    def files(self) -> tuple[Path, ...]:
        """The weights file."""
        return () if self.weights_file is None else (self.weights_file,)

    def without_weights_file(self) -> Self:
        """Build the model by the function."""
        return self.model_copy(update={"weights_file": None})

    def build(self, code: CodeFile | None) -> nn.Module:
        """The model, where the function put it."""
        model = call_function(code, self.function, self.arguments)
        if not isinstance(model, nn.Module):
            raise ConfigurationError(
                f"The function {self.function!r} must return a torch.nn.Module, got {type(model).__name__}."
            )
        read_weights(model, self.weights_file, f"the model of {self.function!r}")
        return model


class EnsembleModel(ModelSource):
    """Several models as one teacher.

    Example:
        >>> member = {"kind": "function", "function": "net"}
        >>> ensemble = EnsembleModel.from_dict({"members": [member, member], "average": "logits"})
        >>> len(ensemble.members)
        2
    """

    kind: Literal["ensemble"] = "ensemble"
    members: Annotated[tuple[ModelSource, ...], Field(min_length=1)]
    """The models."""
    average: Literal["probabilities", "logits"]
    """The average over the members: of probabilities (arithmetic mean) or logits (geometric)."""
    weights: tuple[NonNegativeFloat, ...] | None = None
    """The weight of each member, divided by their sum; all the same where none are given."""

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions of the members."""
        return tuple(function for member in self.members for function in member.functions)

    @property
    def files(self) -> tuple[Path, ...]:
        """The weights files of the members."""
        return tuple(file for member in self.members for file in member.files)

    @property
    def untrained(self) -> bool:
        """Where any member is."""
        return any(member.untrained for member in self.members)

    def without_weights_file(self) -> Self:
        """None of the members reads one; what each counts stays."""
        members = tuple(member.without_weights_file() for member in self.members)
        return self.model_copy(update={"members": members})

    def build(self, code: CodeFile | None) -> nn.Module:
        """The members as one module."""
        members = [member.build(code) for member in self.members]
        return Ensemble(members, average=self.average, weights=self.weights)
