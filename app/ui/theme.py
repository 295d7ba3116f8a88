"""The page's one theme: Gradio's variables, set from the same tokens as style.css. System fonts only."""

from pathlib import Path

import gradio as gr

STYLE = Path(__file__).with_name("style.css")
SCRIPT = Path(__file__).with_name("shell.js")

_INK = gr.themes.Color(
    name="ink", c50="#f7f9fb", c100="#eef2f6", c200="#dfe5ec", c300="#c5ced8", c400="#94a1af", c500="#677584",
    c600="#4c5967", c700="#36424f", c800="#222d38", c900="#18212a", c950="#10171e",
)  # fmt: skip
_BLUE = gr.themes.Color(
    name="desk", c50="#eff6fd", c100="#dbeafa", c200="#bcd8f5", c300="#8fbfee", c400="#5b9fe2", c500="#2f7fcb",
    c600="#1d65ad", c700="#19528d", c800="#184674", c900="#193b61", c950="#11263f",
)  # fmt: skip
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Liberation Sans", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "Liberation Mono", "Menlo", "monospace")


def desk_theme() -> gr.themes.Base:
    """The theme."""
    theme = gr.themes.Base(
        primary_hue=_BLUE,
        secondary_hue=_BLUE,
        neutral_hue=_INK,
        text_size=gr.themes.sizes.text_md,
        spacing_size=gr.themes.sizes.spacing_md,
        radius_size=gr.themes.sizes.radius_md,
        font=_FONT,
        font_mono=_MONO,
    )
    return theme.set(
        body_background_fill="var(--fd-back)",
        body_background_fill_dark="var(--fd-back)",
        body_text_color="var(--fd-ink)",
        body_text_color_dark="var(--fd-ink)",
        body_text_color_subdued="var(--fd-soft)",
        body_text_color_subdued_dark="var(--fd-soft)",
        background_fill_primary="var(--fd-paper)",
        background_fill_primary_dark="var(--fd-paper)",
        background_fill_secondary="var(--fd-raise)",
        background_fill_secondary_dark="var(--fd-raise)",
        block_background_fill="var(--fd-paper)",
        block_background_fill_dark="var(--fd-paper)",
        block_border_color="var(--fd-line)",
        block_border_color_dark="var(--fd-line)",
        block_shadow="none",
        block_shadow_dark="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="var(--fd-soft)",
        block_label_text_color_dark="var(--fd-soft)",
        border_color_primary="var(--fd-line)",
        border_color_primary_dark="var(--fd-line)",
        input_background_fill="var(--fd-paper)",
        input_background_fill_dark="var(--fd-paper)",
        input_border_color="var(--fd-line-strong)",
        input_border_color_dark="var(--fd-line-strong)",
        input_border_color_focus="var(--fd-accent)",
        input_border_color_focus_dark="var(--fd-accent)",
        input_shadow="none",
        input_shadow_focus="0 0 0 2px var(--fd-focus)",
        input_shadow_focus_dark="0 0 0 2px var(--fd-focus)",
        button_primary_background_fill="var(--fd-strong)",
        button_primary_background_fill_dark="var(--fd-strong)",
        button_primary_background_fill_hover="var(--fd-strong-hover)",
        button_primary_background_fill_hover_dark="var(--fd-strong-hover)",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="var(--fd-paper)",
        button_secondary_background_fill_dark="var(--fd-raise)",
        button_secondary_border_color="var(--fd-line-strong)",
        button_secondary_border_color_dark="var(--fd-line-strong)",
        button_secondary_text_color="var(--fd-ink)",
        button_secondary_text_color_dark="var(--fd-ink)",
        button_border_width="1px",
        link_text_color="var(--fd-accent)",
        link_text_color_dark="var(--fd-accent)",
    )


def styles() -> str:
    """Every style sheet beside this module: style.css with the tokens first, then those of single pages."""
    sheets = [STYLE, *sorted(path for path in STYLE.parent.glob("*.css") if path != STYLE)]
    return "\n".join(path.read_text(encoding="utf-8") for path in sheets)
