"""The desk: every part opened on first use, scoring with history, alerts, and questions.

desk = Desk(Settings.load())
desk.score_known("T00012345")
desk.ask("Why was T00012345 flagged?")
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import pandas as pd

from app.access import User
from app.answering import Answering
from app.arms import Arm, Arms
from app.assistant import Assistant, Reply, Step
from app.cases import Cases
from app.corpus import make_answerer
from app.errors import NotReadyError, message_of
from app.history import History
from app.indexing import Indexer
from app.job_runner import JobRunner
from app.lazy import Lazy
from app.library import Library
from app.precedents import find_precedents
from app.records import Alert, Label, Precedent, Scored
from app.scoring import ID_KEY, score_frame, score_plain, table_of
from app.second_arm import set_second_arm
from app.settings import Settings
from app.store import Store
from app.typologies import find_typology
from fraud_model import Scorer
from fraud_model.data import read_transactions
from fraud_model.registry import Registry
from retrieval import Answerer, Index

log = logging.getLogger(__name__)

# Earlier payments of payer and payee together that are read in two milliseconds.
_AT_ONCE = 40_000


@dataclass(frozen=True)
class PartStatus:
    """Whether one part of the desk can work; `detail` says what it is, or what is wrong and the fix."""

    name: str
    ready: bool
    detail: str


class Desk:
    """Everything the page and the API work with. Safe to use from several threads.

    Args:
        settings: Where everything is.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.assistant = Assistant(self)
        self.arms = Arms(lambda: self.answerer)
        set_second_arm(self)
        self.answering = Answering(self)
        self.library = Library(self)
        # One thread at a time writes the index; searches go on meanwhile.
        self.index_writing = threading.RLock()
        self._store = Lazy(lambda: Store(settings.desk_database))
        self._registry = Lazy(lambda: Registry(settings.mlflow_uri))
        self._scorer = Lazy(self._open_scorer)
        self._history = Lazy(self._open_history)
        self._index = Lazy(self._open_index)
        self._answerer = Lazy(lambda: make_answerer(settings, self.index))
        self.indexer = Indexer(self)
        self.jobs = JobRunner(self)
        self.cases = Cases(self)
        # A payment is in history only after it is in the database, and once.
        self._recording = threading.Lock()
        self._decisions: list[Label] = []

    @property
    def store(self) -> Store:
        """The desk's database."""
        return self._store.get()

    @property
    def registry(self) -> Registry:
        """The registry of models."""
        return self._registry.get()

    @property
    def scorer(self) -> Scorer:
        """The champion."""
        return self._scorer.get()

    @property
    def history(self) -> History:
        """Past payments, in the champion's schema."""
        return self._history.get()

    @property
    def index(self) -> Index:
        """The index of documents."""
        return self._index.get()

    @property
    def answerer(self) -> Answerer:
        """Who answers from the documents."""
        return self._answerer.get()

    @property
    def model_version(self) -> str | None:
        """Version of the champion in use; None while none is loaded."""
        return str(self._scorer.get().model_version) if self._scorer.opened else None

    def warm(self) -> None:
        """Opens every part now, so that the first request does not wait. What fails is logged and tried again later."""
        for status in self.ready():
            if not status.ready:
                log.warning("%s is not ready: %s", status.name, status.detail)
        if self._index.opened:
            # Loads the embedding model, which takes longer than everything that a search does after it.
            self.index.search("payment", k=1)
        if self._scorer.opened and self._history.opened and len(self.history):
            self.history.find(self.history.transaction_id_at(0))
            self.score_payments(self.history.frame.iloc[:1])

    def ready(self) -> list[PartStatus]:
        """The state of every part; opens those that are not open yet."""
        return [
            self._status("database", lambda: f"{sum(self.store.counts().values())} alerts"),
            self._status("model", lambda: f"champion version {self.scorer.model_version}"),
            self._status("history", lambda: f"{len(self.history)} payments"),
            self._status("index", lambda: f"version {self.index.version}"),
            self._status("answers", lambda: str(self.answerer and self.settings.llm)),
        ]

    def reload_model(self) -> str:
        """Loads the present champion and puts it in place of the old one, which stays if that fails.

        Returns:
            The version now in use.
        """
        before = self._scorer.get().schema if self._scorer.opened else None
        scorer = self._scorer.reopen()
        if before is not None and scorer.schema != before:
            self._history.forget()
        log.info("model version %s is in use", scorer.model_version)
        return str(scorer.model_version)

    def follow_champion(self) -> None:
        """Takes up a champion that was promoted elsewhere; on any failure the present one goes on serving."""
        if not self._scorer.opened:
            return
        try:
            champion = self.registry.champion()
            if champion is not None and str(champion.version) != self.model_version:
                self.reload_model()
        except Exception as error:
            log.warning("the champion could not be looked up or loaded: %s", message_of(error))

    def follow_decisions(self) -> None:
        """Lets the history know what was decided, or taken back, since it was asked last."""
        if not self._history.opened:
            return
        try:
            decisions = self.store.labels()
            if decisions != self._decisions:
                self.history.decide(decisions)
                self._decisions = decisions
        except Exception as error:
            log.warning("decisions did not reach the history of payments yet: %s", message_of(error))

    def score_payments(
        self, payments: pd.DataFrame, ids: Sequence[str] | None = None, reasons: int = 8
    ) -> list[Scored]:
        """Scores payments with what is known of their payers and payees.

        Args:
            payments: In the columns of the champion's schema.
            ids: Their ids, where the schema has no id column.
            reasons: How many contributions each gets.
        """
        scorer = self.scorer
        history = self.history
        payments = history.aligned(payments)
        earlier = history.past if len(payments) == 1 else history.around(payments)
        return score_frame(scorer, payments, earlier, ids=ids, reasons=reasons)

    def score_one(self, values: Mapping[str, Any], reasons: int = 8, record: bool = False) -> Scored:
        """Scores one payment given by its columns.

        Args:
            values: Columns of the champion's schema; `transaction_id` names it where the schema has no id column.
            reasons: How many contributions it gets.
            record: Keep the payment as history to later ones and, where the model alerts, put it in the queue.

        Raises:
            DataError: a column is missing or cannot be read.
        """
        schema = self.scorer.schema
        given = str(values.get(schema.transaction_id or ID_KEY) or "") or f"N{uuid4().hex[:12]}"
        if not reasons and not record:
            quick = score_plain(self.scorer, self.history.past, values, given)
            if quick is not None:
                return quick
        frame = table_of(values, schema)
        if schema.transaction_id is not None and not values.get(schema.transaction_id):
            frame[schema.transaction_id] = given
        scored = self.score_payments(frame, ids=[given], reasons=reasons)[0]
        if record:
            with self._recording:
                if self.store.record_transaction(scored.transaction_id, scored.event_time, scored.transaction):
                    self.history.add(frame, [scored.transaction_id])
            if scored.alert and self.store.add_alerts([scored]):
                self.indexer.wake()
        return scored

    def score_at_once(self, values: Mapping[str, Any]) -> Scored | None:
        """Scores one payment without reasons in about a millisecond, and keeps nothing; None where it takes longer.

        For callers that must not wait: it opens no part, and leaves payments of accounts with a long history, and those
        whose values need a closer look, to `score_one`.
        """
        if not (self._scorer.opened and self._history.opened):
            return None
        scorer = self.scorer
        given = str(values.get(scorer.schema.transaction_id or ID_KEY) or "") or f"N{uuid4().hex[:12]}"
        return score_plain(scorer, self.history.past, values, given, most_earlier=_AT_ONCE)

    def score_known(self, transaction_id: str, reasons: int = 8) -> Scored | None:
        """Scores a past payment by its id, from what was known before it; None where there is no such payment."""
        payment = self.history.find(transaction_id)
        if payment is None:
            return None
        return self.score_payments(payment, ids=[transaction_id], reasons=reasons)[0]

    def precedents(self, case: Alert | Scored, count: int = 3) -> tuple[Precedent, ...]:
        """The nearest cases closed before a payment. Those of an alert are frozen."""
        if isinstance(case, Alert):
            return case.precedents if case.precedents is not None else self.complete_record(case.id)
        return find_precedents(self.index, case, count, own_notes=self.store.notes.holds_notes())

    def complete_record(self, alert_id: int) -> tuple[Precedent, ...]:
        """Freezes an alert's precedents and typology, as of when it was raised; what is frozen already stays.

        Raises:
            NotFoundError: there is no such alert.
        """
        alert = self.store.alert(alert_id)
        if alert.precedents is not None:
            return alert.precedents
        near = find_precedents(self.index, alert, own_notes=self.store.notes.holds_notes())
        return self.store.freeze_found(alert_id, near, find_typology(self.index, alert, near))

    def documents_changed(self) -> None:
        """Says that a file of the written folder was added, changed or removed: it is indexed within seconds."""
        self.indexer.wake()

    def ask(
        self,
        question: str,
        transaction_id: str | None = None,
        as_of: datetime | str | None = None,
        user: User | None = None,
    ) -> Reply:
        """Answers a question from the documents, and from tools where it asks for figures."""
        return self.assistant.ask(question, transaction_id=transaction_id, as_of=as_of, user=user)

    def ask_steps(
        self,
        question: str,
        transaction_id: str | None = None,
        as_of: datetime | str | None = None,
        *,
        user: User | None = None,
        earlier: str = "",
        arm: Arm | None = None,
    ) -> Iterator[Step]:
        """The same, step by step, for a page that shows the answer as it comes."""
        return self.assistant.steps(question, transaction_id, as_of, user=user, earlier=earlier, arm=arm)

    def close(self) -> None:
        """Ends the answers on their way and closes the database."""
        self.answering.stop_all()
        if self._store.opened:
            self.store.close()

    def _open_scorer(self) -> Scorer:
        return Scorer.load("champion", tracking_uri=self.settings.mlflow_uri)

    def _open_history(self) -> History:
        path = self.settings.transactions_path
        schema = self.scorer.schema
        if not path.exists():
            raise NotReadyError(f"there are no working transactions at {path}; `frauddesk up` makes them")
        history = History(read_transactions(path, schema), schema)
        ids, recorded = self.store.recorded_transactions()
        if recorded:
            history.add(history.aligned(pd.DataFrame(recorded)), ids)
        self._decisions = self.store.labels()
        history.decide(self._decisions)
        return history

    def _open_index(self) -> Index:
        settings = self.settings
        return Index.open(
            settings.index_path,
            embedding_model=settings.embedding_model or None,
            chroma_url=settings.chroma_url or None,
        )

    def _status(self, name: str, describe: Any) -> PartStatus:
        try:
            return PartStatus(name, True, describe())
        except Exception as error:
            return PartStatus(name, False, message_of(error))
