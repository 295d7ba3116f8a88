// The page's frame: light or dark as chosen last, keys that work while no field has the focus, and the way back to
// the sign-in page when the sign-in has ended.
() => {
  const ask = window.fetch.bind(window);
  window.fetch = async (...given) => {
    const answer = await ask(...given);
    if (answer.status === 401 && new URL(answer.url, location.href).origin === location.origin) {
      location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    }
    return answer;
  };
  const KEY = 'frauddesk.theme';
  const body = document.body;
  const chosen = localStorage.getItem(KEY);
  if (chosen) body.classList.toggle('dark', chosen === 'dark');
  const label = () => document.querySelectorAll('[data-theme-toggle]').forEach((button) => {
    button.setAttribute('aria-pressed', String(body.classList.contains('dark')));
  });
  label();
  document.addEventListener('click', (event) => {
    if (!event.target.closest('[data-theme-toggle]')) return;
    body.classList.toggle('dark');
    localStorage.setItem(KEY, body.classList.contains('dark') ? 'dark' : 'light');
    label();
  });
  // What somebody wrote and did not send is not for who signs in next at this screen.
  document.addEventListener('submit', (event) => {
    if (event.target.getAttribute('action') !== '/sign-out') return;
    Object.keys(localStorage).filter((key) => key.startsWith('frauddesk.') && key !== KEY)
      .forEach((key) => localStorage.removeItem(key));
  });
  const visible = (selector) => [...document.querySelectorAll(selector)].find((found) => found.offsetParent !== null);
  const row = (step) => {
    const rows = [...document.querySelectorAll('#queue-list tr[data-id]')].filter((found) => found.offsetParent);
    if (!rows.length) return;
    const at = rows.findIndex((found) => found.getAttribute('aria-selected') === 'true');
    const to = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
    to.click();
    to.scrollIntoView({ block: 'nearest' });
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest('input, textarea, select, [contenteditable]')) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    const act = {
      '/': () => visible('input[type=search], #ask-question textarea')?.focus(),
      j: () => row(1),
      k: () => row(-1),
      n: () => visible('#queue-decision [data-do=next]')?.click(),
      u: () => visible('#queue-decision [data-do=undo]')?.click(),
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
}
