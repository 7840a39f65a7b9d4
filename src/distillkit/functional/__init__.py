"""Pure tensor functions: the maths, without settings."""

from distillkit.functional.counter_random import random_integers as random_integers
from distillkit.functional.distillation_kl import distillation_kl as distillation_kl
from distillkit.functional.hard_label_cross_entropy import (
    hard_label_cross_entropy as hard_label_cross_entropy,
)
from distillkit.functional.logit_matching import logit_matching as logit_matching
