"""Page Ask: a conversation with the documents, the evidence beside it; a question is stored before its answer."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from app.desk import Desk, local_analyst
from app.errors import message_of
from app.ui.ask_view import Turn, conversation, evidence, payload_of
from app.ui.events import sent, sent_number, sent_text
from app.ui.panel import panel
from retrieval.masking import mask

log = logging.getLogger(__name__)

_LONGEST_QUESTION = 2_000
# Pieces of an answer come faster than anybody reads; the page is drawn at most this often.
_REDRAW_SECONDS = 0.1
_EXAMPLES = (
    "What does the policy say about holding a payment over 10,000?",
    "How does a mule chain cash-out look in our payments?",
    "What do we need before calling a payment legitimate?",
)

_TALK_JS = """
const scroll = () => [...element.querySelectorAll('.fd-question')].at(-1)?.scrollIntoView({ block: 'start' });
element.addEventListener('click', (event) => {
  const example = event.target.closest('[data-ask]'), cite = event.target.closest('[data-evidence]');
  const helpful = event.target.closest('[data-helpful]');
  if (example) trigger('example', { question: example.dataset.ask });
  if (cite) {
    const panel = document.querySelector('#ask-evidence .fd-evidence');
    if (panel?.dataset.turn === cite.dataset.turn) {
      panel.querySelectorAll('li').forEach((card) => card.setAttribute('aria-current',
        String(card.dataset.number === cite.dataset.evidence)));
      const card = panel.querySelector(`[data-number="${cite.dataset.evidence}"]`);
      card?.scrollIntoView({ block: 'nearest' }); card?.focus({ preventScroll: true });
    } else trigger('cite', { turn: Number(cite.dataset.turn), number: Number(cite.dataset.evidence) });
  }
  if (helpful) {
    const box = helpful.closest('[data-message]');
    trigger('feedback', { message: Number(box.dataset.message), helpful: helpful.dataset.helpful === '1' });
    box.querySelectorAll('button').forEach((button) => { button.disabled = true; });
    box.querySelector('span').textContent = 'Thank you, noted.';
  }
});
watch('value', scroll);
"""


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
        turns = gr.State([])
        with gr.Row(elem_classes="fd-ask-page", equal_height=False):
            with gr.Column(scale=58, min_width=480, elem_classes="fd-pane"):
                talk = panel(elem_id="ask-talk", js_on_load=_TALK_JS)
                with gr.Row(elem_classes="fd-ask-line"):
                    question = gr.Textbox(
                        elem_id="ask-question",
                        label="Question",
                        show_label=False,
                        placeholder="Ask about a policy, a case or a payment id",
                        max_length=_LONGEST_QUESTION,
                        lines=1,
                        max_lines=6,
                        scale=8,
                        container=False,
                    )
                    send = gr.Button("Ask", variant="primary", scale=1, min_width=80, elem_id="ask-send")
                    stop = gr.Button("Stop", scale=1, min_width=80)
                    fresh = gr.Button("New", scale=1, min_width=80)
            with gr.Column(scale=42, min_width=360, elem_classes="fd-pane fd-pane-evidence"):
                proof = panel(elem_id="ask-evidence")
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 8}
        shown_parts = [turns, current, talk, proof]
        demo.load(self.start, [current], shown_parts, **quiet)
        asking = [
            gr.on(
                [send.click, question.submit],
                self.ask,
                [question, turns, current],
                [question, *shown_parts],
                concurrency_id="ask",
                **{**quiet, "concurrency_limit": 4},
            ),
            talk.example(
                self.ask_example,
                [turns, current],
                [question, *shown_parts],
                concurrency_id="ask",
                **{**quiet, "concurrency_limit": 4},
            ),
        ]
        stop.click(self.stopped, [turns], [turns, talk], cancels=asking, **quiet)
        fresh.click(self.fresh, None, shown_parts, cancels=asking, **quiet)
        talk.cite(self.cite, [turns], [proof], **quiet)
        talk.feedback(self.feedback, [turns], None, **quiet)

    def start(self, current: str) -> tuple[list[Turn], str, str, str]:
        """The page as it opens: the conversation that this browser had, or examples."""
        turns = self._stored(current) if current else []
        return turns, current if turns else "", self._talk(turns), self._proof(turns)

    def fresh(self) -> tuple[list[Turn], str, str, str]:
        """A new conversation."""
        return [], "", self._talk([]), evidence(None, 0)

    def stopped(self, turns: list[Turn]) -> tuple[list[Turn], str]:
        """An answer that nobody waits for any more."""
        turns = [turn if turn.body or turn.error else replace(turn, error="Stopped.") for turn in turns]
        return turns, self._talk(turns)

    def ask_example(self, turns: list[Turn], current: str, event: gr.EventData) -> Iterator[tuple[Any, ...]]:
        """One of the examples, asked."""
        yield from self.ask(sent_text(event, "question", _LONGEST_QUESTION), turns, current)

    def ask(self, question: str, turns: list[Turn], current: str) -> Iterator[tuple[Any, ...]]:
        """Stores the question, then shows each step of the answer as it comes."""
        question = question.strip()[:_LONGEST_QUESTION]
        if not question:
            yield "", turns, current, gr.skip(), gr.skip()
            return
        conversations = self.desk.store.conversations
        if not current or not conversations.messages(current, local_analyst()):
            current = conversations.start(local_analyst(), mask(question).text)
        # Kept without card numbers, account numbers and addresses that may stand in a question.
        conversations.add(current, "user", mask(question).text)
        before = list(turns)
        turn = Turn(question, step="Reading the question")
        yield "", [*before, turn], current, self._talk([*before, turn]), gr.skip()
        try:
            shown_at = 0.0
            for step in self.desk.ask_steps(question):
                if step.reply is None:
                    turn = replace(turn, step=step.text, said=step.said)
                    if step.said and time.monotonic() - shown_at < _REDRAW_SECONDS:
                        continue
                    shown_at = time.monotonic()
                else:
                    body = payload_of(step.reply)
                    key = conversations.add(current, "assistant", step.reply.answer.answer, body)
                    turn = replace(turn, body=body, message_id=key)
                shown_now = [*before, turn]
                yield "", shown_now, current, self._talk(shown_now), self._proof(shown_now)
        except Exception as error:
            turn = replace(turn, error=message_of(error))
            shown_now = [*before, turn]
            yield "", shown_now, current, self._talk(shown_now), self._proof(shown_now)

    def cite(self, turns: list[Turn], event: gr.EventData) -> str:
        """The evidence of an earlier answer."""
        place, number = int(sent_number(event, "turn")), int(sent_number(event, "number"))
        return evidence(turns[place].body if 0 <= place < len(turns) else None, place, number)

    def feedback(self, turns: list[Turn], event: gr.EventData) -> None:
        """Stores whether an answer helped; only answers of this conversation take it."""
        key = int(sent_number(event, "message"))
        turn = next((turn for turn in turns if turn.message_id == key), None)
        if turn is None:
            raise gr.Error("That answer is not in this conversation.")
        self.desk.store.conversations.add_feedback(
            bool(sent(event, "helpful")), local_analyst(), message_id=key, question=turn.question
        )

    def _stored(self, current: str) -> list[Turn]:
        turns: list[Turn] = []
        for message in self.desk.store.conversations.messages(current, local_analyst()):
            if message.role == "user":
                turns.append(Turn(message.content, error="This question was not answered; ask it again."))
            elif turns:
                turns[-1] = replace(turns[-1], body=message.payload, error="", message_id=message.id)
        return turns

    def _talk(self, turns: list[Turn]) -> str:
        return conversation(turns, self._examples() if not turns else [])

    def _examples(self) -> list[str]:
        page = self.desk.store.alerts(limit=1)
        return [*_EXAMPLES, *(f"Why was {item.transaction_id} flagged?" for item in page.items)]

    def _proof(self, turns: list[Turn]) -> str:
        return evidence(turns[-1].body if turns else None, len(turns) - 1)
