"""The validation rows in parts: by each categorical column, and by bands of the amount, the same in every run."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fraud_model.metrics import Array, average_precision
from fraud_model.schema import TransactionSchema

AMOUNT_BAND = "amount band"
_MOST_VALUES = 30
_BAND_EDGES = (0, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


@dataclass(frozen=True)
class Slice:
    """One part of the validation rows.

    Attributes:
        by: A categorical column, or `amount band`.
        name: The value, or the band with its currency.
        key: Stable name for metrics, such as `by_type/TRANSFER`.
        mask: Its rows, shape (rows,).
    """

    by: str
    name: str
    key: str
    mask: Array


@dataclass(frozen=True)
class SliceRow:
    """Figures of one part of the validation rows, at the model's threshold; NaN where there is nothing to divide by."""

    by: str
    name: str
    key: str
    payments: int
    frauds: int
    precision: float
    recall: float
    average_precision: float

    def metrics(self) -> dict[str, float]:
        """Metrics under stable names, such as `by_type/TRANSFER/recall`."""
        found = {
            "payments": float(self.payments),
            "frauds": float(self.frauds),
            "precision": self.precision,
            "recall": self.recall,
            "average_precision": self.average_precision,
        }
        return {f"{self.key}/{name}": value for name, value in found.items() if np.isfinite(value)}


def slices_of(rows: pd.DataFrame, amounts: Array, schema: TransactionSchema) -> list[Slice]:
    """The parts, those of one column together; of a column with very many values only the most frequent.

    Args:
        rows: Transactions.
        amounts: In currency units, shape (rows,).
        schema: For its categorical columns and its currency.
    """
    found = []
    for column in schema.categorical:
        values = rows[column].astype(str).to_numpy(object)
        for value in pd.Series(values).value_counts().index[:_MOST_VALUES]:
            found.append(Slice(column, str(value), _key(column, str(value)), values == value))
    bands = np.where(np.isnan(amounts), -1, np.searchsorted(_BAND_EDGES, amounts, side="right") - 1)
    for band in np.unique(bands[bands >= 0]):
        low = _BAND_EDGES[band]
        high = _BAND_EDGES[band + 1] if band + 1 < len(_BAND_EDGES) else None
        name = f"{low:,} to {high:,} {schema.currency}" if high else f"{low:,} {schema.currency} and more"
        key = _key("amount", f"{low}_to_{high}" if high else f"{low}_and_more")
        found.append(Slice(AMOUNT_BAND, name, key, bands == band))
    return found


def slice_rows(slices: list[Slice], labels: Array, probabilities: Array, threshold: float) -> list[SliceRow]:
    """The figures of each part.

    Args:
        slices: From `slices_of`.
        labels: 1 fraud, 0 legitimate, shape (rows,).
        probabilities: Shape (rows,).
        threshold: Least probability of an alert.
    """
    rows = []
    for part in slices:
        fraud, alert = labels[part.mask] == 1, probabilities[part.mask] >= threshold
        caught = float((fraud & alert).sum())
        rows.append(
            SliceRow(
                by=part.by,
                name=part.name,
                key=part.key,
                payments=int(part.mask.sum()),
                frauds=int(fraud.sum()),
                precision=caught / alert.sum() if alert.any() else float("nan"),
                recall=caught / fraud.sum() if fraud.any() else float("nan"),
                average_precision=average_precision(labels[part.mask], probabilities[part.mask]),
            )
        )
    return rows


def _key(by: str, name: str) -> str:
    """A metric's name as MLflow allows it."""
    plain = (re.sub(r"[^0-9A-Za-z_. -]", "_", text) for text in (by, name))
    return "by_{}/{}".format(*plain)[:150]
