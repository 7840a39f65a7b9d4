"""Several students of one architecture trained as one model."""

from distillkit.engine.stack.together import fit_together as fit_together
