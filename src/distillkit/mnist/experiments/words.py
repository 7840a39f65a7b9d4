"""What the experiments ask, how they go about it and what they found, in plain words for the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distillkit.mnist.experiments.networks import STOPPED, errors_by_network
from distillkit.workbench.statistics.summaries import summarise

Lines = Sequence[Mapping[str, Any]]
"""Of one experiment in experiments.jsonl, one of each seed, seeds ascending."""
_LITTLE = "0.03"


@dataclass(frozen=True)
class Words:
    """What the report says of an experiment; every number of an answer is taken from the results."""

    question: str
    method: Callable[[Mapping[str, Any]], str]
    """Of the configuration of its results."""
    answer: Callable[[Lines], str]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Mean ± standard deviation over the seeds, the mean alone where there is one.

    Example:
        >>> spread([80, 84, 85]), spread([80]), spread([-2.003], 2)
        ('83.0 ± 2.6', '80', '−2.00')
    """
    summary = summarise(values)
    mean = round(summary.mean, digits) + 0.0  # no −0
    text = f"{mean:.{digits}f}".replace("-", "−")
    return text.removesuffix(".0") if summary.sd is None else f"{text} ± {summary.sd:.{digits}f}"


def _errors(lines: Lines, network: str) -> str:
    by_seed = [errors_by_network(str(line["name"]), line["found"]).get(network) for line in lines]
    counted = [float(errors) for errors in by_seed if errors is not None]
    return spread(counted) if counted else "–"


def _probed(config: Mapping[str, Any]) -> str:
    temperature, weight = config["student"]
    return (
        f"{config['cases']} test cases, in float64, at a student before its training and at one distilled "
        f"for {config['training']['epochs']} epochs (T = {temperature:g}, weight {weight:g} on the hard "
        "labels)"
    )


def _t_squared(lines: Lines) -> str:
    slopes = {
        kind: {
            name: spread([line["found"]["students"][name]["slope"][kind]["logits"] for line in lines], 2)
            for name in lines[0]["found"]["students"]
        }
        for kind in ("without_t_squared", "with_t_squared")
    }
    without, within = (_listed(by_student) for by_student in slopes.values())
    return (
        "From T = 100 on, the length of the gradient with respect to a case's logits changes as a power of "
        f"T. Without the factor that power is {without} (−2 is exactly 1/T²); with it, {within} (0: the "
        "weight of the soft targets no longer depends on T)."
    )


def _hard_weight(lines: Lines) -> str:
    weights = lines[0]["found"]["weights"]
    means = [
        sum(line["found"]["test_errors"][place] for line in lines) / len(lines)
        for place in range(len(weights))
    ]
    best = weights[min(range(len(weights)), key=means.__getitem__)]
    return (
        f"Soft targets alone end at {_errors(lines, '0')} test errors, hard labels alone at "
        f"{_errors(lines, '1')}; a tenth of the hard labels gives {_errors(lines, '0.1')}, a half "
        f"{_errors(lines, '0.5')}. The fewest, {_errors(lines, f'{best:g}')}, are at a weight of {best:g}: "
        "this one was **read off the test set**, and no claim rests on it."
    )


def _logit_matching(lines: Lines) -> str:
    temperatures = lines[0]["found"]["temperatures"]

    def away(name: str, temperature: float) -> str:
        place = temperatures.index(temperature)
        found = [line["found"]["students"][name]["centred"]["logits"]["relative_l2"][place] for line in lines]
        return f"{spread([100 * one for one in found])} % at T = {temperature:g}"

    names = list(lines[0]["found"]["students"])
    each = [
        f"at the {name} student the two gradients are {away(name, 20)}, {away(name, 100)} and "
        f"{away(name, 1000)} apart"
        for name in names
    ]
    floors = _listed(
        {
            name: f"{spread([100 * line['found']['students'][name]['floor'] for line in lines])} %"
            for name in names
        }
    )
    return (
        f"With the logits centred case by case, {'; '.join(each)}. As the logits are, a "
        f"distance of {floors} stays at any temperature: the part along (1, …, 1), which no softmax sees."
    )


def _students(lines: Lines) -> str:
    def others(name: str) -> str:
        return spread(
            [line["found"]["cases"] * (1 - line["found"]["students"][name]["agreement"]) for line in lines]
        )

    hot = [name for name in lines[0]["found"]["students"] if name.startswith("T=")]
    return (
        f"Of {lines[0]['found']['cases']:,} test cases, the student of {hot[0]} puts {others(hot[0])} into "
        f"another class than the one that matches centred logits, the student of {hot[-1]} "
        f"{others(hot[-1])}. Chance alone, another seed of the same loss, makes {others('twin')} differ, and "
        f"matching the logits as they are {others('uncentred')}. Test errors: matching "
        f"{_errors(lines, 'matching')}, {hot[0]} {_errors(lines, hot[0])}, {hot[-1]} "
        f"{_errors(lines, hot[-1])}."
    )


