const mark = (row) => element.querySelectorAll('tr[data-id]').forEach(
  (other) => other.setAttribute('aria-selected', String(other === row)));
const open = (row) => {
  // Until the other case is there, nobody may decide on the one still shown.
  if (row.getAttribute('aria-selected') !== 'true') document.querySelectorAll('#queue-case, #queue-decision').forEach(
    (part) => { part.inert = true; setTimeout(() => { part.inert = false; }, 10000); });
  mark(row);
  trigger('open', { id: Number(row.dataset.id) });
};
element.addEventListener('click', (event) => {
  const row = event.target.closest('tr[data-id]'), button = event.target.closest('[data-page]');
  if (row) open(row);
  if (button) trigger('turn', { by: Number(button.dataset.page) });
});
element.addEventListener('keydown', (event) => {
  const row = event.target.closest('tr[data-id]');
  if (!row) return;
  const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
  if (to) { event.preventDefault(); to.focus(); open(to); }
  if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); event.stopPropagation(); open(row); }
});
watch('value', () => element.querySelector('tr[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' }));
