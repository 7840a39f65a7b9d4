"""What every experiment needs: results on disk, the environment, statistics."""

from distillkit.workbench.results.atomic import write_atomically as write_atomically
from distillkit.workbench.results.environment import SettledPrecision as SettledPrecision
from distillkit.workbench.results.environment import environment as environment
from distillkit.workbench.results.environment import resolve_device as resolve_device
from distillkit.workbench.results.environment import settle_precision as settle_precision
from distillkit.workbench.results.store import SETTINGS as SETTINGS
from distillkit.workbench.results.store import ResultStore as ResultStore
from distillkit.workbench.results.store import config_id as config_id
from distillkit.workbench.results.store import read_experiments as read_experiments
from distillkit.workbench.results.store import read_results as read_results
from distillkit.workbench.results.store import read_settings as read_settings
