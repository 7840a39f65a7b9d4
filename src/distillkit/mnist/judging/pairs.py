"""Pairs of nets of one seed, compared test case by test case."""

from __future__ import annotations

from typing import Any

from distillkit.mnist.judging.evidence import Evidence, Result
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.workbench.statistics.many_tests import holm
from distillkit.workbench.statistics.summaries import mcnemar

PAIRS = (
    ("D800-T20", "D800-noKD"),
    ("D800-T20", "teacher"),
    ("D800-noKD", "teacher"),
    ("D800-T20-omit3", "D800-noKD-omit3"),
    ("D800-T20-omit3-bias-held-out", "D800-T20-omit3"),
    ("D800-T20-omit3-bias-held-out", "D800-noKD"),
    ("D800-T20-only78-bias-held-out", "D800-T20-only78"),
    ("D800-T20-training-60000", "D800-T20"),
    ("D800-T20-fonts-60000", "D800-T20"),
    ("ensemble-mean-probabilities", "ensemble-mean-logits"),
    ("D800-T20-of-mean-probabilities", "D800-T20-of-mean-logits"),
    ("D800-T20-of-mean-probabilities", "ensemble-mean-probabilities"),
    ("hard-weight/0.1", "hard-weight/0.5"),
    ("little-data/0.03-soft", "little-data/0.03-hard"),
    ("little-data/0.03-soft", "little-data/0.03-hard-stopped"),
    ("specialists/panel", "specialists/generalist"),
    ("specialists/panel", "specialists/trained_on"),
    ("specialists/from_panel", "specialists/from_generalist"),
)
"""Which nets are compared; fixed before there were runs."""


def compare_pairs(evidence: Evidence) -> list[dict[str, Any]]:
    """Exact McNemar tests of every pair on every seed, corrected by Holm for the seeds of the pair.

    Args:
        evidence: the runs, with their predictions.

    Returns:
        A mapping for each pair that has predictions of a common seed: which two, the seeds, the test cases
        that only the first or only the second gets wrong, and the corrected p-values, two-sided.
    """
    found = []
    for first, second in PAIRS:
        seeds, only_first, only_second, ps = [], [], [], []
        for seed, run in evidence.runs(first).items():
            if seed not in evidence.runs(second):
                continue
            counted = _case_by_case(evidence, run, evidence.runs(second)[seed])
            if counted is not None:
                seeds.append(seed)
                only_first.append(counted[0])
                only_second.append(counted[1])
                ps.append(counted[2])
        if seeds:
            found.append(
                {
                    "first": first,
                    "second": second,
                    "seeds": seeds,
                    "only_first_wrong": only_first,
                    "only_second_wrong": only_second,
                    "p": holm(ps),
                }
            )
    return found


def _case_by_case(evidence: Evidence, first: Result, second: Result) -> tuple[int, int, float] | None:
    wrong = evidence.wrong_cases(first, TEST_ERRORS), evidence.wrong_cases(second, TEST_ERRORS)
    if wrong[0] is None or wrong[1] is None:
        return None
    test = mcnemar(wrong[0], wrong[1])
    only_first, only_second = int((wrong[0] & ~wrong[1]).sum()), int((wrong[1] & ~wrong[0]).sum())
    return only_first, only_second, 1.0 if test.p is None else test.p
