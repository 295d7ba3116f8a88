"""The assistant: an answer from the documents and, where the question asks for figures, those from tools.

Every figure of a payment, an account, a model or the queue comes from a tool (`app.tools`) and stands apart from what
the documents say. Nothing that a document says starts a tool: only the question itself does.
"""

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.access import User, local_user
from app.arms import Arm
from app.replies import Reply, Step
from app.tools import CaseFacts, Context, Toolbox, ToolCall, ToolError, ToolResult, plan
from app.tools.accounts import is_account
from app.tools.check import backed_sentences
from app.tools.choosing import ModelChooser
from app.tools.evidence import endings, reports
from app.tools.payments import case_facts, find_payment
from app.tools.scope import scope_of
from app.tools.toolbox import step_of
from app.tools.traced import Timed, trace_figures
from app.visible import visible_collections
from retrieval import Answer

if TYPE_CHECKING:
    from app.desk import Desk

__all__ = ["Assistant", "CaseFacts", "Reply", "Step"]

# These tools answer by themselves; documents are read beside them only where one names what the figures are about.
_SUFFICIENT = frozenset(("payment_score", "account_history", "queue_figures"))
# These have documents of their own: run reports, notes of the near cases.
_WITH_REPORTS = frozenset(("compare_models", "model_figures", "run_figures"))
_OWN_EVIDENCE = _WITH_REPORTS | {"similar_cases"}
_NAMED_AT_ALL = 1.0


