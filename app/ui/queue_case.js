const draftKey = (form) => `frauddesk.narrative.${form.dataset.alert}`;
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]');
  if (!button) return;
  const id = Number(element.querySelector('[data-alert]').dataset.alert);
  if (button.dataset.do === 'claim' || button.dataset.do === 'release') {
    button.disabled = true; trigger(button.dataset.do, { id }); }
  if (button.dataset.do === 'redraft') {
    const form = button.closest('form');
    form.text.value = button.dataset.draft; localStorage.removeItem(draftKey(form)); }
});
element.addEventListener('input', (event) => {
  const form = event.target.closest('.fd-narrative');
  if (form) localStorage.setItem(draftKey(form), form.text.value);
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  const form = event.target;
  form.querySelector('[type=submit]').disabled = true;
  localStorage.removeItem(draftKey(form));
  trigger('sign', { id: Number(form.dataset.alert), text: form.text.value });
});
watch('value', () => {
  // What was written and not signed yet survives a reload.
  const form = element.querySelector('.fd-narrative');
  const kept = form && localStorage.getItem(draftKey(form));
  if (kept) { form.text.value = kept; form.closest('details').open = true; }
});
