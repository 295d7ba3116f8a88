"""The desk's mark: a shield with figures in it."""

MARK = (
    "<svg viewBox='0 0 24 24' width='22' height='22' aria-hidden='true'><path d='M12 2.5 4 5.6v5.9c0 4.7 3.3 8.4 8 10"
    " 4.7-1.6 8-5.3 8-10V5.6z' fill='none' stroke='currentColor' stroke-width='1.8'/><path d='M8.2 14.5v-3"
    "M12 14.5V8.2M15.8 14.5v-4.5' stroke='currentColor' stroke-width='1.8' stroke-linecap='round'/></svg>"
)
