const form = () => element.querySelector('form');
const number = (field) => (field.value === '' ? null : Number(field.value));
const values = () => {
  const f = form();
  return {
    view: f.view.value, search: f.search.value, least: Number(f.least.value), most: Number(f.most.value),
    min_amount: number(f.min_amount), max_amount: number(f.max_amount), typology: f.typology.value,
    owner: f.owner.value, age: f.age.value, analysts: Number(f.analysts.value), each: Number(f.each.value),
    within: f.within.checked, wide: element.querySelector('.fd-more').open,
    budget_open: element.querySelector('.fd-budget').open };
};
const send = () => trigger('filter', values());
// The figures of every budget came with the page, so that they move with the slider and not after it.
const budget = () => {
  const f = form(), box = element.querySelector('.fd-budget');
  const total = Number(f.analysts.value) * Number(f.each.value);
  f.querySelectorAll('output[data-of]').forEach((shown) => {
    const value = Number(f[shown.dataset.of].value);
    shown.textContent = shown.dataset.digits ? value.toFixed(Number(shown.dataset.digits)) : value; });
  box.querySelectorAll('[data-total]').forEach((shown) => { shown.textContent = total; });
  const curve = JSON.parse(box.dataset.curve || '[]');
  const point = curve.filter((each) => each.alerts <= total).at(-1) || curve[0];
  if (point) Object.entries(point.shown).forEach(([name, text]) => {
    box.querySelectorAll(`[data-figure="${name}"]`).forEach((cell) => { cell.textContent = text; }); });
};
const exported = () => {
  const f = form(), asked = new URLSearchParams();
  const states = { open: ['open'], waiting: ['needs_information'],
    decided: ['confirmed_fraud', 'legitimate', 'inconclusive'] }[f.view.value] || [];
  states.forEach((state) => asked.append('state', state));
  const me = f.dataset.user, ages = { young: ['max_age_hours', 4], day: ['min_age_hours', 24],
    old: ['min_age_hours', 72] }[f.age.value];
  if (f.search.value) asked.set('q', f.search.value);
  if (Number(f.least.value) > 0) asked.set('min_score', f.least.value);
  if (Number(f.most.value) < 1) asked.set('max_score', f.most.value);
  ['min_amount', 'max_amount', 'typology'].forEach((name) => { if (f[name].value) asked.set(name, f[name].value); });
  if (f.owner.value) asked.set('owner', f.owner.value === 'me' ? me : f.owner.value);
  if (ages) asked.set(...ages);
  element.querySelector('[data-export]').href = `/api/alerts/export.csv?${asked}`;
};
let wait;
element.addEventListener('input', (event) => {
  if (event.target.name === 'view_name' || event.target.name === 'saved') return;
  budget(); exported();
  clearTimeout(wait);
  wait = setTimeout(send, ['radio', 'checkbox', 'select-one'].includes(event.target.type) ? 0 : 250);
});
element.addEventListener('change', (event) => {
  if (event.target.name === 'saved' && event.target.value) trigger('use_view', { name: event.target.value });
});
element.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.target.tagName !== 'INPUT') return;
  event.preventDefault();
  if (event.target.name === 'view_name') element.querySelector('[data-do=save]').click(); else send();
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]');
  if (!button) return;
  const f = form();
  if (button.dataset.do === 'save' && f.view_name.value.trim()) {
    trigger('save_view', { ...values(), name: f.view_name.value }); }
  if (button.dataset.do === 'forget' && f.saved.value) trigger('forget_view', { name: f.saved.value });
  if (button.dataset.do === 'clear') trigger('clear', {});
  if (button.dataset.do === 'help') element.querySelector('dialog').showModal();
  if (button.dataset.do === 'close') element.querySelector('dialog').close();
});
watch('value', () => {
  if (!form()) return;
  budget(); exported();
  if (element.querySelector('[data-waits]')) setTimeout(() => trigger('refresh', values()), 2000);
});
