"""What every experiment needs: results on disk, the environment, statistics."""

from distillkit.experiments.atomic import write_atomically as write_atomically
from distillkit.experiments.environment import SettledPrecision as SettledPrecision
from distillkit.experiments.environment import environment as environment
from distillkit.experiments.environment import resolve_device as resolve_device
from distillkit.experiments.environment import settle_precision as settle_precision
from distillkit.experiments.store import SETTINGS as SETTINGS
from distillkit.experiments.store import ResultStore as ResultStore
from distillkit.experiments.store import config_id as config_id
from distillkit.experiments.store import read_experiments as read_experiments
from distillkit.experiments.store import read_results as read_results
from distillkit.experiments.store import read_settings as read_settings
