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


class PromotionRefused(ModelError):
    """A version misses its gates, or was not shown to beat the champion on the same later data."""


class LeakageFound(FraudModelError):
    """Training was stopped because features give the label away.

    Attributes:
        report_markdown: What was looked at and what was found, for whoever has to mend the data.
    """

    def __init__(self, message: str, report_markdown: str) -> None:
        self.report_markdown = report_markdown
        super().__init__(message)
