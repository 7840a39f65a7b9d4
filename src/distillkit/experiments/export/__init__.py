"""A trained model as a file that stands alone."""

from distillkit.experiments.export.publishing import Exported as Exported
from distillkit.experiments.export.publishing import export_model as export_model
