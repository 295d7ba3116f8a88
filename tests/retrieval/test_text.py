import pytest

from retrieval.chunking import Chunking, front_matter, passages, windows
from retrieval.stemming import stem
from retrieval.text import sentences, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith paid 1,250.50 EUR. He left.", ["Dr. Smith paid 1,250.50 EUR.", "He left."]),
        ("See CN-2026-0017. J. R. Smith agreed.", ["See CN-2026-0017.", "J. R. Smith agreed."]),
        ("He said e.g. this. Done.", ["He said e.g. this.", "Done."]),
        ("- first item\n- second item. Two.\n\n3. Step three.", ["first item", "second item.", "Two.", "Step three."]),
        ("A line\nthat goes on. End", ["A line\nthat goes on.", "End"]),
        ('She asked "really?" and left.', ['She asked "really?" and left.']),
        ("   \n\n ...  ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [text[span.start : span.end] for span in sentences(text)] == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("payments", "payment"),
        ("relational", "relat"),
        ("hopping", "hop"),
        ("flies", "fli"),
        ("agreed", "agre"),
        ("generalization", "gener"),
        ("t00012345", "t00012345"),
        ("naïve", "naïve"),
    ],
)
def test_stem(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_terms_leave_out_common_words_and_fold_accents() -> None:
    assert terms("The Café's payments, and THE limits") == ["cafe", "payment", "limit"]


def test_passages_have_headings_exact_offsets_and_no_front_matter() -> None:
    text = "---\ntitle: X\n---\n# Top\nIntro here.\n\n## Inner\nBody of inner.\n\n# Next\nLast."
    found = [(text[p.start : p.end], p.heading) for p in passages(text, Chunking())]
    assert found == [("Intro here.", "Top"), ("Body of inner.", "Top > Inner"), ("Last.", "Next")]
    assert front_matter(text)[0] == "title: X"


def test_long_sections_are_divided_at_sentence_ends() -> None:
    text = " ".join(f"Sentence number {i} says a little more." for i in range(100))
    found = passages(text, Chunking(max_words=60))
    assert len(found) > 5
    assert all(text[p.end - 1] == "." and len(text[p.start : p.end].split()) <= 75 for p in found)
    assert "".join(text[p.start : p.end] for p in found).replace(" ", "") == text.replace(" ", "")


def test_a_huge_line_is_bounded() -> None:
    assert max(p.end - p.start for p in passages("x" * 50_000, Chunking())) <= 8_000


def test_windows_lie_inside_their_passage() -> None:
    text = "One is here. Two is here. Three is here."
    [passage] = passages(text, Chunking())
    assert [text[w.start : w.end] for w in windows(text, passage, Chunking())] == [
        "One is here.",
        "One is here. Two is here.",
        "Two is here.",
        "Two is here. Three is here.",
        "Three is here.",
    ]
