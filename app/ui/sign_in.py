"""The sign-in page: plain HTML in the desk's look, light or dark; works without scripts."""

from html import escape
from pathlib import Path
from string import Template

from app.ui.mark import MARK

_PAGE = Template(Path(__file__).with_name("sign_in.html").read_text(encoding="utf-8"))


def sign_in_page(next: str = "/", name: str = "", problem: str = "") -> str:
    """The page.

    Args:
        next: Path of this desk to go to afterwards.
        name: What the user typed as a name.
        problem: Why the last attempt was refused; empty at the first.
    """
    message = f"<p class='problem' id='problem' role='alert'>{escape(problem)}</p>" if problem else ""
    return _PAGE.substitute(
        mark=MARK,
        next=escape(next),
        name=escape(name),
        problem=message,
        described=" aria-describedby='problem' aria-invalid='true'" if problem else "",
        first=" autofocus" if not name else "",
        second=" autofocus" if name else "",
    )
