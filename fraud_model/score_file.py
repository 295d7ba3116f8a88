"""Score a file in bounded memory: once over the keys of all rows, once over the rows chunk by chunk.

Every row's history may lie anywhere in the file, so the first pass reads time, payer, payee, amount and label of all
rows (about 25 bytes a row). The second computes features, probabilities and reasons of one chunk at a time. The
result does not depend on the chunk size. Finished chunks are kept beside the result until it is whole, so the same
call after a kill goes on where it ended.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fraud_model.data import Chunk, TableWriter, iter_transactions
from fraud_model.entities import Array, Codes, Keys, amounts_of, codes_of, labels_of
from fraud_model.errors import DataError
from fraud_model.features import FeatureTable, row_columns
from fraud_model.parts import identity_of, parts_of
from fraud_model.progress import Progress, ProgressCallback
from fraud_model.schema import TransactionSchema

if TYPE_CHECKING:
    from fraud_model.scorer import Scorer


@dataclass(frozen=True)
class ScoreSummary:
    """What scoring a file did.

    Attributes:
        out: The file written.
        rows: Rows scored.
        alerts: Rows at or above the threshold.
        threshold: Least probability of an alert, in [0, 1].
        model_version: Registered version.
        seconds: Time taken.
    """

    out: str
    rows: int
    alerts: int
    threshold: float
    model_version: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    def to_text(self) -> str:
        """One line for people."""
        return (
            f"{self.rows:,} transactions scored by version {self.model_version} in {self.seconds:.1f} s, "
            f"{self.alerts:,} alerts: {self.out}"
        )


def score_file(
    scorer: "Scorer",
    source: Path,
    out: Path,
    history: Path | None,
    reasons: int,
    chunk_rows: int,
    progress: ProgressCallback | None = None,
) -> ScoreSummary:
    """Score a CSV or Parquet file, or a folder of them.

    Args:
        scorer: The model.
        source: What to score.
        out: .parquet or .csv; appears only when complete.
        history: Earlier transactions of the same schema, not scored.
        reasons: Reasons for each alert.
        chunk_rows: Rows at a time.
        progress: Told after each chunk.

    Raises:
        DataError: a file cannot be read or does not fit the schema, or the result cannot be written.
    """
    started = time.monotonic()
    schema = scorer.schema
    TableWriter(out)  # refuses a name that it cannot write before any work is done
    if out.is_dir():
        raise DataError(f"{out}: this is a folder; give the name of a file")
    job = {
        "source": identity_of(source),
        "history": identity_of(history) if history is not None else None,
        "model": [scorer.model_version, scorer.digest, scorer.threshold],
        "reasons": reasons,
        "chunk_rows": chunk_rows,
    }
    with parts_of(out, job) as parts:
        table, rows = _read_table(source, history, schema, chunk_rows, progress)
        first = len(table) - rows
        done, alerts, count = 0, 0, 0
        for chunk in iter_transactions(source, schema, chunk_rows, _score_columns(schema)):
            last = done + len(chunk.frame)
            scores = parts.read(count)
            if scores is None:
                own = row_columns(chunk.frame, schema, scorer.categories)
                values = table.rows(first + done, first + last, own)
                features = pd.DataFrame(values, columns=list(scorer.feature_names), copy=False)
                ids = schema.transaction_ids(chunk.frame, first_row=chunk.first_row)
                scores = scorer.assemble(ids, features, reasons)
                parts.write(count, scores)
            alerts += int(scores["alert"].sum())
            done, count = last, count + 1
            if progress is not None:
                progress(Progress("scoring", done, rows))
        parts.join(count, out)
    seconds = round(time.monotonic() - started, 2)
    return ScoreSummary(str(out), done, alerts, scorer.threshold, scorer.model_version, seconds)


def _score_columns(schema: TransactionSchema) -> list[str]:
    """Columns of the second pass: the id and what a row brings itself; one at least, to count the rows."""
    own = [
        *([schema.transaction_id] if schema.transaction_id is not None else []),
        *schema.categorical,
        *schema.numeric,
    ]
    return own or [schema.amount]


def _read_table(
    source: Path, history: Path | None, schema: TransactionSchema, chunk_rows: int, progress: ProgressCallback | None
) -> tuple[FeatureTable, int]:
    """The keys of history and source, sorted for the kernel, and how many rows are the source's."""
    earlier = _Collected(schema)
    if history is not None:
        earlier.read(iter_transactions(history, schema, chunk_rows, _key_columns(history, schema)), progress)
    now = _Collected(schema)
    now.read(iter_transactions(source, schema, chunk_rows, _key_columns(source, schema)), progress)
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
    from fraud_model.sources import open_source

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

    def read(self, chunks: Iterator[Chunk], progress: ProgressCallback | None) -> None:
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
