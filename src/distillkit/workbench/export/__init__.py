"""A trained model as a file that stands alone."""

from distillkit.workbench.export.publishing import Exported as Exported
from distillkit.workbench.export.publishing import export_model as export_model
