"""How good the answers are: the desk's own assistant put to questions, its answers scored, the run in MLflow."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.corpus import open_index
from app.settings import Settings

if TYPE_CHECKING:
    from app.arms import Arm
    from app.assistant import Reply
    from app.console import ProgressLine
    from app.desk import Desk
    from eval.judge import Judge
    from eval.questions import Question
    from eval.rag_result import RagResult
    from retrieval import Answerer, Index

log = logging.getLogger(__name__)

# In place of a run's id: the latest one on the same questions.
LAST = "last"


@dataclass(frozen=True)
class AssistantAnswer:
    """A reply of the assistant in the shape that is measured: what documents say, and what tools gave beside it."""

    answer: str
    status: str
    sentences: tuple[Any, ...]
    hits: tuple[Any, ...]
    answerer: str
    tool_text: str = ""
    trace_id: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class AssistantPath:
    """The real way of a question through the desk: tools, search, gate, answer, check.

    Args:
        desk: Whose assistant is asked.
        arm: The configuration that answers; the desk's own choice where None.
    """

    def __init__(self, desk: "Desk", arm: "Arm | None" = None) -> None:
        self.desk, self.arm = desk, arm

    @property
    def index(self) -> "Index":
        """Where citations are looked up."""
        return self.desk.index

    @property
    def tracer(self) -> Any:
        """Sends the answers' traces; None where tracing is off."""
        return self.desk.answerer.tracer

    def ask(self, question: str, as_of: Any = None, where: Any = None) -> AssistantAnswer:
        """The assistant's reply to a question."""
        if self.arm is None:
            return measured_answer(self.desk.ask(question, as_of=as_of))
        steps = self.desk.assistant.steps(question, as_of=as_of, arm=self.arm)
        return measured_answer(next(step.reply for step in steps if step.reply is not None))


def measured_answer(reply: "Reply") -> AssistantAnswer:
    """What of a reply is measured; the tools' figures as an analyst reads them: sentences, figures, table."""
    answer = reply.answer
    shown = [reply.figures_text]
    for result in reply.results:
        shown += [figure.text for figure in result.figures]
        if result.table is not None:
            shown += [" ".join(row) for row in result.table.rows]
    return AssistantAnswer(
        answer=answer.answer if answer.sentences or not reply.figures_text else reply.figures_text,
        status=reply.status,
        sentences=tuple(answer.sentences),
        hits=tuple(answer.hits),
        answerer=answer.answerer,
        tool_text=" \n ".join(part for part in shown if part),
        trace_id=getattr(answer, "trace_id", ""),
        prompt_tokens=getattr(answer, "prompt_tokens", None),
        completion_tokens=getattr(answer, "completion_tokens", None),
    )


def measure_answers(
    settings: Settings,
    questions: Path | None = None,
    *,
    gates: dict[str, float] | None = None,
    most: int | None = None,
    split: str | None = None,
    against: str | None = None,
    judge: "Judge | None" = None,
    progress: "ProgressLine | None" = None,
) -> "RagResult":
    """Put the assistant to questions, score its answers, log the run to MLflow.

    A measurement that was killed goes on where it ended, as long as questions, settings and index are the same.

    Args:
        settings: Settings in force.
        questions: A .jsonl file; None for all that are known: see `known_questions`.
        gates: Metric name and the least value that passes.
        most: Ask at most so many, the kinds in proportion; all where None.
        split: Only questions of this split.
        against: Id of an earlier run to compare with, or `last` for the latest on the same questions.
        judge: A language model that gives verdicts beside.
        progress: Told after each question.
    """
    from app.desk import Desk
    from eval.questions import load_questions, sample_questions
    from eval.rag import run_rag

    with open_index(settings, read_only=True):
        pass  # Opened for asking, an index that is not there would be made.
    desk = Desk(settings)
    try:
        asked = load_questions(questions, split) if questions is not None else known_questions(desk, split)
        if most is not None:
            asked = sample_questions(asked, most)
        return run_rag(
            AssistantPath(desk),
            asked,
            tracking_uri=settings.mlflow_uri,
            artifact_root=settings.mlflow_artifacts,
            params=answer_params(desk.index, desk.answerer),
            fail_under=gates,
            against=_earlier(settings, against, asked),
            judge=judge,
            checkpoints=settings.home / "eval" / "unfinished",
            progress=progress,
        )
    finally:
        desk.close()


def known_questions(desk: "Desk", split: str | None = None) -> "list[Question]":
    """Every question there is for this desk.

    Those that ship, as far as their documents are in the index (shipped case notes are not indexed with the user's own
    payments); those that a person accepted; those about the desk's own payments and models.
    """
    from app.own_questions import own_questions
    from eval.errors import EvalInputError
    from eval.questions import load_questions

    known = set(desk.index.document_ids())
    found = [question for question in load_questions() if all(gold.document_id in known for gold in question.gold)]
    folder = accepted_folder(desk.settings)
    if any(folder.glob("*.jsonl")):
        found += load_questions(folder)
    found += own_questions(desk)
    chosen = {question.id: question for question in found if split is None or question.split == split}
    if not chosen:
        raise EvalInputError(f"there are no questions of the split {split!r}")
    return list(chosen.values())


def accepted_folder(settings: Settings) -> Path:
    """Where questions that a person accepted stand."""
    return settings.home / "eval" / "questions"


def answer_params(index: "Index", answerer: "Answerer") -> dict[str, Any]:
    """Everything that decides an answer, under the same names in every run."""
    return {
        **answerer.settings(),
        "index_version": index.version,
        "documents": index.status().documents,
        "path": "assistant",
    }


def _earlier(settings: Settings, against: str | None, asked: "Sequence[Question]") -> str | None:
    if against != LAST:
        return against
    from eval.errors import EvalInputError
    from eval.questions import question_set_digest
    from eval.rag import EXPERIMENT
    from eval.tracking import latest_runs

    digest = question_set_digest(asked)
    for run in latest_runs(tracking_uri=settings.mlflow_uri, experiment=EXPERIMENT, tags={"kind": "rag"}, most=50):
        if run.data.params.get("question_set") == digest:
            return str(run.info.run_id)
    raise EvalInputError("no earlier run asked the same questions; give its id: --against RUN")
