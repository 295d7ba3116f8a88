"""The assistant beside a case: the same answers as on page Ask, with the case's payment at hand.

assistant = CasePanel(desk)
assistant.build(opened, lambda view: view.selected)
"""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.access import User, user_of
from app.answering import LONGEST_QUESTION, Running
from app.desk import Desk
from app.errors import message_of
from app.store_errors import NotFoundError
from app.ui.ask import cited
from app.ui.ask_view import Turn, conversation, turn_view
from app.ui.events import sent_number
from app.ui.evidence_view import evidence
from app.ui.panel import panel
from app.ui.talking import EVIDENCE_JS, TALK_JS, asked, follow, take_feedback, turns_of

_EXAMPLES = (
    "Why was this payment flagged?",
    "Have we seen this payee before?",
    "Cases like this one, and how they ended?",
    "What does the policy say about holding this payment?",
)
_HERE_JS = "element.dataset.field = '#case-question textarea';"
Shown = tuple[Any, ...]


class CasePanel:
    """Builds the part and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, opened: gr.State, alert_of: Callable[[Any], int | None]) -> None:
        """Lays the part out where it is called, and follows which case is open.

        Args:
            opened: Holds what is open; each change brings the conversation of that case.
            alert_of: The alert's id in that state; None where none is open.
        """
        self._alert_of = alert_of
        with gr.Column(elem_classes="fd-case-ask"):
            talk = panel(elem_id="case-talk", js_on_load=_HERE_JS + TALK_JS)
            live = panel(elem_id="case-live")
            with gr.Row(elem_classes="fd-ask-line"):
                question = gr.Textbox(
                    elem_id="case-question",
                    elem_classes="case-question",
                    label="Question about this case",
                    show_label=False,
                    placeholder="Ask about this case",
                    max_length=LONGEST_QUESTION,
                    lines=1,
                    max_lines=4,
                    scale=8,
                    container=False,
                )
                send = gr.Button("Ask", scale=1, min_width=64, elem_id="case-send")
            proof = panel(elem_id="case-evidence", js_on_load=EVIDENCE_JS)
        parts = [talk, live, proof]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 16}
        asking = [
            gr.on([send.click, question.submit], self.ask, [question, opened], [question, *parts], **quiet),
            talk.example(self.ask_example, [opened], [question, *parts], **quiet),
        ]
        opened.change(self.open, [opened], parts, cancels=asking, **quiet)
        talk.cite(self.cite, None, [proof], **quiet)
        proof.cite(self.cite, None, [proof], **quiet)
        talk.feedback(self.feedback, None, None, **quiet)

    def open(self, opened: Any, request: gr.Request) -> Iterator[Shown]:
        """The conversation of the case that is open now, or examples; an answer on its way is followed."""
        user = user_of(request)
        payment = self._payment(opened)
        if not payment:
            yield "", "", ""
            return
        running = self._running(user, payment)
        if running is None:
            yield self._talk(user, payment), "", ""
            return
        turns = turns_of(self.desk, user, running.conversation_id)
        yield conversation(turns, []) if turns else "", "", ""
        yield from self._followed(user, running)

    def ask_example(self, opened: Any, event: gr.EventData, request: gr.Request) -> Iterator[Shown]:
        """One of the examples, asked; or a question asked again."""
        yield from self.ask(asked(event), opened, request)

    def ask(self, question: str, opened: Any, request: gr.Request) -> Iterator[Shown]:
        """Stores the question in the case's conversation, then shows each step of its answer."""
        user = user_of(request)
        payment = self._payment(opened)
        nothing = (gr.skip(), gr.skip(), gr.skip(), gr.skip())
        if not question.strip() or not payment:
            yield nothing
            return
        if self._running(user, payment) is not None:
            gr.Warning("The last question is still being answered.")
            yield nothing
            return
        try:
            title = f"{payment}: {question.strip()}"
            running = self.desk.answering.ask(user, question, self._conversation(user, payment), payment, title=title)
        except Exception as error:
            gr.Warning(message_of(error))
            yield nothing
            return
        first = not turns_of(self.desk, user, running.conversation_id)
        yield "", "" if first else gr.skip(), _on_the_way(Turn(running.question, step=running.now.steps[-1])), gr.skip()
        for shown in self._followed(user, running):
            yield gr.skip(), *shown

    def _followed(self, user: User, running: Running) -> Iterator[Shown]:
        for turn in follow(running):
            yield gr.skip(), _on_the_way(turn), gr.skip()
        turns = turns_of(self.desk, user, running.conversation_id)
        last = turns[-1] if turns else None
        proof = evidence(last.body if last else None, (last.message_id or 0) if last else 0)
        yield conversation(turns, []), "", proof

    def cite(self, event: gr.EventData, request: gr.Request) -> str:
        """The evidence of an answer, one passage of it shown in its document."""
        return cited(self.desk, user_of(request), int(sent_number(event, "turn")), int(sent_number(event, "number")))

    def feedback(self, event: gr.EventData, request: gr.Request) -> None:
        """Stores what the reader thinks of an answer."""
        take_feedback(self.desk, user_of(request), event)

    def _talk(self, user: User, payment: str) -> str:
        turns = turns_of(self.desk, user, self._conversation(user, payment))
        return conversation(turns, _EXAMPLES if not turns else (), "Ask about this case")

    def _conversation(self, user: User, payment: str) -> str:
        found = self.desk.store.conversations.latest_titled(user.name, f"{payment}: ")
        return found.id if found is not None else ""

    def _running(self, user: User, payment: str) -> Running | None:
        current = self._conversation(user, payment)
        return self.desk.answering.of_conversation(current) if current else None

    def _payment(self, opened: Any) -> str:
        """The payment of the open case; empty where none is open."""
        alert_id = self._alert_of(opened)
        if alert_id is None:
            return ""
        try:
            return self.desk.store.alert(alert_id).transaction_id
        except NotFoundError:
            return ""


def _on_the_way(turn: Turn) -> str:
    return f"<div class='fd-talk' aria-live='off'>{turn_view(turn)}</div>"
