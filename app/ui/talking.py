"""What the page Ask and the assistant beside a case share: the turns of a conversation, and following an answer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.access import User
from app.answering import LONGEST_QUESTION, Running, Snapshot
from app.conversations import UnknownConversationError
from app.feedback import give_feedback
from app.records import Message
from app.ui.ask_view import Turn
from app.ui.events import sent, sent_number, sent_text, shown

if TYPE_CHECKING:
    from app.desk import Desk

TALK_JS = """
const area = () => document.querySelector(element.dataset.field || '#ask-question textarea');
const put = (text) => {
  const field = area();
  if (!field) return;
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(field, text);
  field.dispatchEvent(new Event('input', { bubbles: true }));
  field.focus();
};
const questionOf = (node) => {
  let at = node.closest('.fd-question') || node.closest('.fd-answer');
  while (at && !at.matches('.fd-question')) at = at.previousElementSibling;
  return at?.dataset.question || '';
};
const say = (box, words) => { box.querySelector('[role=status]').textContent = words; };
element.addEventListener('click', (event) => {
  const hit = (selector) => event.target.closest(selector);
  const example = hit('[data-ask]'), cite = hit('[data-evidence]'), helpful = hit('[data-helpful]');
  if (example) trigger('example', { question: example.dataset.ask });
  if (hit('[data-edit]')) put(questionOf(hit('[data-edit]')));
  if (hit('[data-again]')) trigger('example', { question: questionOf(hit('[data-again]')) });
  if (cite) trigger('cite', { turn: Number(cite.dataset.turn), number: Number(cite.dataset.evidence) });
  const box = event.target.closest('[data-message]');
  if (hit('[data-correct]')) {
    const form = box.querySelector('form');
    form.hidden = !form.hidden;
    hit('[data-correct]').setAttribute('aria-expanded', String(!form.hidden));
    if (!form.hidden) form.querySelector('textarea').focus();
  }
  if (helpful) {
    trigger('feedback', { message: Number(box.dataset.message), helpful: helpful.dataset.helpful === '1' });
    box.querySelectorAll('[data-helpful]').forEach((one) => one.setAttribute('aria-pressed', String(one === helpful)));
    say(box, 'Thank you, noted.');
  }
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  const box = event.target.closest('[data-message]'), words = event.target.correction.value.trim();
  if (!words) return;
  trigger('feedback', { message: Number(box.dataset.message), helpful: false, correction: words });
  event.target.hidden = true;
  box.querySelector('[data-correct]').setAttribute('aria-expanded', 'false');
  say(box, 'Correction noted, thank you.');
});
"""
"""Clicks in a conversation; where there is a live part below it, the same for that."""

EVIDENCE_JS = """
element.addEventListener('click', (event) => {
  const open = event.target.closest('[data-open]');
  if (open) trigger('cite', { turn: Number(open.dataset.turn), number: Number(open.dataset.open) });
});
watch('value', () => {
  const card = element.querySelector('li[aria-current=true]');
  if (!card) return;
  const box = card.querySelector('.fd-document'), mark = card.querySelector('mark');
  if (box && mark) {
    const above = mark.getBoundingClientRect().top - box.getBoundingClientRect().top;
    box.scrollTop += above - box.clientHeight / 3;
  }
  card.scrollIntoView({ block: 'nearest' });
  card.focus({ preventScroll: true });
});
"""


def turns_of(desk: "Desk", user: User, conversation_id: str) -> list[Turn]:
    """The turns of one of the user's conversations, without the one that is being answered; none of another's."""
    messages = desk.store.conversations.messages(conversation_id, user.name) if conversation_id else []
    ids = [message.id for message in messages if message.role == "assistant"]
    thought = desk.store.conversations.feedback_on(ids, user.name) if ids else {}
    turns: list[Turn] = []
    for message in messages:
        if message.role == "user":
            turns.append(Turn(message.content, error="This question was not answered."))
        elif turns:
            state = desk.answering.state_of(message)
            if state == "writing":
                turns.pop()
            else:
                turns[-1] = _turn(turns[-1].question, message, state, thought.get(message.id))
    return turns


def _turn(question: str, message: Message, state: str, helpful: bool | None) -> Turn:
    payload = message.payload
    if state == "done":
        return Turn(question, payload, message_id=message.id, helpful=helpful)
    return Turn(
        question,
        error=str(payload.get("error", "")),
        said=str(payload.get("said", "")),
        results=payload.get("tool_results", ()),
        message_id=message.id,
        state=state,
    )


def turn_on_the_way(question: str, now: Snapshot) -> Turn:
    """An answer as it stands."""
    return Turn(
        question,
        step=now.steps[-1] if now.steps else "",
        steps=now.steps,
        said=now.said,
        results=now.payload.get("tool_results", ()),
        state="writing",
    )


def follow(running: Running) -> Iterator[Turn]:
    """The turn each time that it has changed; nothing more once the answer is complete."""
    for now in running.follow():
        if now.state == "writing":
            yield turn_on_the_way(running.question, now)


def asked(event: gr.EventData) -> str:
    """The question that a click asks."""
    return sent_text(event, "question", LONGEST_QUESTION)


def body_of(desk: "Desk", user: User, message_id: int) -> dict[str, Any] | None:
    """The stored answer of one of the user's messages; None where there is none."""
    try:
        message = desk.store.conversations.message(message_id, user.name)
    except UnknownConversationError:
        return None
    return message.payload if desk.answering.state_of(message) == "done" and message.role == "assistant" else None


def take_feedback(desk: "Desk", user: User, event: gr.EventData) -> None:
    """Stores what the user thinks of one of their answers."""
    try:
        give_feedback(
            desk,
            user,
            bool(sent(event, "helpful")),
            message_id=int(sent_number(event, "message")),
            correction=sent_text(event, "correction"),
        )
    except UnknownConversationError as error:
        raise gr.Error("That answer is not in one of your conversations.") from error
    except gr.Error:
        raise
    except Exception as error:
        raise shown(error) from error
