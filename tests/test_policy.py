"""Policies: settings and behaviour in one, to YAML and JSON and back, refused where they do not fit."""

from __future__ import annotations

import copy
import json
import pickle
from typing import ClassVar, Literal

import pytest
from pydantic import ValidationError
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.losses import HardLabels, LogitMatching, Loss, SoftTargets, WeightedSum, hinton
from distillkit.policy import Policy
from distillkit.transfer_sets import (
    Chain,
    Fraction,
    Full,
    Jitter,
    OmitClasses,
    OnlyClasses,
    TransferSet,
    Unlabelled,
)

LOSSES = [
    HardLabels(),
    HardLabels(label_smoothing=0.1),
    SoftTargets(temperature=2.5),
    SoftTargets(temperature=1e-7),
    SoftTargets(temperature=1 / 3),
    LogitMatching(),
    hinton(temperature=20, hard_label_weight=0.1),
    WeightedSum(
        terms={"1e3": hinton(4, 0.5), "no": LogitMatching(), "é: [x]": HardLabels()},
        weights={"1e3": 1e-3, "no": 0, "é: [x]": 1e6},
    ),
]
TRANSFER_SETS = [
    Full(),
    Unlabelled(),
    OmitClasses(classes=[3]),
    OnlyClasses(classes=[8, 7]),
    Fraction(fraction=11 / 12, seed=2**63 - 1),
    Jitter(pixels=2, fill=-0.4242, seed=7),
    Chain(parts=[OmitClasses(classes=[3]), Fraction(fraction=0.5)]),
    Chain(parts=[Chain(parts=[Unlabelled(), Jitter(pixels=1)]), Full()]),
]
KINDS = "hard_labels, logit_matching, soft_targets, weighted_sum"
ALL = [
    *(pytest.param(Loss, policy, id=repr(policy)) for policy in LOSSES),
    *(pytest.param(TransferSet, policy, id=repr(policy)) for policy in TRANSFER_SETS),
]


@pytest.fixture
def own_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that a test defines are forgotten after it."""
    for root in (Loss, TransferSet):
        monkeypatch.setattr(root, "_kinds", dict(root._kinds))


@pytest.mark.parametrize(("root", "policy"), ALL)
def test_round_trips_give_back_an_equal_object(root: type[Policy], policy: Policy) -> None:
    """YAML, JSON and plain data, read by the root or the class, give back an equal object of one hash."""
    for reader in (root, type(policy)):
        for again in (
            reader.from_yaml(policy.to_yaml()),
            reader.from_json(policy.to_json()),
            reader.from_dict(policy.to_dict()),
            reader.from_dict(policy),
        ):
            assert again == policy
            assert type(again) is type(policy)
            assert hash(again) == hash(policy)
            assert repr(again) == repr(policy)


@pytest.mark.parametrize(("root", "policy"), ALL)
def test_copies_are_equal(root: type[Policy], policy: Policy) -> None:
    """Copying and pickling keep everything, as worker processes need it."""
    assert policy == copy.deepcopy(policy) == pickle.loads(pickle.dumps(policy)) == policy.model_copy()


@pytest.mark.parametrize(("root", "policy"), ALL)
def test_plain_data_is_plain(root: type[Policy], policy: Policy) -> None:
    """`to_dict` holds nothing but what JSON knows, and begins with the kind; JSON is one line."""
    plain = policy.to_dict()
    assert json.loads(policy.to_json()) == plain == json.loads(json.dumps(plain))
    assert next(iter(plain)) == "kind"
    assert "\n" not in policy.to_json()


def test_no_two_are_equal() -> None:
    """Policies that differ in a class or a setting are not equal, and a set keeps each."""
    assert len({*LOSSES, *TRANSFER_SETS}) == len(LOSSES) + len(TRANSFER_SETS)


def test_equal_policies_have_one_hash() -> None:
    """Equal settings, equal hash: whatever the order of a mapping's names, and −0 is 0."""
    one = WeightedSum(terms={"a": HardLabels(), "b": LogitMatching()})
    other = WeightedSum(terms={"b": LogitMatching(), "a": HardLabels()})
    assert one == other
    assert hash(one) == hash(other)
    assert hash(Jitter(pixels=1, fill=-0.0)) == hash(Jitter(pixels=1))


