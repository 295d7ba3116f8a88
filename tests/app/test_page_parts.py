"""What the page is made of: everything foreign escaped, quotes marked only where they stand, signs in words."""

import pandas as pd
import pytest

from app.records import Precedent, ReasonRecord
from app.ui import format as show
from app.ui.ask_view import Turn, conversation, plainly
from app.ui.case_view import case_page, precedents_block, reasons_block
from app.ui.evidence_view import evidence, marked
from app.ui.score_view import payment_form
from fraud_model import load_schema

EVIL = "<img src=x onerror=alert(1)>\"'${1}{{x}}"


def body(**changes):
    citation = {"document_id": EVIL, "passage_id": "p#1", "source": EVIL, "start": 2, "end": 7, "quote": "quote"}
    supported = {"text": EVIL, "supported": True, "citations": [citation]}
    sentences = [supported, {"text": EVIL, "supported": False, "citations": []}]
    passages = {"p#1": {"title": EVIL, "text": f"a quote {EVIL}", "start": 0, "collection": EVIL, "dated": EVIL}}
    base = {"answer": EVIL, "status": "partial", "sentences": sentences, "answerer": EVIL, "elapsed_ms": 3.0}
    return {**base, "notices": [EVIL], "passages": passages, **changes}


def test_nothing_foreign_becomes_markup(store, scored):
    """Kotaemon renders a document's HTML unescaped."""
    precedent = Precedent("d", EVIL, EVIL, EVIL, EVIL, EVIL, 1.0, EVIL, EVIL, EVIL, 0, 1, 0.5, (EVIL,))
    reasons = (ReasonRecord("f", 1, 1, EVIL),)
    store.add_alerts([scored(1, payer=EVIL, payee=EVIL, transaction={EVIL: EVIL, "type": EVIL}, reasons=reasons)])
    pieces = [
        case_page(store.alert(1), [precedent], EVIL),
        conversation([Turn(EVIL, body()), Turn(EVIL, error=EVIL), Turn(EVIL, step=EVIL, said=EVIL)], []),
        conversation([], [EVIL]),
        evidence(body(), 0),
    ]
    for piece in pieces:
        assert "<img" not in piece
        assert "&lt;img" in piece


def test_a_quote_is_marked_only_where_it_stands():
    passage = {"text": "one two three", "start": 10}
    there = {"quote": "two", "start": 14, "end": 17}
    assert marked(there, passage) == "one <mark>two</mark> three"
    assert marked({**there, "start": 13, "end": 16}, passage) == "<mark>two</mark>"
    assert marked(there, None) == "<mark>two</mark>"


def test_an_unsupported_sentence_says_so():
    assert "no source" in conversation([Turn("q", body())], [])


def test_the_sign_of_a_reason_is_not_told_by_colour_alone():
    shown = reasons_block([ReasonRecord("a", 1, 1.25, "up"), ReasonRecord("b", 1, -0.5, "down")])
    assert "▲" in shown
    assert "+1.25" in shown
    assert "raises the score" in shown
    assert "−0.50" in shown
    assert "lowers the score" in shown


def test_no_precedents_and_no_index_are_told_apart():
    assert "No case closed before" in precedents_block([])
    assert "index is away" in precedents_block(None, "The index is away.")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.99951, "0.999"), (1.0, "1.000"), (0.1234, "0.123"), (0.0, "0.000")],
)
def test_a_score_is_not_rounded_up_to_certainty(value, shown):
    assert show.score(value) == shown


def test_money_and_times():
    assert show.money(12480, "EUR") == "EUR&nbsp;12,480.00"
    assert show.money(None, "EUR") == "–"
    assert show.moment("2026-08-28T16:05:00+02:00") == "28 Aug 2026, 14:05"
    assert show.day("2026-08-28") == "28 Aug 2026"
    assert show.moment("<b>") == "&lt;b&gt;"


def test_the_form_has_a_field_for_every_column_that_the_model_reads():
    paysim = payment_form(load_schema("paysim"), {"amount": 12.5, "type": "DEBIT", "nameOrig": EVIL})
    for name in ("step", "nameOrig", "nameDest", "amount", "type"):
        assert f"name='{name}'" in paysim
    assert "<option selected>DEBIT</option>" in paysim
    assert "<img" not in paysim
    cards = payment_form(load_schema("cards"), {"TX_DATETIME": pd.Timestamp("2018-06-30T23:59:57")})
    assert "name='TRANSACTION_ID'" not in cards
    assert "value='2018-06-30T23:59:57'" in cards


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("| up to 100 EUR | any analyst |  |", "up to 100 EUR · any analyst"),
        ("**Measures.** The card was __blocked__.", "Measures. The card was blocked."),
        ("2 ** 3 and a|b stay", "2 ** 3 and a|b stay"),
        ("| <b>x</b> | y |", "&lt;b&gt;x&lt;/b&gt; · y"),
    ],
)
def test_sentences_are_shown_without_their_markdown(text, shown):
    assert plainly(text) == shown
