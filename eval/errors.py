"""Errors of the measurements. Each message names the file, line, column or setting, and the fix."""


class EvalError(Exception):
    """Base of every error that this package raises on purpose."""


class EvalInputError(EvalError):
    """The caller's input is wrong: a question file, a table, a column or a setting."""


class TrackingError(EvalError):
    """A run could not be written to MLflow."""
