"""Score a file in bounded memory: once over the keys of all rows, once over the rows chunk by chunk.

Every row's history may lie anywhere in the file, so the first pass reads time, payer, payee, amount and label of all
rows (about 25 bytes a row). The second computes features, probabilities and reasons of one chunk at a time. The
result does not depend on the chunk size. Finished chunks are kept beside the result until it is whole, so the same
call after a kill goes on where it ended.
"""

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fraud_model.collected import feature_table
from fraud_model.data import iter_transactions
from fraud_model.errors import DataError
from fraud_model.features import row_columns
from fraud_model.output import writer_of
from fraud_model.parts import identity_of, parts_of
from fraud_model.progress import Progress, ProgressCallback
from fraud_model.schema import TransactionSchema
from fraud_model.tables import as_path, source_name

if TYPE_CHECKING:
    from fraud_model.scorer import Scorer


@dataclass(frozen=True)
class ScoreSummary:
    """What scoring a file did.

    Attributes:
        out: The file or table written.
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
    source: Path | str,
    out: Path | str,
    history: Path | str | None,
    reasons: int,
    chunk_rows: int,
    progress: ProgressCallback | None = None,
) -> ScoreSummary:
    """Score a CSV or Parquet file, a folder of them, or a table of a database.

    Args:
        scorer: The model.
        source: What to score: a path, or URL#table (see `tables`).
        out: .parquet, .csv, or URL#table; appears only when complete.
        history: Earlier transactions of the same schema, not scored; a path or URL#table.
        reasons: Reasons for each alert.
        chunk_rows: Rows at a time.
        progress: Told after each chunk.

    Raises:
        DataError: a file cannot be read or does not fit the schema, or the result cannot be written.
    """
    started = time.monotonic()
    schema = scorer.schema
    writer_of(out)  # refuses a name that it cannot write before any work is done
    if isinstance(out, Path) and out.is_dir():
        raise DataError(f"{out}: this is a folder; give the name of a file")
    with ExitStack() as opened:
        path = opened.enter_context(as_path(source, schema.columns))
        before = opened.enter_context(as_path(history, schema.columns)) if history is not None else None
        job = {
            "source": identity_of(source, path),
            "history": identity_of(history, before) if history is not None and before is not None else None,
            "model": [scorer.model_version, scorer.digest, scorer.threshold],
            "reasons": reasons,
            "chunk_rows": chunk_rows,
        }
        parts = opened.enter_context(parts_of(out, job))
        table, rows = feature_table(path, before, schema, chunk_rows, progress)
        first = len(table) - rows
        done, alerts, count = 0, 0, 0
        for chunk in iter_transactions(path, schema, chunk_rows, _score_columns(schema)):
            last = done + len(chunk.frame)
            if last > rows:
                break
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
        if done != rows:
            raise DataError(f"{source_name(source)}: the file changed while it was read; score it again")
        parts.join(count)
    seconds = round(time.monotonic() - started, 2)
    return ScoreSummary(source_name(out), done, alerts, scorer.threshold, scorer.model_version, seconds)


def _score_columns(schema: TransactionSchema) -> list[str]:
    """Columns of the second pass: the id and what a row brings itself; one at least, to count the rows."""
    own = [
        *([schema.transaction_id] if schema.transaction_id is not None else []),
        *schema.categorical,
        *schema.numeric,
    ]
    return own or [schema.amount]
