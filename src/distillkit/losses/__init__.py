"""Losses: what the student minimises."""

from distillkit.losses.base import Loss as Loss
from distillkit.losses.chunked_soft_targets import ChunkedSoftTargets as ChunkedSoftTargets
from distillkit.losses.corrected_teacher import CorrectedTeacher as CorrectedTeacher
from distillkit.losses.dist import DIST as DIST
from distillkit.losses.dkd import DKD as DKD
from distillkit.losses.feature_loss import FeatureLoss as FeatureLoss
from distillkit.losses.fitnet import FitNet as FitNet
from distillkit.losses.generalized_jsd import GeneralizedJSD as GeneralizedJSD
from distillkit.losses.hard_labels import HardLabels as HardLabels
from distillkit.losses.logit_matching import LogitMatching as LogitMatching
from distillkit.losses.mlkd import MLKD as MLKD
from distillkit.losses.nkd import NKD as NKD
from distillkit.losses.reverse_kl import ReverseKL as ReverseKL
from distillkit.losses.soft_targets import SoftTargets as SoftTargets
from distillkit.losses.standardized import Standardized as Standardized
from distillkit.losses.top_k_soft_targets import TopKSoftTargets as TopKSoftTargets
from distillkit.losses.weighted_sum import WeightedSum as WeightedSum
from distillkit.losses.weighted_sum import hinton as hinton
from distillkit.losses.wsld import WSLD as WSLD
