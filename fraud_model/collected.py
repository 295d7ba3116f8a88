"""The keys of a whole source, read chunk by chunk: what the window features of any of its rows may depend on.

About 40 bytes a row stay in memory, so that ten million payments take less than half a gigabyte.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fraud_model.data import Chunk, iter_transactions
from fraud_model.entities import Array, Codes, Keys, amounts_of, codes_of, labels_of
from fraud_model.features import FeatureTable
from fraud_model.progress import Progress, ProgressCallback
from fraud_model.schema import TransactionSchema
from fraud_model.sources import open_source


def feature_table(
    source: Path, history: Path | None, schema: TransactionSchema, chunk_rows: int, progress: ProgressCallback | None
) -> tuple[FeatureTable, int]:
    """The keys of history and source, sorted for the features, and how many rows are the source's.

    Args:
        source: A file or folder; its rows come last.
        history: Earlier transactions of the same schema.
        schema: Which column is what.
        chunk_rows: Rows at a time.
        progress: Told after each chunk.

    Raises:
        DataError: a file cannot be read or does not fit the schema.
    """
    earlier = _Collected(schema)
    if history is not None:
        earlier.read(history, chunk_rows, progress)
    now = _Collected(schema)
    now.read(source, chunk_rows, progress)
    parts = [earlier, now] if earlier.rows else [now]
    keys = Keys(
        times=np.concatenate([times for part in parts for times in part.times]),
        ticks=1,
        payers=_codes([part.payers for part in parts]),
        payees=_codes([part.payees for part in parts]),
        amounts=np.concatenate([amounts for part in parts for amounts in part.amounts]),
        labels=np.concatenate([labels for part in parts for labels in part.labels]),
    )
    return FeatureTable(keys, schema), now.rows


def _key_columns(path: Path, schema: TransactionSchema) -> list[str]:
    keys = [schema.time, schema.payer, schema.payee, schema.amount]
    if schema.label is not None and all(schema.label in file.columns for file in open_source(path)):
        keys.append(schema.label)
    return keys


class _Accounts:
    """Account ids of many chunks: whole numbers as they are, text as 64-bit hashes.

    Two of ten million texts share a hash with a chance of three in a million; in memory a hash is a tenth of a text.
    """

    def __init__(self) -> None:
        self.numbers: list[Array] = []
        self.hashes: list[Array] = []
        self.missing: list[Array] = []

    def add(self, column: "pd.Series[Any]") -> None:
        self.missing.append(column.isna().to_numpy())
        if pd.api.types.is_integer_dtype(column) and not column.hasnans:
            self.numbers.append(column.to_numpy(np.int64))
        else:
            self.hashes.append(_hashed(column.astype("string").fillna("").to_numpy(object)))

    def as_hashes(self) -> list[Array]:
        return self.hashes or [_hashed(numbers.astype(str).astype(object)) for numbers in self.numbers]


class _Collected:
    """The keys of one source."""

    def __init__(self, schema: TransactionSchema) -> None:
        self.schema = schema
        self.rows = 0
        self.times: list[Array] = []
        self.amounts: list[Array] = []
        self.labels: list[Array] = []
        self.payers = _Accounts()
        self.payees = _Accounts()

    def read(self, path: Path, chunk_rows: int, progress: ProgressCallback | None) -> None:
        chunks: Iterator[Chunk] = iter_transactions(path, self.schema, chunk_rows, _key_columns(path, self.schema))
        for chunk in chunks:
            frame = chunk.frame
            self.times.append(self.schema.times(frame))
            self.amounts.append(amounts_of(frame, self.schema))
            self.labels.append(labels_of(frame, self.schema))
            self.payers.add(frame[self.schema.payer])
            self.payees.add(frame[self.schema.payee])
            self.rows += len(frame)
            if progress is not None:
                progress(Progress("reading", self.rows, None))


def _codes(parts: Sequence[_Accounts]) -> Codes:
    texts = any(part.hashes for part in parts)
    arrays = [array for part in parts for array in (part.as_hashes() if texts else part.numbers)]
    codes = codes_of([pd.Series(np.concatenate(arrays))])
    missing = np.flatnonzero(np.concatenate([mask for part in parts for mask in part.missing]))
    if not missing.size:
        return codes
    values = codes.values - codes.low  # an unknown account has no history: each such row is an entity of its own
    values[missing] = codes.count + np.arange(missing.size)
    return Codes(values, 0, codes.count + int(missing.size))


def _hashed(texts: Array) -> Array:
    return pd.util.hash_array(texts, categorize=False)
