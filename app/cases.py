"""Working a case for somebody: reading it, claiming, deciding, taking back, signing, and its pack.

Page and HTTP service go through here, so that a role, an audit line or the case note is never forgotten by one of them.
"""

import csv
import io
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.access import ForbiddenError, User
from app.budget import BudgetCurve, measure_budgets
from app.case_accounts import Network, Timeline, network, timelines
from app.case_pack import CasePack, case_pack
from app.ledger_check import ChainReport, check_payment
from app.narratives import Signed
from app.precedents import COLLECTION as CASE_NOTES
from app.records import Alert, AlertFilter, AlertSummary, Disposition, iso

if TYPE_CHECKING:
    from app.desk import Desk

log = logging.getLogger(__name__)

_EXPORTED = (
    "id", "transaction_id", "event_time", "created_at", "payer", "payee", "amount", "currency", "probability",
    "threshold", "expected_loss", "model_version", "state", "typology", "owner", "claimed_at", "headline",
)  # fmt: skip
_EXPORT_AT_ONCE = 2_000
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class CaseFile:
    """A case as somebody may see it.

    Attributes:
        alert: The alert with its frozen record.
        chain: The check of its entries in the chain of records.
        signed: The narrative signed last, if any.
        note_id: Id of its case note; None while there is none.
        hidden: Whether closed cases are kept from this user.
    """

    alert: Alert
    chain: ChainReport
    signed: Signed | None
    note_id: str | None
    hidden: bool


class Cases:
    """The cases of a desk.

    Args:
        desk: The desk.
    """

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._curve: BudgetCurve | None = None
        self._measuring = threading.Lock()

    def read(self, alert_id: int, user: User) -> CaseFile:
        """A case; that it was read stands in the audit trail.

        Raises:
            ForbiddenError: the role does not allow it.
            NotFoundError: there is no such alert.
        """
        user.require("read")
        store = self._desk.store
        alert = store.alert(alert_id)
        store.trail.record(user, "read", f"alert {alert_id}")
        note = store.notes.of_alert(alert_id)
        hidden = CASE_NOTES in user.hidden_collections
        if hidden:
            made = tuple(replace(item, note="") for item in alert.dispositions)
            alert = replace(alert, precedents=None, dispositions=made)
        return CaseFile(
            alert=alert,
            chain=check_payment(store.engine, alert.transaction_id),
            signed=None if hidden else store.narratives.of_alert(alert_id),
            note_id=note.case_id if note is not None else None,
            hidden=hidden,
        )

    def claim(self, alert_id: int, user: User) -> None:
        """Takes an alert for the user; see `Decisions.claim`."""
        user.require("decide")
        self._desk.store.decisions.claim(alert_id, user.name)

    def release(self, alert_id: int, user: User) -> None:
        """Gives an alert back; a lead may give back anybody's. See `Decisions.release`."""
        user.require("decide")
        self._desk.store.decisions.release(alert_id, user.name, anyones=user.role == "lead")

    def decide(self, alert_id: int, decision: str, reason_code: str, note: str, user: User) -> Disposition:
        """Records a decision; its label counts from now on, and its case note is searchable within seconds.

        Raises:
            ForbiddenError: the role does not allow it.
            NotFoundError: there is no such alert.
            ConflictError: it is decided already, or claimed by somebody else.
            InvalidDecisionError: the decision or the reason code does not exist.
        """
        user.require("decide")
        made = self._desk.store.decide(alert_id, decision, reason_code, note, user.name)
        self._desk.indexer.wake()
        return made

    def undo(self, alert_id: int, user: User) -> Alert:
        """Takes back the decision in force, with its label and its case note. See `Decisions.undo`."""
        user.require("decide")
        alert = self._desk.store.undo(alert_id, user.name)
        self._desk.indexer.wake()
        return alert

    def sign(self, alert_id: int, text: str, user: User) -> Signed:
        """Keeps the narrative that the user signs. See `Narratives.sign`."""
        user.require("decide")
        store = self._desk.store
        return store.narratives.sign(store.alert(alert_id), text, user.name)

    def pack(self, alert_id: int, user: User) -> CasePack:
        """The pack of a case; that it was taken stands in the audit trail.

        Raises:
            ForbiddenError: the role does not allow it, or does not see case notes.
            NotFoundError: there is no such alert.
        """
        store = self._desk.store
        case = self.read(alert_id, user)
        if case.hidden:
            raise ForbiddenError(f"{user.name} is signed in as {user.role}, which sees no case notes and no case packs")
        if case.alert.precedents is None:
            self._desk.complete_record(alert_id)
            case = replace(case, alert=store.alert(alert_id))
        store.trail.record(user, "pack", f"alert {alert_id}")
        entries = store.ledger.entries_of(case.alert.transaction_id)
        return case_pack(case.alert, entries, case.chain, case.signed)

    def accounts(self, alert: Alert) -> tuple[tuple[Timeline, Timeline], Network]:
        """What payer and payee did before the payment.

        Raises:
            NotReadyError: there are no working transactions.
        """
        history = self._desk.history
        return timelines(history, alert), network(history, self._desk.store.engine, alert)

    def export(self, wanted: AlertFilter, user: User) -> Iterator[str]:
        """The queue as CSV, a part at a time; cells that a spreadsheet would run are made text."""
        user.require("read")
        self._desk.store.trail.record(user, "export", "queue")
        return self._rows(wanted)

    def budgets(self) -> BudgetCurve:
        """What each alert budget finds with the model in use; measured once for a model.

        Raises:
            NotReadyError: the days it was validated on are not among the desk's payments.
            ModelError: the model cannot be read.
        """
        curve = self._curve
        if curve is not None and curve.model_version == self._desk.model_version:
            return curve
        with self._measuring:
            curve = self._curve
            if curve is None or curve.model_version != str(self._desk.scorer.model_version):
                curve = measure_budgets(self._desk.scorer, self._desk.registry, self._desk.history)
                self._curve = curve
        return curve

    def budgets_now(self) -> BudgetCurve | None:
        """The same without waiting: None while they are measured in the background, or cannot be."""
        curve = self._curve
        if curve is not None and curve.model_version == self._desk.model_version:
            return curve
        if not self._measuring.locked():
            threading.Thread(target=self._measure, name="budgets", daemon=True).start()
        return None

    def _measure(self) -> None:
        try:
            self.budgets()
        except Exception as error:
            log.warning("alert budgets cannot be measured: %s", error)

    def _rows(self, wanted: AlertFilter) -> Iterator[str]:
        yield ",".join(_EXPORTED) + "\r\n"
        offset = 0
        while True:
            page = self._desk.store.alerts(wanted, offset, _EXPORT_AT_ONCE)
            buffer = io.StringIO()
            csv.writer(buffer).writerows([[_cell(item, name) for name in _EXPORTED] for item in page.items])
            yield buffer.getvalue()
            offset += len(page.items)
            if len(page.items) < _EXPORT_AT_ONCE:
                return


def _cell(item: AlertSummary, name: str) -> str:
    value = getattr(item, name)
    if value is None:
        return ""
    if name in ("event_time", "created_at", "claimed_at"):
        return iso(value)
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
