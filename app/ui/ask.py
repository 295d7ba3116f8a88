"""Page Ask: the user's conversations, the one that is open, and the evidence beside it.

The page only shows what the desk's database and the answers on their way hold, so that a reload, a second tab or a
dropped connection loses nothing. While an answer is written only its own part of the page is drawn anew.
"""

import logging
from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.access import User, user_of
from app.answering import LONGEST_QUESTION, Running
from app.conversations import UnknownConversationError
from app.desk import Desk
from app.errors import message_of
from app.ui.ask_view import citation_key, conversation, numbered, turn_view
from app.ui.events import sent_number, sent_text
from app.ui.evidence_view import evidence, excerpt_of
from app.ui.panel import panel
from app.ui.talk_list import LIST_JS, SHOWN, talk_list
from app.ui.talking import EVIDENCE_JS, TALK_JS, asked, body_of, follow, take_feedback, turns_of

log = logging.getLogger(__name__)

_EXAMPLES = (
    "What does the policy say about holding a payment over 10,000?",
    "Is the model drifting?",
    "How many alerts are open?",
    "How does a mule chain cash-out look in our payments?",
)
_SCROLL_JS = "watch('value', () => element.querySelector('.fd-question')?.scrollIntoView({ block: 'start' }));"
_LAST_JS = """
watch('value', () => [...element.querySelectorAll('.fd-question')].at(-1)?.scrollIntoView({ block: 'start' }));
"""
Shown = tuple[Any, ...]


