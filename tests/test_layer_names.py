"""Names and patterns of layers."""

from __future__ import annotations

import pytest

from distillkit.layer_names import MEMBER_LOGITS, layers_like, no_such_layer

NAMES = ["stem", "layer1", "layer1.0", "layer1.0.conv", "layer2", "layer10", "head"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("stem", ["stem"]),
        ("layer*", ["layer1", "layer2", "layer10"]),
        ("layer?", ["layer1", "layer2"]),
        ("layer[12]", ["layer1", "layer2"]),
        ("layer1.*", ["layer1.0"]),
        ("*.0.conv", ["layer1.0.conv"]),
        ("*", ["stem", "layer1", "layer2", "layer10", "head"]),
        ("layer3", []),
        ("Layer1", []),
        ("x*", []),
    ],
)
def test_a_pattern_stands_for_something_between_two_dots(pattern, found):
    """In the order of the names, and upper case is another letter."""
    assert layers_like(pattern, NAMES) == found


def test_what_is_missing_is_explained():
    """Close matches, what ends so, or what there is."""
    assert "did you mean 'layer1'" in str(no_such_layer("Layer1", NAMES, "The student"))
    assert "'layer1.0.conv'" in str(no_such_layer("conv", NAMES, "The student"))
    assert "its layers are stem, layer1," in str(no_such_layer("zzz", NAMES, "The student"))
    many = [f"block{number}" for number in range(20)]
    assert "and 8 more" in str(no_such_layer("zzz", many, "The teacher"))
    assert "are none" in str(no_such_layer("zzz", [], "The teacher"))


def test_members_are_asked_of_an_ensemble_that_stands_alone() -> None:
    """What is around one is said to go around its members."""
    assert "pass Ensemble([...]" in str(no_such_layer(MEMBER_LOGITS, ["0", "1"], "The student"))
    within = str(no_such_layer(MEMBER_LOGITS, ["model", f"model.{MEMBER_LOGITS}"], "The teacher"))
    assert "put what is around the Ensemble around each member" in within
