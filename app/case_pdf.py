"""A case pack as PDF: A4, page numbers, tables whose heads repeat, and every script that the font has."""

from importlib.util import find_spec
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from app.case_pack import CasePack, Part
from app.errors import NotReadyError

_INK, _SOFT, _LINE = (23, 33, 43), (86, 99, 112), (224, 230, 236)
_FAMILY = "DejaVu"


def to_pdf(pack: CasePack) -> bytes:
    """The pack as a PDF file.

    Raises:
        NotReadyError: the font, which comes with matplotlib, is not there.
    """
    page = _Pages(pack.title)
    page.add_page()
    page.set_font(_FAMILY, "B", 17)
    page.multi_cell(0, 9, pack.title, new_x="LMARGIN", new_y="NEXT")
    page.set_font(_FAMILY, "", 9)
    page.set_text_color(*_SOFT)
    page.multi_cell(0, 5, pack.subtitle, new_x="LMARGIN", new_y="NEXT", align="L")
    for part in pack.parts:
        _write(page, part)
    return bytes(page.output())


class _Pages(FPDF):
    """A4 pages with the title and the number below."""

    def __init__(self, title: str) -> None:
        super().__init__(format="A4")
        self._title = title
        folder = _fonts()
        self.add_font(_FAMILY, "", folder / "DejaVuSans.ttf")
        self.add_font(_FAMILY, "B", folder / "DejaVuSans-Bold.ttf")
        self.set_margins(18, 16, 18)
        self.set_auto_page_break(True, 18)
        self.set_title(title)
        self.set_creator("Fraud Desk")
        self.set_lang("en")

    def footer(self) -> None:
        """The title on the left, the page number on the right."""
        self.set_y(-13)
        self.set_font(_FAMILY, "", 7.5)
        self.set_text_color(*_SOFT)
        self.cell(0, 5, self._title)
        self.set_x(18)
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")


def _write(page: _Pages, part: Part) -> None:
    page.ln(5)
    if page.will_page_break(24):
        page.add_page()
    page.set_text_color(*_INK)
    page.set_font(_FAMILY, "B", 11.5)
    page.multi_cell(0, 7, part.title, new_x="LMARGIN", new_y="NEXT")
    page.set_font(_FAMILY, "", 9)
    for paragraph in part.text:
        page.multi_cell(0, 5, paragraph, new_x="LMARGIN", new_y="NEXT", align="L")
        page.ln(1.5)
    if not part.rows:
        return
    page.set_font(_FAMILY, "", 8)
    page.set_draw_color(*_LINE)
    with page.table(
        col_widths=part.widths,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD", color=_SOFT),
        line_height=4.6,
        padding=(0.7, 1.2),
        text_align="LEFT",
        wrapmode="CHAR" if part.title == "Chain of records" else "WORD",
    ) as table:
        for cells in (part.header, *part.rows):
            row = table.row()
            for cell in cells:
                row.cell(cell)


def _fonts() -> Path:
    found = find_spec("matplotlib")
    places = list(found.submodule_search_locations or []) if found is not None else []
    folder = Path(places[0]) / "mpl-data" / "fonts" / "ttf" if places else Path()
    if not (folder / "DejaVuSans.ttf").is_file():
        raise NotReadyError("the font for PDF files is missing; install matplotlib, or take the pack as Markdown")
    return folder