@pytest.mark.parametrize(("root", "policy"), ALL)
def test_frozen(root: type[Policy], policy: Policy) -> None:
    """A setting cannot be assigned to."""
    with pytest.raises(ValidationError, match="frozen"):
        policy.kind = "other"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"kind": "soft_target", "temperature": 2},
            f"There is no Loss of kind 'soft_target' (did you mean 'soft_targets'?); there are {KINDS}.",
        ),
        (
            {"kind": "zzz"},
            f"There is no Loss of kind 'zzz'; there are {KINDS}.",
        ),
        (
            {"temperature": 2},
            f"A Loss needs the field 'kind', one of {KINDS}; got no kind.",
        ),
        (
            {"kind": 3},
            f"A Loss needs the field 'kind', one of {KINDS}; got 3.",
        ),
        (
            "soft_targets",
            f"A Loss is given as an object, or as a mapping with the field 'kind', one of {KINDS}; "
            "got 'soft_targets'.",
        ),
        (
            {"kind": "soft_targets", "temprature": 2},
            "SoftTargets has no field 'temprature' (did you mean 'temperature'?); its fields are kind, "
            "temperature.",
        ),
        ({"kind": "soft_targets"}, "temperature: a value is required and none is given."),
        ({"kind": "soft_targets", "temperature": 0}, "temperature: Input should be greater than 0, got 0."),
        (
            {"kind": "weighted_sum", "terms": {"a": {"kind": "soft_targets", "temperature": -1}}},
            "terms.a.temperature: Input should be greater than 0, got -1.",
        ),
        (
            {"kind": "weighted_sum", "terms": {"a": {"kind": "soft_targets", "T": 1}}},
            "terms.a: SoftTargets has no field 'T'; its fields are kind, temperature.",
        ),
        (
            {"kind": "weighted_sum", "terms": {"a": {"kind": "hard_label"}}},
            "terms.a: There is no Loss of kind 'hard_label' (did you mean 'hard_labels'?); there are "
            f"{KINDS}.",
        ),
        ({"kind": "weighted_sum"}, "terms: a value is required and none is given."),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    settings: object, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown kinds, misspelt fields and wrong values say what was expected, what came and what was meant."""
    built_in = {cls.kind_name(): cls for cls in (HardLabels, LogitMatching, SoftTargets, WeightedSum)}
    monkeypatch.setattr(Loss, "_kinds", built_in)
    with pytest.raises(ConfigurationError) as caught:
        Loss.from_dict(settings)
    assert str(caught.value) == sentence
    assert caught.value.exit_code == 2


def test_two_problems_are_two_sentences() -> None:
    """Each problem is a sentence of its own that names its place."""
    with pytest.raises(ConfigurationError) as caught:
        Jitter.from_dict({"pixels": 0, "fill": "white"})
    assert str(caught.value) == (
        "pixels: Input should be greater than or equal to 1, got 0. "
        "fill: Input should be a valid number, unable to parse string as a number, got 'white'."
    )


def test_the_constructor_speaks_as_from_dict_does() -> None:
    """`SoftTargets(temperature=0)` is the same one-sentence error, and still a `ValueError`."""
    with pytest.raises(ConfigurationError, match=r"^temperature: Input should be greater than 0, got 0\.$"):
        SoftTargets(temperature=0)
    with pytest.raises(ValueError, match="did you mean 'temperature'"):
        SoftTargets(temprature=2)  # type: ignore[call-arg]


def test_the_kind_of_another_class_is_refused() -> None:
    """A class does not take settings that name another kind."""
    with pytest.raises(ConfigurationError, match=r"^kind: .* be 'soft_targets', got 'hard_labels'\.$"):
        SoftTargets.from_dict({"kind": "hard_labels", "temperature": 1})


@pytest.mark.parametrize("text", ["{", "[1, 2]", "{'kind': 'full'}", ""])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    """What is no JSON object is one sentence."""
    with pytest.raises(ConfigurationError, match=r"not valid JSON|is given as an object"):
        TransferSet.from_json(text)


@pytest.mark.parametrize("text", ["kind: [", "- full", "full", "", "kind: full\nkind: full"])
def test_text_that_is_no_mapping_in_yaml_is_refused(text: str) -> None:
    """What is no YAML mapping is one sentence."""
    with pytest.raises(ConfigurationError, match=r"not valid YAML|is given as an object"):
        TransferSet.from_yaml(text)


@pytest.mark.usefixtures("own_kinds")
def test_a_class_is_known_once_it_is_defined() -> None:
    """A loss of one's own is one class: defining it is enough to name it."""

    class Own(Loss):
        kind: Literal["own"] = "own"
        scale: float = 1.0

        def __call__(self, *, student: object, teacher: object, labels: object) -> Tensor:
            raise NotImplementedError

    assert "own" in Loss.kinds()
    assert Loss.from_dict({"kind": "own", "scale": 2}) == Own(scale=2)
    nested = WeightedSum(terms={"own": Own(scale=3)})
    assert Loss.from_yaml(nested.to_yaml()) == nested
    assert nested.to_dict()["terms"]["own"] == {"kind": "own", "scale": 3.0}