class AskPage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    @staticmethod
    def remembered() -> gr.BrowserState:
        """What the browser keeps: the id of its conversation; the conversation itself is in the desk's database.

        Stands outside the tabs, since a browser reads only what is on the page it shows first.
        """
        return gr.BrowserState("", storage_key="frauddesk.conversation", secret="conversation")

    def build(self, demo: gr.Blocks, current: gr.BrowserState) -> None:
        """Lays the page out and wires it."""
        with gr.Row(elem_classes="fd-ask-page", equal_height=False):
            with gr.Column(scale=20, min_width=210, elem_classes="fd-pane fd-pane-talks"):
                side = panel(elem_id="ask-list", js_on_load=LIST_JS)
            with gr.Column(scale=46, min_width=420, elem_classes="fd-pane fd-pane-talk"):
                talk = panel(elem_id="ask-talk", js_on_load=TALK_JS + _LAST_JS)
                live = panel(elem_id="ask-live", js_on_load=_SCROLL_JS)
                with gr.Row(elem_classes="fd-ask-line"):
                    question = gr.Textbox(
                        elem_id="ask-question",
                        label="Question",
                        show_label=False,
                        placeholder="Ask about a policy or a payment",
                        max_length=LONGEST_QUESTION,
                        lines=1,
                        max_lines=6,
                        scale=8,
                        container=False,
                    )
                    send = gr.Button("Ask", variant="primary", scale=1, min_width=72, elem_id="ask-send")
                    stop = gr.Button("Stop", scale=1, min_width=72, elem_id="ask-stop")
            with gr.Column(scale=34, min_width=320, elem_classes="fd-pane fd-pane-evidence"):
                proof = panel(elem_id="ask-evidence", js_on_load=EVIDENCE_JS)
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 16}
        parts = [current, side, talk, live, proof]
        asking = [
            demo.load(self.start, [current], parts, **quiet),
            gr.on([send.click, question.submit], self.ask, [question, current], [question, *parts], **quiet),
            talk.example(self.ask_example, [current], [question, *parts], **quiet),
        ]
        # Who opens another conversation no longer follows this one's answer, which is finished all the same.
        asking.append(side.open(self.open, None, parts, cancels=asking, **quiet))
        side.fresh(self.fresh, None, parts, cancels=asking, **quiet)
        side.remove(self.remove, [current], parts, cancels=asking, **quiet)
        side.find(self.find, [current], [side], **quiet)
        side.rename(self.rename, [current], [side], **quiet)
        stop.click(self.stop, [current], None, **quiet)
        talk.cite(self.cite, None, [proof], **quiet)
        proof.cite(self.cite, None, [proof], **quiet)
        talk.feedback(self.feedback, None, None, **quiet)

    def start(self, current: str, request: gr.Request) -> Iterator[Shown]:
        """The page as it opens: the conversation that this browser had, or examples."""
        yield from self._opened(user_of(request), current)

    def open(self, event: gr.EventData, request: gr.Request) -> Iterator[Shown]:
        """One conversation of the list; an answer on its way is followed."""
        yield from self._opened(user_of(request), sent_text(event, "id", 64))

    def fresh(self, request: gr.Request) -> Shown:
        """A new conversation; it is stored with its first question."""
        user = user_of(request)
        return "", self._side(user, ""), self._talk(user, ""), "", evidence(None, 0)

    def remove(self, current: str, event: gr.EventData, request: gr.Request) -> Shown:
        """Deletes a conversation."""
        user, gone = user_of(request), sent_text(event, "id", 64)
        running = self.desk.answering.of_conversation(gone)
        try:
            self.desk.store.conversations.delete(gone, user.name)
        except UnknownConversationError as error:
            raise gr.Error("That conversation is not there any more.") from error
        if running is not None:
            self.desk.answering.stop(running)
        self.desk.store.trail.record(user, "delete", f"conversation {gone}")
        if gone != current:
            return gr.skip(), self._side(user, current), gr.skip(), gr.skip(), gr.skip()
        return "", self._side(user, ""), self._talk(user, ""), "", evidence(None, 0)

    def find(self, current: str, event: gr.EventData, request: gr.Request) -> str:
        """The conversations that hold some words."""
        return self._side(user_of(request), current, sent_text(event, "words", 200))

    def rename(self, current: str, event: gr.EventData, request: gr.Request) -> str:
        """Another title."""
        user = user_of(request)
        try:
            self.desk.store.conversations.rename(sent_text(event, "id", 64), user.name, sent_text(event, "title", 200))
        except UnknownConversationError as error:
            raise gr.Error("That conversation is not there any more.") from error
        return self._side(user, current)

    def stop(self, current: str, request: gr.Request) -> None:
        """Ends the answer on its way; who follows it sees what is there."""
        user = user_of(request)
        running = self._running(user, current)
        if running is not None:
            self.desk.answering.stop(running)

    def ask_example(self, current: str, event: gr.EventData, request: gr.Request) -> Iterator[Shown]:
        """One of the examples, asked; or a question asked again."""
        yield from self.ask(asked(event), current, request)

    def ask(self, question: str, current: str, request: gr.Request) -> Iterator[Shown]:
        """Stores the question, then shows each step of the answer as it comes."""
        user = user_of(request)
        if not question.strip():
            yield gr.skip(), *(gr.skip() for _ in range(5))
            return
        if self._running(user, current) is not None:
            gr.Warning("The last question is still being answered; stop it first.")
            yield gr.skip(), *(gr.skip() for _ in range(5))
            return
        try:
            running = self._begun(user, question, current)
        except Exception as error:
            gr.Warning(message_of(error))
            yield gr.skip(), *(gr.skip() for _ in range(5))
            return
        key = running.conversation_id
        # A first answer takes the place of the examples; after that, what stands above stays as it is.
        above = gr.skip() if current == key else ""
        yield "", key, self._side(user, key), above, gr.skip(), gr.skip()
        for shown in self._followed(user, running):
            yield gr.skip(), *shown

    def cite(self, event: gr.EventData, request: gr.Request) -> str:
        """The evidence of an answer, one passage of it shown in its document."""
        user = user_of(request)
        turn, number = int(sent_number(event, "turn")), int(sent_number(event, "number"))
        return cited(self.desk, user, turn, number)

    def feedback(self, event: gr.EventData, request: gr.Request) -> None:
        """Stores what the reader thinks of an answer."""
        take_feedback(self.desk, user_of(request), event)

    def _begun(self, user: User, question: str, current: str) -> Running:
        try:
            return self.desk.answering.ask(user, question, current)
        except UnknownConversationError:
            # Deleted in another tab, or another user's: the question begins a conversation of its own.
            return self.desk.answering.ask(user, question)

    def _opened(self, user: User, current: str) -> Iterator[Shown]:
        try:
            known = bool(current) and bool(self.desk.store.conversations.get(current, user.name))
        except UnknownConversationError:
            known = False
        current = current if known else ""
        running = self._running(user, current)
        turns = turns_of(self.desk, user, current)
        latest = turns[-1] if turns else None
        proof = evidence(latest.body if latest else None, (latest.message_id or 0) if latest else 0)
        above = conversation(turns, self._examples() if not turns and running is None else [])
        if not turns and running is not None:
            above = ""
        yield current, self._side(user, current), above, "", proof
        if running is not None:
            yield from self._followed(user, running)

    def _followed(self, user: User, running: Running) -> Iterator[Shown]:
        key = running.conversation_id
        for turn in follow(running):
            shown = f"<div class='fd-talk' aria-live='off'>{turn_view(turn)}</div>"
            yield gr.skip(), gr.skip(), gr.skip(), shown, gr.skip()
        turns = turns_of(self.desk, user, key)
        last = turns[-1] if turns else None
        proof = evidence(last.body if last else None, (last.message_id or 0) if last else 0)
        yield key, self._side(user, key), conversation(turns, []), "", proof

    def _running(self, user: User, current: str) -> Running | None:
        running = self.desk.answering.of_conversation(current) if current else None
        if running is None:
            return None
        try:
            self.desk.store.conversations.get(current, user.name)
        except UnknownConversationError:
            return None
        return running

    def _side(self, user: User, current: str, words: str = "") -> str:
        return talk_list(self.desk.store.conversations.recent(user.name, SHOWN, words), current, words)

    def _talk(self, user: User, current: str) -> str:
        turns = turns_of(self.desk, user, current)
        return conversation(turns, self._examples() if not turns else [])

    def _examples(self) -> list[str]:
        examples = list(_EXAMPLES)
        versions = self._versions()
        if len(versions) > 1:
            examples.append(f"Why did precision change between v{versions[1]} and v{versions[0]}?")
        return [
            *(f"Why was {item.transaction_id} flagged?" for item in self.desk.store.alerts(limit=1).items),
            *examples,
        ]

    def _versions(self) -> list[str]:
        if self.desk.model_version is None:
            # The page must not wait for the model.
            return []
        try:
            return [info.version for info in self.desk.registry.versions()[:2]]
        except Exception as error:
            log.warning("no example about models: %s", error)
            return []


def cited(desk: Desk, user: User, turn: int, number: int) -> str:
    """The evidence of one of the user's answers, with the passage of one citation shown in its document."""
    body = body_of(desk, user, turn)
    if body is None:
        return evidence(None, turn)
    citation = next((c for place, c in _numbered(body) if place == number), None)
    excerpt = excerpt_of(desk, user, citation) if citation is not None else None
    return evidence(body, turn, number, excerpt)


def _numbered(body: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    numbers = numbered(body)
    return [(numbers[citation_key(c)], c) for sentence in body["sentences"] for c in sentence["citations"]]