class Assistant:
    """Answers questions with the parts of a desk."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._toolbox = Toolbox(desk)
        self._choosers: dict[str, ModelChooser] = {}

    def ask(
        self,
        question: str,
        transaction_id: str | None = None,
        as_of: datetime | str | None = None,
        *,
        user: User | None = None,
    ) -> Reply:
        """Answers a question.

        Args:
            question: In plain words; may name a payment, an account, a model version or a run.
            transaction_id: The payment at hand, for a question asked beside a case.
            as_of: Only what was known by then is seen; now where None.
            user: Who asks; the user of this machine where None.

        Raises:
            InputError: the question is empty or `as_of` is not a time.
            RetrievalError: the index is not there or cannot be searched.
        """
        for step in self.steps(question, transaction_id, as_of, user=user):
            if step.reply is not None:
                return step.reply
        raise RuntimeError("the steps of an answer ended without a reply")

    def steps(
        self,
        question: str,
        transaction_id: str | None = None,
        as_of: datetime | str | None = None,
        *,
        user: User | None = None,
        earlier: str = "",
        arm: Arm | None = None,
    ) -> Iterator[Step]:
        """The same, telling each step; the last one holds the reply.

        Args:
            question: As above.
            transaction_id: As above.
            as_of: As above.
            user: As above.
            earlier: The payment that the conversation was about before this question.
            arm: The configuration that answers; the desk's choice for the question where None.
        """
        started = time.perf_counter()
        user = user or local_user()
        arm = arm or self._desk.arms.choose(question)
        collections = visible_collections(self._desk.index, user)
        work = _Work(question, user, as_of, collections, arm, Context(transaction_id or earlier))
        chooser = self._chooser(arm)
        if chooser.supported:
            yield Step("looking_up", "Choosing what to look up")
        calls = self._calls(work, transaction_id or "", chooser)
        yield from self._run(work, calls)
        if work.results and chooser.supported and not any(result.problem for result in work.results):
            yield Step("looking_up", "Reading the figures")
            said = chooser.tell(question, work.results)
            work.told, left_out = backed_sentences(said, work.results, question)
            if left_out:
                work.notices.append(f"{left_out} sentences with figures that no tool gave were left out.")
        yield from self._read(work, calls)
        assert work.answer is not None, "reading ends with an answer"
        elapsed = (time.perf_counter() - started) * 1000
        yield Step("done", reply=_traced(work, work.reply(elapsed, bool(calls) and all(call.asked for call in calls))))

    def _calls(self, work: "_Work", transaction_id: str, chooser: ModelChooser) -> list[ToolCall]:
        """The tools that the question asks for: chosen by the model where it can, else by rules."""
        calls, notice = chooser.choose(work.question, work.context)
        if notice:
            work.notices.append(notice)
        calls = calls or plan(work.question, self, work.context)
        if not calls and transaction_id and not _about_documents(work.question):
            calls = [ToolCall("payment_score", {"transaction_id": transaction_id}, asked=False)]
        return calls

    def _run(self, work: "_Work", calls: Sequence[ToolCall]) -> Iterator[Step]:
        moment = _moment(work.as_of)
        for call in calls:
            yield Step("looking_up", step_of(call))
            begun = time.time_ns()
            result, case = self._toolbox.run(call, work.user, moment)
            work.timed.append((begun, time.time_ns(), result))
            named = result.arguments.get("transaction_id", "")
            if result.problem:
                work.notices.append(result.problem)
                continue
            work.results.append(result)
            work.transaction_id = named or work.transaction_id
            if case is not None:
                work.case = work.case or case
                yield Step("case", f"Payment {named}: score {case.probability:.3f}", case=case, result=result)
            else:
                yield Step("figures", result.title, result=result)

    def _read(self, work: "_Work", calls: Sequence[ToolCall]) -> Iterator[Step]:
        """What the documents say, unless the figures answer alone."""
        asked = self._for_documents(work, calls)
        if asked is None:
            yield Step("searching", "Looking for passages behind the figures")
            work.answer, work.read = self._behind(work), False
            return
        scope = scope_of(asked)
        if scope is not None:
            yield Step("searching", f"Searching the {str(scope.where['collection']).replace('_', ' ')}")
            yield from self._stream(work, scope.question, scope.where)
        if work.answer is None or work.answer.status == "not_in_documents":
            yield Step("searching", "Searching the documents")
            yield from self._stream(work, asked)

    def _stream(self, work: "_Work", asked: str, where: Mapping[str, Any] | None = None) -> Iterator[Step]:
        said = ""
        for event in work.arm.answerer.stream(asked, as_of=work.as_of, where=where, collections=work.collections):
            if event.kind == "evidence":
                yield Step("searching", f"Reading {_count(event.hits)}")
            elif event.kind == "done":
                work.answer = event.answer
            else:
                said = "" if event.kind == "reset" else said + event.text
                yield Step("writing", "Checking each sentence against its source", said=said)

    def _for_documents(self, work: "_Work", calls: Sequence[ToolCall]) -> str | None:
        """The question as documents can answer it; None where the figures answer and no document is about them.

        The id of a payment that no document names would make every passage look beside the point; the tools have
        answered for it, so that for the documents it is just "this payment".
        """
        if not work.results:
            # What the role does not show is not looked for elsewhere.
            return None if calls and {call.tool for call in calls} <= {"similar_cases"} else work.question
        names = [name for result in work.results for name in result.subject]
        about = [name for name in names if self._is_named(name, work)]
        work.about = bool(about)
        tools = {result.tool for result in work.results}
        enough = all(call.asked for call in calls) and tools <= _SUFFICIENT | _OWN_EVIDENCE
        if enough and (not about or tools & _OWN_EVIDENCE):
            return None
        question = work.question
        for name in names:
            if name in about:
                question = question if name.lower() in question.lower() else f"{question} ({name})"
            elif name == work.transaction_id and (all(call.asked for call in calls) or _about_rules(work.question)):
                question = re.sub(re.escape(name), "this payment", question, flags=re.IGNORECASE)
        return question

    def _is_named(self, name: str, work: "_Work") -> bool:
        if re.fullmatch(r"v\d+", name):
            return False
        hits = self._desk.index.search(name, k=1, as_of=work.as_of, collections=work.collections)
        return any(hit.named >= _NAMED_AT_ALL for hit in hits)

    def _behind(self, work: "_Work") -> Answer:
        """The passages that stand behind figures: run reports of the versions compared, notes of the near cases."""
        found: Answer | None = None
        for result in work.results:
            if result.tool in _WITH_REPORTS:
                found = reports(self._desk.index, result, work.collections)
            elif result.tool == "similar_cases":
                case = find_payment(self._desk, result.arguments["transaction_id"])
                near = self._desk.precedents(case)
                found = endings(self._desk.index, near, case.event_time, work.collections)
        return found or Answer("", "not_in_documents", (), "extractive", 0.0, index_version=self._desk.index.version)

    def _chooser(self, arm: Arm) -> ModelChooser:
        llm = arm.answerer.llm
        if llm not in self._choosers:
            self._choosers[llm] = ModelChooser(llm, self._desk.settings.ollama_url)
        return self._choosers[llm]

    def payment(self, word: str) -> bool:
        """Whether a word is the id of a payment."""
        try:
            return self._desk.store.alert_of(word) is not None or self._desk.history.find(word) is not None
        except Exception:
            # Without model or transactions the documents still answer; the page shows what is not ready.
            return False

    def account(self, word: str) -> bool:
        """Whether a word is a payer or payee of a known payment."""
        try:
            return is_account(self._desk, word)
        except Exception:
            return False

    def case_facts(self, transaction_id: str, user: User | None = None) -> CaseFacts | None:
        """All that is known of a payment; None where there is no such payment."""
        try:
            return case_facts(self._desk, transaction_id, user or local_user())
        except ToolError:
            return None


class _Work:
    """What the steps of one answer hand on."""

    def __init__(
        self,
        question: str,
        user: User,
        as_of: datetime | str | None,
        collections: Collection[str] | None,
        arm: Arm,
        context: Context,
    ) -> None:
        self.question = question
        self.user = user
        self.as_of = as_of
        self.collections = collections
        self.arm = arm
        self.context = context
        self.results: list[ToolResult] = []
        self.timed: list[Timed] = []
        self.told: list[str] = []
        self.notices: list[str] = []
        self.case: CaseFacts | None = None
        self.answer: Answer | None = None
        self.read = True
        # Whether documents name what the figures are about.
        self.about = False
        self.transaction_id = context.transaction_id

    def reply(self, elapsed_ms: float, asked: bool) -> Reply:
        """The reply, once everything is there."""
        assert self.answer is not None
        answer = self.answer
        beside = asked and answer.status == "partial" and not self.about
        if self.results and (answer.status == "not_in_documents" or beside):
            # The figures answer: words that the documents lack are no news, and what comes only close would distract.
            answer = replace(answer, notices=(), sentences=(), status="not_in_documents")
        return Reply(
            self.question,
            answer,
            self.case,
            tuple(self.results),
            tuple(self.told),
            self.read,
            asked and bool(self.results),
            tuple(self.notices),
            elapsed_ms,
            self.arm.name,
            self.transaction_id,
        )


def _traced(work: _Work, reply: Reply) -> Reply:
    """The reply with the id of its trace: that of the documents' answer, else one of its own for the figures."""
    if reply.answer.trace_id or not work.timed:
        return reply
    outputs = {"answer": reply.text, "status": reply.status, "arm": reply.arm}
    trace_id = trace_figures(work.arm.answerer.tracer, work.question, outputs, work.timed)
    return replace(reply, answer=replace(reply.answer, trace_id=trace_id)) if trace_id else reply


def _about_documents(question: str) -> bool:
    return _about_rules(question) or re.search(r"\bdocuments?\b", question, re.IGNORECASE) is not None


def _about_rules(question: str) -> bool:
    """Whether a question asks what holds for every payment; what notes say of one, only its id can find."""
    return re.search(r"\b(?:polic|guide|typolog|procedure|rule)", question, re.IGNORECASE) is not None


def _moment(as_of: datetime | str | None) -> datetime | None:
    if as_of is None or as_of == "":
        return None
    try:
        moment = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    except ValueError:
        # The search of the documents refuses it with a clear line.
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _count(hits: Sequence[object]) -> str:
    return "1 passage" if len(hits) == 1 else f"{len(hits)} passages"
