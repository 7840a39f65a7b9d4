"""Losses: what the student minimises."""

from distillkit.losses.base import Loss as Loss
from distillkit.losses.hard_labels import HardLabels as HardLabels
from distillkit.losses.logit_matching import LogitMatching as LogitMatching
from distillkit.losses.soft_targets import SoftTargets as SoftTargets
from distillkit.losses.weighted_sum import WeightedSum as WeightedSum
from distillkit.losses.weighted_sum import hinton as hinton
