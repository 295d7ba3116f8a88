"""The side list of page Ask: the user's conversations, found by words, renamed and deleted."""

from collections.abc import Sequence
from datetime import UTC, datetime

from app.records import Conversation
from app.ui import format as show

SHOWN = 60

LIST_JS = """
let wait;
element.addEventListener('input', (event) => {
  if (!event.target.matches('[type=search]')) return;
  clearTimeout(wait); wait = setTimeout(() => trigger('find', { words: event.target.value }), 250);
});
const row = (event) => event.target.closest('li[data-talk]');
const rename = (item) => {
  const button = item.querySelector('[data-open-talk]'), form = item.querySelector('form');
  button.hidden = true; form.hidden = false; form.title.focus(); form.title.select();
};
element.addEventListener('click', (event) => {
  const hit = (selector) => event.target.closest(selector), item = row(event);
  if (hit('[data-fresh]')) trigger('fresh', {});
  if (hit('[data-open-talk]')) trigger('open', { id: item.dataset.talk });
  if (hit('[data-rename]')) rename(item);
  if (hit('[data-delete]')) {
    const button = hit('[data-delete]');
    if (button.dataset.sure) trigger('remove', { id: item.dataset.talk });
    else {
      button.dataset.sure = '1'; button.textContent = 'Delete?';
      setTimeout(() => { delete button.dataset.sure; button.textContent = '×'; }, 4000);
    }
  }
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  trigger('rename', { id: row(event).dataset.talk, title: event.target.title.value });
});
element.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !event.target.matches('form input')) return;
  const item = row(event);
  item.querySelector('[data-open-talk]').hidden = false; item.querySelector('form').hidden = true;
});
"""


def talk_list(found: Sequence[Conversation], current: str, words: str = "") -> str:
    """The list.

    Args:
        found: Conversations, the latest first.
        current: The one that is open.
        words: What was searched for.
    """
    head = (
        "<div class='fd-talks-head'><button type='button' class='fd-button fd-primary' data-fresh>New conversation"
        "</button><input type='search' aria-label='Search your conversations' placeholder='Search conversations' "
        f"maxlength='200' value='{show.text(words)}'></div>"
    )
    if not found:
        why = "No conversation holds these words." if words.strip() else "Your conversations will stand here."
        return f"<nav class='fd-talks' aria-label='Conversations'>{head}<p class='fd-soft'>{why}</p></nav>"
    today = datetime.now(UTC).date()
    groups: dict[str, list[str]] = {}
    for item in found:
        age = (today - item.updated_at.date()).days
        name = "Today" if age <= 0 else "Last 7 days" if age < 7 else "Earlier"
        groups.setdefault(name, []).append(_row(item, item.id == current))
    listed = "".join(f"<h3>{name}</h3><ul>{''.join(rows)}</ul>" for name, rows in groups.items())
    more = f"<p class='fd-soft'>The latest {SHOWN}; search finds the rest.</p>" if len(found) >= SHOWN else ""
    return f"<nav class='fd-talks' aria-label='Conversations'>{head}{listed}{more}</nav>"


def _row(item: Conversation, current: bool) -> str:
    title = show.text(item.title)
    return (
        f"<li data-talk='{show.text(item.id)}'><button type='button' class='fd-talk-open' data-open-talk "
        f"aria-current='{'true' if current else 'false'}' title='{title}'>{title}</button>"
        f"<form hidden><input name='title' maxlength='80' aria-label='Title' value='{title}'></form>"
        "<span class='fd-talk-acts'><button type='button' class='fd-quiet' data-rename "
        f"aria-label='Rename {title}' title='Rename'>✎</button><button type='button' class='fd-quiet' data-delete "
        f"aria-label='Delete {title}' title='Delete'>×</button></span></li>"
    )
