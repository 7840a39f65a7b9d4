"""Whether a teacher's outputs are kept: the setting `teacher_cache`, which is read nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from distillkit.engine.arguments import one_of
from distillkit.engine.callbacks import Callback
from distillkit.engine.data.sources import Source
from distillkit.engine.forward.capture import Capture
from distillkit.engine.teacher.cache import TeacherCache
from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import TransferSet

TeacherCacheMode = Literal["auto", "on", "off"]

MOST_BYTES = 4 * 2**30
"""More is kept only when asked: the logits of a language model over its vocabulary would fill any memory."""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Decides whether a teacher's outputs are computed once and kept, or computed for each batch.

    Attributes:
        mode: `auto` keeps them where that is known to be right, `on` also for a data set that the caller
            vouches for, `off` never.
        shared: The cache of several Distillers, if there is one; the mode is `auto` then.
    """

    mode: TeacherCacheMode
    shared: TeacherCache | None = None

    @classmethod
    def of(cls, teacher_cache: TeacherCacheMode | TeacherCache, callbacks: Iterable[Callback]) -> CachePolicy:
        """Return the policy of a setting; `off` where a callback changes the teacher during the training.

        Raises:
            ConfigurationError: There is no such mode; or outputs of a teacher that changes would be kept.
        """
        if isinstance(teacher_cache, TeacherCache):
            policy = cls("auto", teacher_cache)
        else:
            one_of("teacher_cache", teacher_cache, get_args(TeacherCacheMode))
            policy = cls(teacher_cache)
        if not any(one.changes_teacher for one in callbacks):
            return policy
        if policy.mode == "on" or policy.shared is not None:
            raise ConfigurationError(
                "A callback changes the teacher during the training, so kept outputs would be out of date "
                "after one step: use teacher_cache='auto' or 'off', with which the teacher runs live."
            )
        return cls("off")

    def refuse_unsound(self, source: Source, transfer_set: TransferSet, capture: Capture | None) -> None:
        """Refuse `on` where kept outputs could belong to another view or to no example, or lack layers.

        Raises:
            ConfigurationError: They could; the sentence says why.
        """
        if self.mode != "on":
            return
        if capture is not None:
            raise ConfigurationError(
                "teacher_cache='on' keeps a teacher's logits, and this loss uses its layers too: use "
                "teacher_cache='auto', which keeps the layers' outputs where they are small, or 'off'."
            )
        if not transfer_set.same_view:
            raise ConfigurationError(
                f"{type(transfer_set).__name__} shows an example differently each time, so kept outputs of "
                "the teacher would belong to another view: use teacher_cache='auto' or 'off'."
            )
        if source.size is None:
            raise ConfigurationError(
                "teacher_cache='on' needs data whose examples have numbers: pass tensors or a Dataset, not a "
                "stream of batches."
            )

    def keeps(self, source: Source, transfer_set: TransferSet) -> bool:
        """Whether outputs are kept for these data in this view."""
        if self.mode == "off" or source.size is None or not transfer_set.same_view:
            return False
        return source.unchanging or self.mode == "on"

    def has_room(self, size: int) -> bool:
        """Whether outputs of so many bytes may be kept."""
        return self.mode == "on" or size <= MOST_BYTES
