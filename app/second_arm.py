"""The second configuration of the assistant: which it is, by the settings, and how it does in service."""

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app import tables
from app.settings import Settings

if TYPE_CHECKING:
    from app.desk import Desk
    from eval.arms import ArmsResult, Served
    from eval.judge import Judge
    from retrieval import Answerer

NAME = "second"
_DAY_SECONDS = 86_400


def set_second_arm(desk: "Desk") -> None:
    """Send a share of the conversations to the second configuration, if the settings say so."""
    settings = desk.settings
    if settings.ab_share:
        desk.arms.set(NAME, lambda: _answerer(desk), settings.ab_share / 100)


def measure_service(settings: Settings, days: int = 30, judge: "Judge | None" = None) -> "ArmsResult":
    """What analysts thought of each configuration's answers, and what Ragas finds in them; logged to MLflow.

    Args:
        settings: Settings in force.
        days: How far to look back.
        judge: A language model that gives verdicts beside.

    Raises:
        EvalInputError: no answers were given in that time.
    """
    from app.corpus import open_index
    from app.store import Store
    from eval.arms import measure_arms
    from retrieval.embedding import Embedding
    from retrieval.errors import InputError

    store = Store(settings.desk_database)
    try:
        served = served_answers(store.engine, int(time.time()) - days * _DAY_SECONDS)
    finally:
        store.close()
    with open_index(settings, read_only=True) as index:

        def text_of(document_id: str) -> str | None:
            try:
                return index.document_text(document_id)
            except InputError:
                return None

        return measure_arms(
            served,
            text_of,
            lambda texts: Embedding().encode(list(texts)),
            tracking_uri=settings.mlflow_uri,
            artifact_root=settings.mlflow_artifacts,
            judge=judge,
            params={
                "days": days,
                "ab_share": settings.ab_share,
                "ab_llm": settings.ab_llm or settings.llm,
                "ab_passages": settings.ab_passages or "as the default",
                "index_version": index.version,
            },
        )


def served_answers(engine: Any, since: int) -> "list[Served]":
    """Finished answers since a time (UTC epoch seconds), with the latest feedback on each."""
    from eval.arms import Served

    messages, said = tables.messages.c, tables.feedback.c
    wanted = select(messages.id, messages.conversation_id, messages.role, messages.content, messages.payload)
    with engine.connect() as connection:
        rows = connection.execute(
            wanted.where(messages.created_at >= since).order_by(messages.conversation_id, messages.id)
        ).all()
        rated = {
            row.message_id: row
            for row in connection.execute(
                select(said.message_id, said.helpful, said.correction).order_by(said.id)
            ).all()
        }
    found: list[Served] = []
    asked: dict[str, str] = {}
    for row in rows:
        if row.role == "user":
            asked[row.conversation_id] = row.content
            continue
        payload = row.payload or {}
        question = str(payload.get("question") or asked.get(row.conversation_id, ""))
        if payload.get("state", "done") != "done" or "status" not in payload or not question:
            continue
        feedback = rated.get(row.id)
        found.append(
            Served(
                message_id=row.id,
                conversation_id=row.conversation_id,
                arm=str(payload.get("arm") or "default"),
                question=question,
                answer=_plain(payload, row.content),
                helpful=None if feedback is None else bool(feedback.helpful),
                corrected=feedback is not None and bool(feedback.correction),
            )
        )
    return found


def _plain(payload: dict[str, Any], content: str) -> dict[str, Any]:
    """A stored answer as `eval.trials.from_plain` takes it."""
    sentences = payload.get("sentences") or []
    passages = payload.get("passages") or {}
    return {
        "status": payload["status"],
        "response": payload.get("answer") or content,
        "sentences": [
            [said["text"], [[c["document_id"], c["start"], c["end"], c["quote"]] for c in said["citations"]]]
            for said in sentences
        ],
        "contexts": [[name.rpartition("#")[0], passage["text"]] for name, passage in passages.items()],
        "seconds": float(payload.get("elapsed_ms") or 0.0) / 1000,
        "tool_text": " ".join(str(line) for tool in payload.get("tool_results") or [] for line in tool["sentences"]),
        "trace_id": payload.get("trace_id", ""),
        "answerer": payload.get("answerer", ""),
    }


def _answerer(desk: "Desk") -> "Answerer":
    from retrieval import Answerer
    from retrieval.answer import PASSAGES

    settings = desk.settings
    traced = settings.tracing == "on"
    return Answerer(
        desk.index,
        llm=settings.ab_llm or settings.llm,
        ollama_url=settings.ollama_url,
        tracking_uri=settings.mlflow_uri if traced else None,
        tracking_artifacts=settings.mlflow_artifacts if traced else None,
        passages=settings.ab_passages or PASSAGES,
    )
