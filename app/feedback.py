"""What analysts think of answers: stored, attached to the answer's trace in MLflow, and kept as candidate questions.

A correction says what the answer should have been. It becomes a line of `<home>/eval/candidates.jsonl`, from which a
person takes it into the questions that the assistant is measured on, or not.
"""

import json
import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.access import User
from app.conversations import UnknownConversationError
from app.records import iso
from retrieval.masking import mask

if TYPE_CHECKING:
    from app.desk import Desk

log = logging.getLogger(__name__)

CANDIDATES = Path("eval") / "candidates.jsonl"
_PAUSES = (0.0, 1.0, 5.0, 20.0)
_WRITING = threading.Lock()


def give_feedback(
    desk: "Desk",
    user: User,
    helpful: bool,
    *,
    message_id: int | None = None,
    question: str = "",
    answer: str = "",
    correction: str = "",
) -> int:
    """Keeps what a user thinks of an answer.

    Args:
        desk: Where it is kept.
        user: Who says so.
        helpful: Whether the answer helped.
        message_id: The answer, in a conversation of this user; None for one that was not kept.
        question: What was asked; taken from the conversation where it was kept.
        answer: What was answered; the same.
        correction: What would have been right.

    Returns:
        The id of the feedback.

    Raises:
        UnknownConversationError: there is no such answer in a conversation of this user.
    """
    user.require("feedback")
    talks = desk.store.conversations
    correction = mask(correction.strip()).text
    trace = ""
    if message_id is not None:
        message = talks.message(message_id, user.name)
        if message.role != "assistant":
            raise UnknownConversationError(f"message {message_id} is no answer")
        trace = str(message.payload.get("trace_id", ""))
        question = str(message.payload.get("question") or question)
    key = talks.add_feedback(
        helpful,
        user.name,
        message_id=message_id,
        question=mask(question).text,
        answer=mask(answer).text,
        correction=correction,
    )
    if correction and question:
        add_candidate(desk.settings.home, key, mask(question).text, correction, message_id, user.name)
    if trace:
        threading.Thread(
            target=_attach, args=(desk, trace, user.name, helpful, correction), name="feedback", daemon=True
        ).start()
    return key


def add_candidate(
    home: Path, feedback_id: int, question: str, correction: str, message_id: int | None, who: str
) -> dict[str, Any]:
    """Adds a correction to the questions that a person may take into the evaluation, and returns its line."""
    line: dict[str, Any] = {
        "id": f"C-{feedback_id}",
        "question": question,
        "reference_answer": correction,
        "gold": [],
        "source": "correction",
        "message_id": message_id,
        "who": who,
        "at": iso(datetime.now(UTC)),
    }
    path = home / CANDIDATES
    with _WRITING:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    return line


def _attach(desk: "Desk", trace_id: str, who: str, helpful: bool, correction: str) -> None:
    """Puts the feedback on the answer's trace; without MLflow it stays in the desk's database alone."""
    from mlflow.exceptions import MlflowException

    for place, pause in enumerate(_PAUSES):
        time.sleep(pause)
        try:
            _assess(desk.settings.mlflow_uri, trace_id, who, helpful, correction)
            return
        except MlflowException as error:
            # The trace itself is sent beside the answers and may be on its way still.
            level = logging.WARNING if place == len(_PAUSES) - 1 else logging.DEBUG
            log.log(level, "feedback on trace %s: %s", trace_id, error)
        except Exception as error:
            log.warning("feedback on trace %s: %s", trace_id, error)
            return


def _assess(tracking_uri: str, trace_id: str, who: str, helpful: bool, correction: str) -> None:
    from mlflow.entities import AssessmentSource, Expectation, Feedback

    # MLflow's public calls send to a global address only.
    from mlflow.tracing.client import TracingClient

    source = AssessmentSource(source_type="HUMAN", source_id=who)
    client = TracingClient(tracking_uri)
    if correction:
        client.log_assessment(trace_id, Expectation(name="expected_answer", value=correction, source=source))
    rationale = correction or None
    client.log_assessment(trace_id, Feedback(name="helpful", value=helpful, rationale=rationale, source=source))
