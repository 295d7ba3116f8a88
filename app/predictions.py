"""Every score that the service gives, kept for auditors without slowing the answer.

Scores are handed to a queue in memory; one thread writes them in batches. At the end of the service what is left is
written first. When the database cannot keep up for long, handing over waits: nothing is dropped.
"""

import logging
import queue
import threading
import time
from typing import Any

from sqlalchemy import Engine, func, select

from app import context, tables
from app.records import Scored

log = logging.getLogger(__name__)

_WAITING = 100_000
_AT_ONCE = 1_000
_PAUSE_SECONDS = 0.25
_RETRY_SECONDS = 2.0


class PredictionLog:
    """Writes scores behind the answers.

    Args:
        engine: The desk's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue(_WAITING)
        self._stopped = threading.Event()
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()

    def add(self, scored: Scored, who: str, wait: bool = True) -> bool:
        """Hands a score over; False where there is no room and the caller does not wait."""
        if self._writer is None:
            self._start()
        try:
            self._waiting.put(self._row(scored, who), block=wait)
        except queue.Full:
            return False
        return True

    @staticmethod
    def _row(scored: Scored, who: str) -> dict[str, Any]:
        return {
            "at": int(time.time()),
            "transaction_id": scored.transaction_id,
            "probability": scored.probability,
            "threshold": scored.threshold,
            "model_version": scored.model_version,
            "who": who,
            "request_id": context.request_id.get(),
        }

    def count(self) -> int:
        """How many scores are written."""
        with self._engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(tables.predictions)) or 0)

    def of_transaction(self, transaction_id: str) -> list[dict[str, Any]]:
        """The scores that a payment was given, the oldest first."""
        query = select(tables.predictions).where(tables.predictions.c.transaction_id == transaction_id)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query.order_by(tables.predictions.c.id)).mappings()]

    def close(self) -> None:
        """Writes what is left and ends."""
        self._stopped.set()
        if self._writer is not None:
            self._writer.join(timeout=30)

    def _start(self) -> None:
        with self._starting:
            if self._writer is None:
                writer = threading.Thread(target=self._write, name="predictions", daemon=True)
                writer.start()
                self._writer = writer

    def _write(self) -> None:
        batch: list[dict[str, Any]] = []
        while True:
            stopping = self._stopped.is_set()
            while len(batch) < _AT_ONCE:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            if batch:
                try:
                    with self._engine.begin() as connection:
                        connection.execute(tables.predictions.insert(), batch)
                    batch = []
                    continue
                except Exception as error:
                    # Kept and tried again: an auditor asks for every score.
                    log.warning("%d scores could not be written yet: %s", len(batch), error)
                    if stopping:
                        return
                    self._stopped.wait(_RETRY_SECONDS)
            elif stopping:
                return
            # Scores gather for a moment, so that one transaction writes many.
            self._stopped.wait(_PAUSE_SECONDS)