def _little_data(lines: Lines) -> str:
    hard, soft = f"{_LITTLE}-hard", f"{_LITTLE}-soft"
    cases = next(one["cases"] for one in lines[0]["found"]["students"] if f"{one['fraction']:g}" == _LITTLE)

    def kept(network: str) -> str:
        by_seed = [
            (errors_by_network("little-data", line["found"]), line["found"]["cases"]) for line in lines
        ]
        shares = [
            100 * (1 - errors[network] / all_cases) / (1 - errors["1-hard"] / all_cases)
            for errors, all_cases in by_seed
            if network in errors and "1-hard" in errors
        ]
        return f"{spread(shares)} %" if shares else "–"

    return (
        f"With 3 % of the cases ({cases:,}), hard labels end at {_errors(lines, hard)} test errors, or "
        f"{_errors(lines, hard + STOPPED)} where held-out cases say when to stop; soft targets end at "
        f"{_errors(lines, soft)}, and stopping them early gives {_errors(lines, soft + STOPPED)}. Of the "
        f"accuracy of hard labels on all cases ({_errors(lines, '1-hard')} errors), that is {kept(hard)} "
        f"with hard labels and {kept(soft)} with soft targets."
    )


def _specialists(lines: Lines) -> str:
    groups = "; ".join(
        "{" + ", ".join(map(str, group["classes"])) + "}" for group in lines[0]["found"]["groups"]
    )
    return (
        f"The classes that seed {lines[0]['seed']} finds confusable: {groups or 'none'}. The generalist "
        f"alone makes {_errors(lines, 'generalist')} test errors, with its specialists "
        f"{_errors(lines, 'panel')} ({_errors(lines, 'uncorrected')} where their dustbins are not "
        "corrected). The fair comparison: trained on for as many passes, the generalist alone makes "
        f"{_errors(lines, 'trained_on')}. One net distilled from all of them makes "
        f"{_errors(lines, 'from_panel')}, one distilled from the generalist alone "
        f"{_errors(lines, 'from_generalist')}."
    )


def _dark_knowledge(lines: Lines) -> str:
    found = lines[0]["found"]
    first, second = found["lookalikes"]
    one, other = (likest[0]["soft_targets"][0] if likest else None for likest in found["versions"])
    if one is None or other is None:
        return f"The teacher gets no {found['digit']} right."
    return (
        f"The {found['digit']} that looks most like a {first} has, at T = {found['temperatures'][0]:g}, a "
        f"probability of {one[first]:.1g} of being a {first} and of {one[second]:.1g} of being a {second}; "
        f"the one most like a {second}, {other[first]:.1g} and {other[second]:.1g}. These differences are "
        "what a student learns beside the right answer, and a temperature makes them large enough to be "
        f"learnt (seed {lines[0]['seed']})."
    )


def _listed(by_name: Mapping[str, str]) -> str:
    return ", ".join(f"{value} ({name})" for name, value in by_name.items())


def _passes(config: Mapping[str, Any]) -> str:
    return f"{config['training']['epochs']} epochs"


WORDS: Mapping[str, Words] = {
    "t-squared": Words(
        "At a high temperature, soft targets give small gradients. How small, and does a factor of T² make "
        "up for it?",
        lambda config: (
            f"The gradient of the soft targets is looked at, with T² and without, on {_probed(config)}."
        ),
        _t_squared,
    ),
    "hard-weight": Words(
        "How much should the true labels count beside the soft targets?",
        lambda config: (
            f"A student for each weight of the hard labels, T = {config['temperature']:g}, "
            f"{_passes(config)}, from the same initial values and in the same order."
        ),
        _hard_weight,
    ),
    "logit-matching": Words(
        "Is matching the teacher's logits what soft targets become at a high temperature?",
        lambda config: (
            "T² times the gradient of the soft targets is held against that of half the squared "
            f"difference of the logits, on {_probed(config)}."
        ),
        _logit_matching,
    ),
    "logit-matching-students": Words(
        "And do the students become the same?",
        lambda config: (
            f"Students of soft targets alone at several T, {_passes(config)}, and one that matches the "
            "centred logits; all from the same initial values and in the same order."
        ),
        _students,
    ),
    "little-data": Words(
        "Can soft targets stand in for data?",
        lambda config: (
            "Two students of each share of the training cases, one of hard labels and one of soft "
            f"targets (T = {config['temperature']:g}, weight {config['hard_label_weight']:g} on the hard "
            f"labels); each makes as many updates as {_passes(config)} over all cases."
        ),
        _little_data,
    ),
    "specialists": Words(
        "Do specialists for the classes that a generalist confuses mend its errors, and can one net learn "
        "from all of them?",
        lambda config: (
            f"A generalist of {config['network']['hidden_units'][0]} units a layer; specialists begin "
            f"as copies of it, the other classes in one dustbin, and are trained for {_passes(config)}, half "
            "of their cases special ones. All are asked together by the q that minimises the sum of the KL "
            "divergences."
        ),
        _specialists,
    ),
    "dark-knowledge": Words(
        "What does a teacher know beyond the right answer?",
        lambda config: (
            "The teacher's probabilities for test digits that it gets right, at "
            f"T = {', '.join(f'{each:g}' for each in config['temperatures'])}."
        ),
        _dark_knowledge,
    ),
}
"""By the names of the experiments."""
