const draftKey = (form) => `frauddesk.decision.${form.dataset.alert}`;
const keep = (form) => localStorage.setItem(draftKey(form), JSON.stringify({
  decision: form.querySelector('[name=decision]:checked')?.value || '',
  reason: form.querySelector('[name=reason]:checked')?.value || '', note: form.note.value }));
const ready = (form) => { form.querySelector('[type=submit]').disabled = !form.querySelector('[name=reason]:checked'); };
element.addEventListener('input', (event) => { if (event.target.name === 'note') keep(event.target.form); });
element.addEventListener('change', (event) => {
  const form = event.target.form;
  if (event.target.name === 'decision') {
    form.querySelectorAll('[name=reason]:checked').forEach((other) => { other.checked = false; });
  }
  ready(form); keep(form);
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  const form = event.target, chosen = form.querySelector('[name=reason]:checked');
  const send = form.querySelector('[type=submit]');
  if (!chosen || send.disabled) return;
  send.disabled = true;
  trigger('decide', { id: Number(form.dataset.alert), decision: chosen.dataset.decision,
    reason: chosen.value, note: form.note.value });
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]');
  if (button?.dataset.do === 'undo') trigger('undo', {
    id: Number(element.querySelector('[data-alert]').dataset.alert) });
  if (button?.dataset.do === 'next') trigger('next', {});
});
watch('value', () => {
  document.querySelectorAll('#queue-case, #queue-decision').forEach((part) => { part.inert = false; });
  const form = element.querySelector('form'), done = element.querySelector('.fd-decided');
  if (form) {
    form.reset();
    // A note begun before a reload or a restart is there again.
    const kept = JSON.parse(localStorage.getItem(draftKey(form)) || 'null');
    if (kept) {
      const pick = (name, value) => { const box = form.querySelector(`[name=${name}][value="${CSS.escape(value)}"]`);
        if (box) box.checked = true; };
      if (kept.decision) pick('decision', kept.decision);
      if (kept.reason) pick('reason', kept.reason);
      form.note.value = kept.note || '';
    }
    ready(form);
  } else if (done) {
    localStorage.removeItem(`frauddesk.decision.${done.dataset.alert}`);
    element.querySelector('[data-do=next]')?.focus({ preventScroll: true });
  }
});
// Keys that work while no field has the focus: c, r, 1 to 4 for the decision, then 1 to 9 for its reason, Enter, ?
const byKey = (event) => {
  if (!element.isConnected) return document.removeEventListener('keydown', byKey);
  if (event.ctrlKey || event.metaKey || event.altKey || element.offsetParent === null) return;
  if (event.target.closest('input[type=text], input[type=search], input[type=number], textarea, select, dialog')) return;
  const click = (selector) => { const found = document.querySelector(selector); found?.click(); return Boolean(found); };
  const form = element.querySelector('form');
  const digit = Number(event.key);
  let done = false;
  if (event.key === 'c') done = click('#queue-case [data-do=claim]');
  else if (event.key === 'r') done = click('#queue-case [data-do=release]');
  else if (event.key === '?') done = click('#queue-filter [data-do=help]');
  else if (form && digit >= 1 && digit <= 9) {
    const verdict = form.querySelector('[name=decision]:checked');
    const boxes = verdict
      ? form.querySelectorAll(`[name=reason][data-decision="${CSS.escape(verdict.value)}"]`)
      : form.querySelectorAll('[name=decision]');
    const box = boxes[digit - 1];
    if (box) { box.checked = true; box.dispatchEvent(new Event('change', { bubbles: true })); done = true; }
  } else if (form && event.key === 'm') { form.note.focus(); done = true; }
  else if (form && event.key === 'Escape') {
    form.reset(); localStorage.removeItem(draftKey(form)); ready(form); done = true;
  } else if (form && event.key === 'Enter' && !event.target.closest('button, a, summary, tr')) {
    form.requestSubmit(); done = true;
  }
  if (done) event.preventDefault();
};
document.addEventListener('keydown', byKey);
