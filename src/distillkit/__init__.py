"""Knowledge distillation for any PyTorch teacher and student.

Names are imported when they are first used, so that `import distillkit` and the command line start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distillkit import errors as errors
    from distillkit import functional as functional
    from distillkit import losses as losses
    from distillkit import metrics as metrics
    from distillkit import schedules as schedules
    from distillkit import transfer_sets as transfer_sets
    from distillkit import typing as typing
    from distillkit.engine.callbacks import Callback as Callback
    from distillkit.engine.callbacks import MaxNorm as MaxNorm
    from distillkit.engine.callbacks import Watched as Watched
    from distillkit.engine.distiller import Distiller as Distiller
    from distillkit.engine.stack import fit_together as fit_together
    from distillkit.engine.teacher.cache import TeacherCache as TeacherCache
    from distillkit.ensemble import Ensemble as Ensemble
    from distillkit.methods.in_turn import fit_in_turn as fit_in_turn
    from distillkit.methods.mean_teacher import MeanTeacher as MeanTeacher
    from distillkit.methods.mutual import fit_mutually as fit_mutually
    from distillkit.metrics import Evaluation as Evaluation
    from distillkit.translated import Translated as Translated

_WHERE = {
    "Callback": "distillkit.engine.callbacks",
    "Distiller": "distillkit.engine.distiller",
    "Ensemble": "distillkit.ensemble",
    "Evaluation": "distillkit.metrics",
    "MaxNorm": "distillkit.engine.callbacks",
    "MeanTeacher": "distillkit.methods.mean_teacher",
    "TeacherCache": "distillkit.engine.teacher.cache",
    "Translated": "distillkit.translated",
    "Watched": "distillkit.engine.callbacks",
    "fit_in_turn": "distillkit.methods.in_turn",
    "fit_mutually": "distillkit.methods.mutual",
    "fit_together": "distillkit.engine.stack",
}
_MODULES = ("errors", "functional", "losses", "metrics", "schedules", "transfer_sets", "typing")

__all__ = [*sorted(_WHERE), *_MODULES]  # noqa: PLE0604 - all are strings


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name in _MODULES:
        return import_module(f"distillkit.{name}")
    if name == "__version__":
        # imported here for a quick start
        from importlib.metadata import version

        return version("distillkit")
    raise AttributeError(f"module 'distillkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
