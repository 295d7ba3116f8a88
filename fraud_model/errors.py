"""Errors of the fraud model. Each message names the file, row, column or setting, and the fix."""


class FraudModelError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(FraudModelError):
    """The caller's input is wrong: a file, a row, a column or a setting."""


class SchemaError(InputError):
    """A schema cannot be found or read, or contradicts itself."""


class DataError(InputError):
    """Transactions cannot be read, or do not fit their schema."""


class ModelError(FraudModelError):
    """A model is absent, damaged, or was trained on other feature definitions."""
