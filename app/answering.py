"""Answers on their way: each is written by a thread of its own, whoever still looks at it.

    running = desk.answering.ask(user, "What is a mule chain?")
    for now in running.follow():
        show(now)

The question is stored first. What the answer is so far is stored about once a second: a page that is reloaded, a second
tab, a dropped connection find it again and go on following; after a restart it stands as interrupted.
"""

import contextvars
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from app.access import User
from app.assistant import Reply, Step
from app.conversations import DONE, FAILED, STOPPED, WRITING
from app.errors import RefusedError, message_of
from app.records import Message
from retrieval.masking import mask

if TYPE_CHECKING:
    from app.desk import Desk

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Answers that are written at the same time; more wait for their turn."""

WAITING = 60
"""Questions that may wait; a further one is refused."""

CHECKPOINT_SECONDS = 1.0
FOLLOW_SECONDS = 0.15
"""How often a page is told: words come faster than anybody reads."""

LONGEST_QUESTION = 2_000


@dataclass(frozen=True)
class Snapshot:
    """An answer as it stands.

    Attributes:
        state: writing, done, stopped or failed.
        steps: What was done so far, in words.
        said: What the answerer said so far, unchecked.
        payload: All that is stored of it; with state done the reply's JSON with its passages.
        error: With state failed, one sentence.
        reply: With state done.
        failure: With state failed, what went wrong.
    """

    state: str = WRITING
    steps: tuple[str, ...] = ()
    said: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    reply: Reply | None = None
    failure: Exception | None = None


class Running:
    """One answer on its way. Any number may follow it."""

    def __init__(self, conversation_id: str, message_id: int, question: str) -> None:
        self.conversation_id = conversation_id
        self.message_id = message_id
        self.question = question
        self.now = Snapshot(steps=("Reading the question",))
        # Held while something of it is stored, so that nothing is stored after its end.
        self.storing = threading.Lock()
        self.ended = False
        self._changed = threading.Condition()

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self.now.state != WRITING

    def follow(self, seconds: float = FOLLOW_SECONDS) -> Iterator[Snapshot]:
        """What it is, each time it has changed, at most once in `seconds`; the last one is final."""
        shown: Snapshot | None = None
        while True:
            with self._changed:
                if self.now is shown and not self.finished:
                    self._changed.wait(1.0)
                now = self.now
            if now is not shown:
                shown = now
                yield now
            if now.state != WRITING:
                return
            time.sleep(seconds)

    def wait(self, seconds: float | None = None) -> Snapshot:
        """The final state; what is there by then where it takes longer."""
        with self._changed:
            self._changed.wait_for(lambda: self.finished, seconds)
        return self.now

    def put(self, snapshot: Snapshot) -> bool:
        """Takes the next state, unless it has ended already; whether it was taken."""
        with self._changed:
            if self.finished:
                return False
            self.now = snapshot
            self._changed.notify_all()
            return True


class Answering:
    """The answers of one desk. Safe to use from several threads."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._running: dict[int, Running] = {}
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(AT_ONCE)

    def ask(
        self,
        user: User,
        question: str,
        conversation_id: str = "",
        transaction_id: str = "",
        as_of: str | None = None,
        title: str = "",
    ) -> Running:
        """Stores a question and begins its answer.

        Args:
            user: Who asks.
            question: In plain words.
            conversation_id: One of this user's; a new one is begun where empty.
            transaction_id: The payment at hand.
            as_of: Only what was known by then.
            title: Of a new conversation; the question where empty.

        Raises:
            UnknownConversationError: there is no such conversation of this user.
            RefusedError: too many questions wait already.
        """
        user.require("ask")
        question = question.strip()[:LONGEST_QUESTION]
        kept = mask(question).text
        talks = self._desk.store.conversations
        with self._lock:
            if len(self._running) >= AT_ONCE + WAITING:
                raise RefusedError("too many questions wait for an answer; ask again in a moment", 503, "busy")
        earlier = self._earlier(conversation_id, user) if conversation_id else ""
        # Kept without card numbers, account numbers and addresses that may stand in a question.
        conversation_id = conversation_id or talks.start(user.name, title or kept)
        opening = {"question": kept} | ({"transaction_id": transaction_id} if transaction_id else {})
        _, message_id = talks.add_question(conversation_id, user.name, kept, opening)
        running = Running(conversation_id, message_id, question)
        with self._lock:
            self._running[message_id] = running
        work = contextvars.copy_context()
        arguments = (running, user, transaction_id, as_of, earlier)
        threading.Thread(target=work.run, args=(self._write, *arguments), name="answer", daemon=True).start()
        return running

    def running(self, message_id: int) -> Running | None:
        """The answer being written into a message; None where nobody writes it."""
        with self._lock:
            return self._running.get(message_id)

    def of_conversation(self, conversation_id: str) -> Running | None:
        """The answer being written in a conversation; None where there is none."""
        with self._lock:
            found = [entry for entry in self._running.values() if entry.conversation_id == conversation_id]
        return found[-1] if found else None

    def stop(self, running: Running) -> None:
        """Ends an answer at once, however long its model still takes; what is there stays."""
        now = running.now
        self._end(running, replace(now, state=STOPPED, payload=now.payload | {"state": STOPPED}))

    def stop_all(self) -> None:
        """Ends every answer."""
        with self._lock:
            all_running = list(self._running.values())
        for running in all_running:
            self.stop(running)

    def state_of(self, message: Message) -> str:
        """What became of a stored answer; `interrupted` for one that nobody writes any more."""
        state = str(message.payload.get("state", DONE))
        return "interrupted" if state == WRITING and self.running(message.id) is None else state

    def _earlier(self, conversation_id: str, user: User) -> str:
        """The payment that a conversation was about last."""
        messages = self._desk.store.conversations.messages(conversation_id, user.name)
        named = (str(message.payload.get("transaction_id") or "") for message in reversed(messages))
        return next((name for name in named if name), "")

    def _write(self, running: Running, user: User, transaction_id: str, as_of: str | None, earlier: str) -> None:
        final = Snapshot(FAILED, error="The answer could not be written.")
        try:
            with self._turns:
                final = self._steps(running, user, transaction_id, as_of, earlier)
        except Exception as error:
            kept = {**running.now.payload, "state": FAILED, "error": message_of(error)}
            final = replace(running.now, state=FAILED, error=message_of(error), payload=kept, failure=error)
        self._end(running, final)

    def _end(self, running: Running, final: Snapshot) -> None:
        """Stores the final state before anybody is told of it; of two that end an answer the first counts."""
        content = final.reply.text if final.reply is not None else final.said
        with running.storing:
            if running.ended:
                return
            running.ended = True
            try:
                self._desk.store.conversations.write(running.message_id, content, final.payload)
            except Exception as error:
                log.error("the answer in message %s is not stored: %s", running.message_id, error)
        with self._lock:
            self._running.pop(running.message_id, None)
        running.put(final)

    def _steps(self, running: Running, user: User, transaction_id: str, as_of: str | None, earlier: str) -> Snapshot:
        desk = self._desk
        arm = desk.arms.choose(running.conversation_id)
        base: dict[str, Any] = {"arm": arm.name, "question": mask(running.question).text} | (
            {"transaction_id": transaction_id} if transaction_id else {}
        )
        now, stored_at = Snapshot(steps=running.now.steps), time.monotonic()
        given = transaction_id or None
        for step in desk.ask_steps(running.question, given, as_of, user=user, earlier=earlier, arm=arm):
            if step.reply is not None:
                done = base | payload_of(step.reply) | {"state": DONE}
                return replace(now, state=DONE, reply=step.reply, payload=done)
            now = _after(now, step, base)
            if running.ended or not running.put(now):
                return running.now
            if time.monotonic() - stored_at > CHECKPOINT_SECONDS:
                with running.storing:
                    if not running.ended:
                        desk.store.conversations.write(running.message_id, now.said, now.payload)
                stored_at = time.monotonic()
        raise RuntimeError("the steps of an answer ended without a reply")


def _after(now: Snapshot, step: Step, base: dict[str, Any]) -> Snapshot:
    steps = now.steps if not step.text or step.text == now.steps[-1] else (*now.steps, step.text)
    results = [*now.payload.get("tool_results", ())]
    if step.result is not None:
        results.append(step.result.to_dict())
    said = step.said if step.kind == "writing" else now.said
    payload = base | {"state": WRITING, "steps": list(steps), "said": said, "tool_results": results}
    return Snapshot(WRITING, steps, said, payload)


def payload_of(reply: Reply) -> dict[str, Any]:
    """All that is needed to show a reply again later: its JSON and the passages that it cites."""
    cited = {c.passage_id for sentence in reply.answer.sentences for c in sentence.citations}
    passages = {
        hit.passage_id: {
            "title": hit.title,
            "text": hit.text,
            "start": hit.start,
            "collection": str(hit.metadata.get("collection", "")),
            "dated": str(hit.metadata.get("closed") or hit.metadata.get("published") or ""),
        }
        for hit in reply.answer.hits
        if hit.passage_id in cited
    }
    body = reply.to_dict() | {"passages": passages, "quoted": not reply.read, "asked": reply.asked}
    return body | ({"transaction_id": reply.transaction_id} if reply.transaction_id else {})
