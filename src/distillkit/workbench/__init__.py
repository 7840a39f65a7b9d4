"""Tools around a training.

`runs` trains from a run file, `compare` sets two models side by side, `export` writes a student as a file,
`results` keeps lines and predictions on disk, `statistics` summarises a few seeds, `authoring` helps to write
losses and run files, `workers` runs tasks in processes.
"""

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
