"""The public names are the intended ones, and each says what it is."""

from __future__ import annotations

import inspect
from importlib import import_module
from types import ModuleType

import pytest

import distillkit
from distillkit.losses import Loss
from distillkit.policy import Policy

INTENDED = {
    "distillkit": [
        "Callback", "Distiller", "Ensemble", "Evaluation", "MaxNorm", "MeanTeacher", "TeacherCache",
        "Translated",
        "Watched", "fit_in_turn", "fit_mutually", "fit_together",
        "errors", "functional", "losses", "metrics", "schedules", "transfer_sets", "typing",
    ],
    "distillkit.errors": [
        "ConfigurationError", "DataUnavailableError", "DistillkitError", "DivergenceError", "ExportError",
    ],
    "distillkit.functional": [
        "attention_distance", "best_member", "channel_correlation_distance", "chunked_kl",
        "correlation_distance", "decoupled_kl", "distillation_kl", "flow_distance", "gaussian_likelihood",
        "generalized_jsd", "hard_label_cross_entropy", "hierarchical_distance", "hint_regression",
        "logit_matching", "margin_distance", "multi_level_kd", "neighbour_divergence", "next_token_labels",
        "noise_contrastive", "normalized_kd", "random_integers", "relation_distance", "relational_angle",
        "relational_distance", "reverse_gradient", "reverse_kl", "selectivity_distance",
        "similarity_distance", "standardize_logits", "swap_wrong_predictions",
        "target_enhanced_cross_entropy", "top_k_kl", "virtual_teacher", "weighted_soft_labels",
    ],
    "distillkit.losses": ["DistanceLoss", "FeatureLoss", "Loss", "Needs", "hinton"],
    "distillkit.metrics": [
        "CalibrationBin", "Evaluation", "calibration_bins", "errors_by_class", "evaluate_logits",
        "expected_calibration_error", "negative_log_likelihood", "never_predicted", "shared_errors",
        "teacher_agreement", "teacher_kl", "test_errors",
    ],
    "distillkit.schedules": ["Cosine", "Linear", "Schedule", "WarmUp"],
    "distillkit.testing": [
        "adds_up", "can_be_learnt", "check_loss", "checks_for", "examples_of", "explains_other_shapes",
        "explains_vectors_and_tokens", "has_the_gradient_of_its_value", "ignores_autocast",
        "ignores_the_batch_size", "ignores_the_order_of_classes", "ignores_the_order_of_examples",
        "is_0_for_equal_layers", "is_0_for_one_class", "is_close_in_bfloat16",
        "is_finite_for_equal_examples", "is_finite_for_extreme_features", "is_finite_for_extreme_logits",
        "leads_to_the_teachers_answer", "leaves_its_inputs_alone", "refuses_other_examples",
        "survives_files", "takes_tokens",
    ],
    "distillkit.transfer_sets": [
        "Chain", "Fraction", "Full", "Jitter", "OmitClasses", "OnlyClasses", "TransferSet", "Unlabelled",
    ],
    "distillkit.typing": ["Batch", "Examples", "Labels", "Logits", "LossFn", "Outputs"],
}  # fmt: skip

SHOWN_BY_EXAMPLE = [
    "distillkit.functional",
    "distillkit.losses",
    "distillkit.schedules",
    "distillkit.transfer_sets",
]


def public(module: str) -> dict[str, object]:
    """What a module offers: what it lists, or what it defines or exports under a name without underscore."""
    found = import_module(module)
    if hasattr(found, "__all__"):
        return {name: getattr(found, name) for name in found.__all__}
    return {
        name: item
        for name, item in vars(found).items()
        if not name.startswith("_")
        and not isinstance(item, ModuleType)
        and (
            getattr(item, "__module__", "").startswith(module)
            or (isinstance(item, str) and name in vars(found).get("__annotations__", {}))
        )
    }


def with_a_kind() -> list[str]:
    """The losses that are built in: who gives one a kind means it to be public."""
    built_in = (Loss.kind_class(kind) for kind in Loss.kinds() if kind not in Loss.plugins())
    return [loss.__name__ for loss in built_in if loss.__module__.startswith("distillkit.")]


@pytest.mark.parametrize("module", INTENDED)
def test_public_names_are_the_intended_ones(module: str) -> None:
    """A name is public because somebody meant it: a new one, or one gone, is written down here."""
    more = with_a_kind() if module == "distillkit.losses" else []
    assert sorted(public(module)) == sorted([*INTENDED[module], *more])


def test_star_gives_the_public_names() -> None:
    """`from distillkit import *` gives what `__all__` lists, each once."""
    assert len(set(distillkit.__all__)) == len(distillkit.__all__)
    names: dict[str, object] = {}
    exec("from distillkit import *", names)
    assert set(names) - {"__builtins__"} == set(distillkit.__all__)


@pytest.mark.parametrize("module", INTENDED)
def test_every_public_name_says_what_it_is(module: str) -> None:
    """Modules, classes, functions and their public methods have docstrings that begin with one line."""
    assert import_module(module).__doc__
    for name, item in public(module).items():
        if not (inspect.isclass(item) or inspect.isroutine(item) or isinstance(item, ModuleType)):
            continue
        parts = {name: item}
        if inspect.isclass(item):
            for key, value in vars(item).items():
                if not key.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
                    parts[f"{name}.{key}"] = value
        for part, thing in parts.items():
            text = inspect.getdoc(thing)
            assert text, f"{module}.{part} has no docstring"
            first, _, rest = text.partition("\n")
            alone = first.endswith(".") and (not rest or rest.startswith("\n"))
            assert alone, f"{module}.{part}: the first line is no sentence of its own: {first!r}"


@pytest.mark.parametrize("module", SHOWN_BY_EXAMPLE)
def test_every_policy_and_function_has_an_example(module: str) -> None:
    """The docstring of each ends in an example that runs with the tests."""
    for name, item in public(module).items():
        assert ">>> " in (inspect.getdoc(item) or ""), f"{module}.{name} has no example"


@pytest.mark.parametrize("module", ["distillkit.losses", "distillkit.schedules", "distillkit.transfer_sets"])
def test_every_setting_is_described(module: str) -> None:
    """Each field of a policy has its description, which the docs and the list of policies show."""
    for name, item in public(module).items():
        if isinstance(item, type) and issubclass(item, Policy):
            for field, info in item.model_fields.items():
                assert field == "kind" or info.description, f"{name}.{field} has no description"
