"""Transfer sets: what the student learns from."""

from distillkit.transfer_sets.base import TransferSet as TransferSet
from distillkit.transfer_sets.chain import Chain as Chain
from distillkit.transfer_sets.classes import OmitClasses as OmitClasses
from distillkit.transfer_sets.classes import OnlyClasses as OnlyClasses
from distillkit.transfer_sets.fraction import Fraction as Fraction
from distillkit.transfer_sets.full import Full as Full
from distillkit.transfer_sets.jitter import Jitter as Jitter
from distillkit.transfer_sets.unlabelled import Unlabelled as Unlabelled
