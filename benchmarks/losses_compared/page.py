"""What the page shows of the lines: sentences and a table, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.losses_compared.runs import TEACHER
from benchmarks.losses_compared.verdicts import Found, verdicts

_HEAD = (
    "Loss", "Compared as", "Test errors", "Less those of hard labels", "p (Holm)", "Verdict",
    "Agrees with teacher", "CPU seconds",
)  # fmt: skip
_JOINED = str.maketrans({" ": "\N{NO-BREAK SPACE}"})
"""What a column of numbers must not break at."""


def results_in_words(lines: Sequence[Mapping[str, Any]]) -> str:
    """Where and how it was run, what came out in numbers, and the table.

    Args:
        lines: Of teachers and students, at least one of each.
    """
    students = [line for line in lines if line["name"] != TEACHER]
    return "\n\n".join([_setting(lines), _outcome(lines), _table(verdicts(students))])


def _setting(lines: Sequence[Mapping[str, Any]]) -> str:
    environments = {
        (one["cpu"], one["threads"], one["torch"], one["distillkit"])
        for one in (line["environment"] for line in lines)
    }
    machines = "; ".join(
        f"{cpu}, {threads} thread{'s' if threads > 1 else ''} a run, torch {torch}, distillkit {distillkit}"
        for cpu, threads, torch, distillkit in sorted(environments)
    )
    commands = ", ".join(f"`{one}`" for one in dict.fromkeys(line["command"] for line in lines))
    hours = sum(line["cpu_seconds"] for line in lines) / 3600
    return f"Made by {commands}. {machines}; {hours:.1f} hours of the processor for all {len(lines)} runs."


def _outcome(lines: Sequence[Mapping[str, Any]]) -> str:
    students = [line for line in lines if line["name"] != TEACHER]
    found = verdicts(students)
    count = Counter(one.verdict for one in found)
    seeds = {len(one.differences) for one in found}
    each = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
    teachers = [line["test_errors"] for line in lines if line["name"] == TEACHER]
    starts = [line["test_errors_before"] for line in students]
    learnt = sum(one.learnt for one in found)
    return (
        f"Seeds of each loss: {each}. The teachers make {_range(teachers)} errors on the "
        f"{students[0]['cases']:,} test cases, and students before they are trained {_range(starts)}. "
        f"{learnt} of {len(students)} students ended with fewer errors than they began with. Against hard "
        f"labels alone, {count['better']} losses are better, {count['worse']} worse, and of "
        f"{count['no difference shown']} no difference is shown."
    )


def _table(found: Sequence[Found]) -> str:
    most = max(one.errors.n for one in found)
    rows = [_HEAD, tuple("---" for _ in _HEAD), *(_row(one, most) for one in found)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(one: Found, seeds: int) -> tuple[str, ...]:
    is_baseline = one.verdict == "baseline"
    spread = "" if one.errors.sd is None else f" ± {one.errors.sd:.0f}"
    fewer = [f"n = {one.errors.n}"] if one.errors.n < seeds else []
    remarks = fewer + ([f"{one.diverged} diverged"] if one.diverged else [])
    interval = one.against.interval
    ends = "" if interval is None else f" ({interval[0]:+.0f} to {interval[1]:+.0f})".translate(_JOINED)
    return (
        f"`{one.name}`",
        told(one.loss),
        f"{one.errors.mean:.0f}{spread}".translate(_JOINED) + (f" ({', '.join(remarks)})" if remarks else ""),
        "" if is_baseline else f"{one.against.difference:+.0f}" + ends,
        "" if is_baseline else _p(one.p),
        f"**{one.verdict}**" if one.verdict in {"better", "worse"} else one.verdict,
        "–" if one.agreement is None else f"{100 * one.agreement:.1f} %",
        f"{one.cpu_seconds:.0f}",
    )


def told(loss: Mapping[str, Any]) -> str:
    """A loss in a few words: its terms with their weights and layers.

    Example:
        >>> from benchmarks.losses_compared.recipes import compared
        >>> told(compared(["sp"])["sp"].to_dict())
        '3000 · sp (stage3) + 1 · hard_labels'
    """
    if loss["kind"] == "weighted_sum":
        return " + ".join(
            f"{_weight(loss['weights'][name])} · {told(term)}" for name, term in loss["terms"].items()
        )
    layers = f" ({', '.join(loss['layers'])})" if "layers" in loss else ""
    inside = f" of {told(loss['loss'])}" if isinstance(loss.get("loss"), Mapping) else ""
    at = f" at T = {loss['temperature']:g}" if isinstance(loss.get("temperature"), float) else ""
    return f"{loss['kind']}{at}{layers}{inside}"


def _weight(weight: Any) -> str:
    return (
        f"{weight['kind'].replace('_', '-')} to {weight['end']:g}"
        if isinstance(weight, Mapping)
        else f"{weight:.4g}"
    )


def _p(p: float | None) -> str:
    return "–" if p is None else "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
