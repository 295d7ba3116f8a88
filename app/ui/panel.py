"""A part of the page that is HTML of our own, styled by style.css alone."""

from typing import Any

import gradio as gr


def panel(value: str = "", *, elem_id: str | None = None, js_on_load: str | None = None, **props: Any) -> gr.HTML:
    """An HTML part.

    Args:
        value: Its HTML, escaped already.
        elem_id: Its id in the page.
        js_on_load: What runs when it appears; triggers its events.
        **props: Other settings of `gr.HTML`.
    """
    return gr.HTML(value, elem_id=elem_id, js_on_load=js_on_load, apply_default_css=False, **props)
