"""`Policy`: a frozen model whose fields are its settings and whose methods are its behaviour."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from distillkit.errors import ConfigurationError
from distillkit.yaml_io import dump_yaml, load_yaml


class Policy(BaseModel):
    """Settings and behaviour in one: frozen, comparable, hashable, to YAML or JSON and back without loss.

    A *family root* (`Loss`, `TransferSet`) names the entry-point group of its plug-ins in `family`. A
    concrete class has `kind: Literal["its_name"] = "its_name"`. Validating a mapping against a root gives an
    object of the class of its `kind`: one already defined, or the entry point of that name.

    Raises:
        ConfigurationError: A setting is not valid; one sentence for each problem.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        polymorphic_serialization=True,
        allow_inf_nan=False,
    )

    family: ClassVar[str] = ""
    _kinds: ClassVar[dict[str, type[Policy]]] = {}

    def __init__(self, /, **settings: Any) -> None:
        # Not super().__init__: pydantic looks for names of annotations some frames up, and that is one more.
        try:
            made = self.__pydantic_validator__.validate_python(settings, self_instance=self)
        except ValidationError as error:
            raise ConfigurationError(explain(error)) from None
        if made is not self:
            raise ConfigurationError(
                f"{type(self).__name__} is a family: make one of its classes, or use "
                f"{type(self).__name__}.from_dict."
            )

    # As pydantic marks its own: validation then fills the fields itself and keeps the path to a nested one.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls._is_root():
            cls._kinds = {}
            return
        field = cls.model_fields.get("kind")
        if field is None or not isinstance(field.default, str):
            if cls.family and not cls.__abstractmethods__:
                raise TypeError(
                    f"{cls.__name__} needs a kind with a default: add the field "
                    'kind: Literal["my_kind"] = "my_kind".'
                )
            return  # abstract: nothing can name it
        other = cls._kinds.get(field.default)
        if other is not None and _full_name(other) != _full_name(cls):
            raise TypeError(
                f"Two classes have the kind {field.default!r}: {_full_name(other)} and {_full_name(cls)}; "
                "give one of them another kind."
            )
        cls._kinds[field.default] = cls

    @classmethod
    def _is_root(cls) -> bool:
        return bool(cls.__dict__.get("family"))

    @model_validator(mode="wrap")
    @classmethod
    def _go_to_the_class_of_the_kind(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, Mapping):
            if cls._is_root():
                return cast("Self", cls.kind_class(value.get("kind")).model_validate(dict(value)))
            _refuse_unknown_fields(cls, value)
        elif cls._is_root() and not isinstance(value, cls):
            raise ConfigurationError(
                f"A {cls.__name__} is given as an object, or as a mapping with the field 'kind', one of "
                f"{', '.join(cls.kinds())}; got {value!r}."
            )
        return handler(value)

    @classmethod
    def plugins(cls) -> dict[str, EntryPoint]:
        """The entry points of this family by name, not loaded; of a name that two packages bring, one."""
        return {point.name: point for point in reversed(tuple(entry_points(group=cls.family)))}

    @classmethod
    def kinds(cls) -> list[str]:
        """The kinds that can be named, built in, defined so far or installed as plug-ins; sorted."""
        return sorted({*cls._kinds, *cls.plugins()})

    @classmethod
    def kind_class(cls, kind: object) -> type[Policy]:
        """The class of a kind.

        Raises:
            ConfigurationError: There is no such kind; lists what there is and what was probably meant. Or its
                plug-in could not be loaded, or has the kind of another class.
        """
        what = cls.__name__
        if not isinstance(kind, str):
            came = "no kind" if kind is None else repr(kind)
            raise ConfigurationError(
                f"A {what} needs the field 'kind', one of {', '.join(cls.kinds())}; got {came}."
            )
        # A plug-in is loaded even where the kind is known: if it defines another class, that is an error.
        if (point := cls._plugin(kind)) is not None:
            cls._load(point)
        elif kind not in cls._kinds:
            raise ConfigurationError(
                f"There is no {what} of kind {kind!r}{_probably(kind, cls.kinds())}; there are "
                f"{', '.join(cls.kinds())}."
            )
        return cls._kinds[kind]

    @classmethod
    def _plugin(cls, kind: str) -> EntryPoint | None:
        points = tuple(entry_points(group=cls.family, name=kind))
        values = dict.fromkeys(point.value for point in points)
        if len(values) > 1:
            raise ConfigurationError(
                f"Two plug-ins have the kind {kind!r}: {' and '.join(values)}; uninstall one of them."
            )
        return points[0] if points else None

    @classmethod
    def _load(cls, point: EntryPoint) -> None:
        try:
            loaded = point.load()
        except (Exception, SystemExit) as error:
            raise ConfigurationError(
                f"The plug-in {point.name!r} ({point.value}) could not be loaded: {error!r}; "
                "mend or uninstall the package that brings it."
            ) from error
        if loaded is not cls._kinds.get(point.name):
            raise ConfigurationError(
                f"The plug-in {point.name!r} ({point.value}) is not a {cls.__name__} of that kind: an entry "
                "point must have the name of its kind and point at the class."
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data, `kind` included."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """The settings as one line of JSON."""
        return json.dumps(self.to_dict())

    def to_yaml(self) -> str:
        """The settings as YAML."""
        return dump_yaml(self.to_dict())

    @classmethod
    def from_dict(cls, value: object) -> Self:
        """The object of these settings.

        Raises:
            ConfigurationError: The settings are not valid; one sentence for each problem.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise ConfigurationError(explain(error)) from None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The object that `to_json` wrote. Raises as `from_dict`."""
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigurationError(f"The text is not valid JSON: {error}.") from None
        return cls.from_dict(value)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """The object that `to_yaml` wrote. Raises as `from_dict`."""
        return cls.from_dict(load_yaml(text))

    def __hash__(self) -> int:
        """Equal settings, equal hash; fields that are dictionaries are no obstacle."""
        return hash((type(self), _hashable(self.to_dict())))


def explain(error: ValidationError) -> str:
    """Pydantic's findings as sentences: where, what was expected, what came."""
    sentences = []
    for finding in error.errors(include_url=False):
        if finding["type"] == "default_factory_not_called":
            continue  # it only follows from another finding
        where = ".".join(str(part) for part in finding["loc"])
        message = finding["msg"].removeprefix("Value error, ").rstrip(".")
        came = f", got {finding['input']!r}"
        if finding["type"] == "missing":
            message, came = "a value is required and none is given", ""
        elif finding["type"] == "value_error":
            came = ""
        sentences.append(f"{where}: {message}{came}." if where else f"{message}{came}.")
    return " ".join(sentences)


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((name, _hashable(item)) for name, item in value.items())
    return tuple(_hashable(item) for item in value) if isinstance(value, list) else value


def _refuse_unknown_fields(cls: type[BaseModel], value: Mapping[Any, Any]) -> None:
    known = list(cls.model_fields)
    for name in value:
        if name not in known:
            raise ConfigurationError(
                f"{cls.__name__} has no field {name!r}{_probably(str(name), known)}; its fields are "
                f"{', '.join(known)}."
            )


def _probably(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