@pytest.mark.usefixtures("own_kinds")
def test_one_kind_in_two_classes_names_both() -> None:
    """Two classes with one kind are an error that names both, also where one is the other's parent."""
    with pytest.raises(TypeError, match=r"distillkit\.losses\.soft_targets\.SoftTargets and .*Impostor"):

        class Impostor(Loss):
            kind: Literal["soft_targets"] = "soft_targets"

    with pytest.raises(TypeError, match=r"Two classes have the kind 'full'.*Full and .*Fuller"):

        class Fuller(Full):
            pass


@pytest.mark.usefixtures("own_kinds")
def test_defining_a_class_again_replaces_it() -> None:
    """A cell of a notebook can be run twice: the class of the same name takes the place of the old one."""

    def cell(default: int) -> type[TransferSet]:
        class First(TransferSet):
            kind: Literal["first"] = "first"
            examples: int = default

            def select(self, size: int, labels: Tensor | None) -> Tensor:
                raise NotImplementedError

        return First

    cell(1)
    again = cell(2)
    assert type(TransferSet.from_dict({"kind": "first"})) is again
    assert TransferSet.from_dict({"kind": "first"}).to_dict()["examples"] == 2


@pytest.mark.usefixtures("own_kinds")
def test_a_class_without_a_kind_says_what_to_add() -> None:
    """A class that could be made and not be named is refused where it is written."""
    with pytest.raises(TypeError, match=r"Nameless needs a kind with a default: add the field kind"):

        class Nameless(Loss):
            def __call__(self, *, student: object, teacher: object, labels: object) -> Tensor:
                raise NotImplementedError


def test_a_family_makes_no_object_of_its_own() -> None:
    """A root is abstract; one without abstract methods says to use its classes."""
    with pytest.raises(TypeError, match="abstract"):
        Loss()  # type: ignore[abstract]

    class Family(Policy):
        family: ClassVar[str] = "distillkit.test_family"

    class Member(Family):
        kind: Literal["member"] = "member"

    assert Family.from_dict({"kind": "member"}) == Member()
    assert Family.kinds() == ["member"]
    with pytest.raises(ConfigurationError, match=r"Family is a family: make one of its classes, or"):
        Family(kind="member")  # type: ignore[call-arg]


def test_families_do_not_share_kinds() -> None:
    """A transfer set cannot be named where a loss is asked for."""
    with pytest.raises(ConfigurationError, match="There is no Loss of kind 'full'"):
        Loss.from_dict({"kind": "full"})
    with pytest.raises(ConfigurationError, match=r"^terms\.a: A Loss is given as an object"):
        WeightedSum(terms={"a": Full()})  # type: ignore[dict-item]
