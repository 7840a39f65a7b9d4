"""The errors that distillkit raises on purpose, each with the exit code of the command line."""

from __future__ import annotations


class DistillkitError(Exception):
    """Something that distillkit can explain in one sentence: what was expected, what came, what to do."""

    exit_code = 1


class ConfigurationError(DistillkitError, ValueError):
    """A setting, an argument or a file that cannot be used as it is."""

    exit_code = 2


class DataUnavailableError(DistillkitError):
    """Data that could not be found, downloaded or trusted."""

    exit_code = 3


class DivergenceError(DistillkitError, ArithmeticError):
    """A training whose loss is no longer a finite number."""


class ExportError(DistillkitError):
    """An exported file that does not answer as the model does."""
