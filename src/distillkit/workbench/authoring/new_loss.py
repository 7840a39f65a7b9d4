"""The files that a new loss begins with: the class, its test, its page."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from string import Template

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss

_LONGEST = 30
"""Letters of a name, with which the lines that it is in keep to 88 columns."""

_LOSS = '''"""$title: a loss of distillkit."""

from __future__ import annotations

from typing import Literal

import torch
from distillkit.losses import Loss
from distillkit.typing import Labels, Outputs
from pydantic import Field
from torch import Tensor


class $cls(Loss):
    """Squared distance of the softened probabilities, times the temperature squared.

    T² · Σ (p − q)², summed over the classes, averaged over the batch. Write here
    what yours does, and put its maths in place of this.

    Reference:
        Authors, title, venue and year, equation.
    """

    kind: Literal["$name"] = "$name"
    temperature: float = Field(default=4.0, gt=0)
    """T > 0, by which both sides' logits are divided before the softmax."""

    def __call__(
        self,
        *,
        student: Outputs,
        teacher: Outputs | None,
        labels: Labels | None,
    ) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        p = self._softened(self.teacher_logits(teacher))
        q = self._softened(student.logits)
        return self.temperature**2 * (p - q).square().sum(dim=-1).mean()

    def _softened(self, logits: Tensor) -> Tensor:
        # 16 bits are too few for the maths of a loss
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return (wide / self.temperature).softmax(dim=-1)
'''

_TEST = '''"""$title against a loop in plain Python, and its promises."""

from __future__ import annotations

import math

import pytest
import torch
from distillkit.testing import check_loss
from distillkit.typing import Outputs

from $name import $cls


def softened(row: list[float], temperature: float) -> list[float]:
    """The softmax of a row at a temperature, without torch."""
    powers = [math.exp(value / temperature) for value in row]
    return [power / math.fsum(powers) for power in powers]


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_equals_a_loop(temperature: float) -> None:
    """The number itself, from the formula in the paper: change it with yours."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 6, 5, generator=generator, dtype=torch.float64)
    total = 0.0
    for z, v in zip(student.tolist(), teacher.tolist(), strict=True):
        for q, p in zip(
            softened(z, temperature), softened(v, temperature), strict=True
        ):
            total += temperature**2 * (p - q) ** 2
    loss = $cls(temperature=temperature)
    found = loss(
        student=Outputs(student),
        teacher=Outputs(teacher),
        labels=None,
    )
    assert found.item() == pytest.approx(total / 6, rel=1e-9)


def test_nothing_is_left_where_both_sides_agree() -> None:
    """Its least value; leave this out if yours has another."""
    logits = Outputs(torch.tensor([[3.0, -1.0, 0.5]]))
    loss = $cls(temperature=4)
    assert loss(student=logits, teacher=logits, labels=None).item() == 0


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_keeps_what_every_loss_promises(temperature: float) -> None:
    """Files, batches, classes, gradients, extreme logits: distillkit's own checks."""
    check_loss($cls(temperature=temperature))
'''

_PAGE = """# $title

What it does, in two sentences, and when it is worth trying.

T² · Σ (p − q)², summed over the classes, averaged over the batch, where p and q are
the teacher's and the student's probabilities at temperature T.

| field | meaning | default |
|---|---|---|
| `temperature` | T > 0, by which both sides' logits are divided | 4 |

In a run file:

```yaml
loss: {kind: $name, temperature: 4}
```

In Python:

```python
from $name import $cls

loss = $cls(temperature=4)
```

In a package, this line of `pyproject.toml` makes it known to `distillkit losses`, run
files and sweeps:

```toml
[project.entry-points."distillkit.losses"]
$name = "$name:$cls"
```

Reference: authors, title, venue and year, equation.
"""


def write_loss(name: str, folder: Path) -> list[Path]:
    """Write a loss that works, its test and its page, for a person to go on from; nothing is overwritten.

    Args:
        name: Its kind and its module: at most 30 small letters, digits and underscores.
        folder: Where the files go; made where it is not there.

    Returns:
        `NAME.py`, `test_NAME.py` and `NAME.md` there.

    Raises:
        ConfigurationError: No kind or module can have this name, or one of the files is there.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     [path.name for path in write_loss("sharper_targets", Path(folder))]
        ['sharper_targets.py', 'test_sharper_targets.py', 'sharper_targets.md']
    """
    plain = re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) and len(name) <= _LONGEST
    if not plain or keyword.iskeyword(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of a loss: at most {_LONGEST} small letters and digits, with "
            "underscores between words, as in sharper_targets."
        )
    texts = {f"{name}.py": _LOSS, f"test_{name}.py": _TEST, f"{name}.md": _PAGE}
    paths = [folder / file for file in texts]
    there = [path for path in paths if path.exists() or path.is_symlink()]
    if there:
        raise ConfigurationError(
            f"{', '.join(map(str, there))} {'is' if len(there) == 1 else 'are'} there, and nothing is "
            "overwritten: choose another name, or another folder by --out."
        )
    if name in Loss.kinds():
        raise ConfigurationError(f"There is a loss of kind {name!r} already: choose another name.")
    if importlib.util.find_spec(name) is not None:
        raise ConfigurationError(
            f"There is a module {name!r} already, which a file of that name would hide: choose another name."
        )
    words = name.split("_")
    settings = {
        "name": name,
        "cls": "".join(word.capitalize() for word in words),
        "title": " ".join(words).capitalize(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, texts.values(), strict=True):
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(Template(text).substitute(settings))
    return paths
