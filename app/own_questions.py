"""Questions about this desk's own payments, models and runs, with the figures that a right answer names.

The figures come from the records themselves (alerts in the database, the registry, the latest drift run), not through
the assistant's tools, which are what is measured.
"""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import select

from app import tables

if TYPE_CHECKING:
    from app.desk import Desk
    from eval.questions import Question

log = logging.getLogger(__name__)

_ALERTS = 8
_DRIFT_EXPERIMENT = "fraud-desk-drift"


def own_questions(desk: "Desk") -> "list[Question]":
    """Questions of kind `tool`; the same ones as long as the oldest alerts and the champion are the same.

    A part of the desk that is not there yet (no champion, no alert, no drift run) asks nothing.
    """
    found: list[Question] = []
    for part in (_of_alerts, _of_champion, _of_drift):
        try:
            found += part(desk)
        except Exception as error:  # What cannot be looked up cannot be asked about; the documents still can.
            log.warning("no questions about this desk's own figures (%s): %s", part.__name__.strip("_"), error)
    return found


def _of_alerts(desk: "Desk") -> "Iterator[Question]":
    alerts = tables.alerts.c
    wanted = (alerts.transaction_id, alerts.amount, alerts.probability, alerts.threshold, alerts.model_version)
    with desk.store.engine.connect() as connection:
        rows = connection.execute(select(*wanted).order_by(alerts.id).limit(_ALERTS)).all()
    for number, row in enumerate(rows):
        probability, amount = f"{row.probability:.6f}", f"{row.amount:.2f}"
        about, facts = (
            (f"What is the fraud probability of {row.transaction_id}?", (probability,)),
            (f"Why was {row.transaction_id} flagged?", (probability,)),
            (f"How large is payment {row.transaction_id}, and what is its score?", (amount, probability)),
            (
                f"How far is the score of {row.transaction_id} above the threshold?",
                (probability, f"{row.threshold:.6f}"),
            ),
        )[number % 4]
        yield _question(f"own-{row.transaction_id}-{number % 4}", about, facts)


def _of_champion(desk: "Desk") -> "Iterator[Question]":
    champion = desk.registry.champion()
    if champion is None:
        return
    version, metrics = champion.version, champion.metrics
    for name, about in (
        ("average_precision", f"What average precision does model version {version} reach?"),
        ("recall_at_budget", "What is the recall of the champion at the alert budget?"),
        ("precision_at_budget", f"What precision at the alert budget did version {version} have?"),
        ("threshold", "What threshold does the champion use at the moment?"),
    ):
        if name in metrics:
            yield _question(f"own-champion-{version}-{name}", about, (f"{metrics[name]:.6f}",))


def _of_drift(desk: "Desk") -> "Iterator[Question]":
    from eval.tracking import latest_runs

    runs = latest_runs(tracking_uri=desk.settings.mlflow_uri, experiment=_DRIFT_EXPERIMENT, tags={}, most=1)
    verdict = runs[0].data.tags.get("verdict", "") if runs else ""
    if verdict:
        yield _question("own-drift", "Is the model drifting?", (verdict,))


def _question(name: str, about: str, facts: tuple[str, ...]) -> "Question":
    from eval.questions import Question

    return Question(name, about, ", ".join(facts), (), "tool", facts=facts)
