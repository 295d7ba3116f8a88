import numpy as np
import pytest

from retrieval.embedding import Embedding, load_encoder
from retrieval.text import Span

SENTENCES = [
    f"Payment {n} to a new payee was " + "held and checked again, " * (n % 40) + "then sent." for n in range(150)
]


@pytest.fixture(scope="module", params=["bfloat16", "float32"])
def encoder(request: pytest.FixtureRequest) -> object:
    """The packaged model, in the number format that a machine may choose."""
    from retrieval.bert import BertEncoder

    made = BertEncoder(Embedding().folder())
    made._precision = request.param
    return made


def test_a_vector_does_not_depend_on_what_is_encoded_with_it(encoder: object) -> None:
    together = encoder.encode(SENTENCES)  # type: ignore[attr-defined]
    for some in ([3], [149], [7, 8, 9], list(range(40, 90))):
        alone = encoder.encode([SENTENCES[n] for n in some])  # type: ignore[attr-defined]
        assert np.array_equal(alone, together[some])


def test_windows_do_not_depend_on_other_texts_either(encoder: object) -> None:
    windows = [[Span(0, 20), Span(10, len(text))] for text in SENTENCES]
    together = encoder.encode_windows(SENTENCES, windows)  # type: ignore[attr-defined]
    for number in (0, 39, 90):
        alone = encoder.encode_windows([SENTENCES[number]], [windows[number]])[0]  # type: ignore[attr-defined]
        assert np.array_equal(alone, together[number])


def test_the_faster_format_gives_nearly_the_same_vectors() -> None:
    encoder = load_encoder(Embedding().folder())
    cosines = np.sum(encoder.encode(SENTENCES) * encoder.encode(SENTENCES, exact=True), axis=1)
    assert cosines.mean() > 0.999 and cosines.min() > 0.99


def test_nothing_and_no_words_are_no_error() -> None:
    encoder = load_encoder(Embedding().folder())
    assert encoder.encode([]).shape == (0, encoder.dimension)
    assert np.isfinite(encoder.encode(["", "   ", "\u200b"])).all()
    assert encoder.encode_windows([], []) == []
