"""What of search, gate and answer can be set, so that settings can be compared; tokens and trace ids on answers."""

import pytest

from retrieval import Answerer, Document, Index
from retrieval.chunking import Chunking
from retrieval.errors import InputError
from retrieval.gate import Limits

TEXTS = {
    "policies/holds": "# Holds\n\nA hold is lifted after 48 hours. It is placed by the analyst who opens the alert.",
    "policies/refunds": "# Refunds\n\nA refund is paid within one day. The duty manager signs for more than 5,000 EUR.",
}


@pytest.fixture
def documents() -> list[Document]:
    return [Document(id=name, title=name, text=text, metadata={}) for name, text in TEXTS.items()]


def test_the_number_of_passages_can_be_set(tmp_path, documents):
    with Index.open(tmp_path / "index") as index:
        index.sync(documents)
        assert len(Answerer(index, passages=1).ask("When is a hold lifted?").hits) == 1
        assert len(Answerer(index).ask("When is a hold lifted?").hits) == 2
        with pytest.raises(InputError, match="passages"):
            Answerer(index, passages=0)


def test_an_open_gate_answers_everything_and_a_shut_one_nothing(tmp_path, documents):
    with Index.open(tmp_path / "index") as index:
        index.sync(documents)
        off_topic, asked = "Who won the football World Cup?", "When is a hold lifted?"
        wide = Limits(answered=0.0, partial=0.0, most_missing=9.0, refused_missing=9.0, refused_named=9.0)
        assert Answerer(index).ask(off_topic).status == "not_in_documents"
        assert Answerer(index, limits=wide).ask(off_topic).status == "answered"
        assert Answerer(index).ask(asked).status == "answered"
        assert Answerer(index, limits=Limits(partial=1.0)).ask(asked).status == "not_in_documents"


def test_passage_size_and_weight_are_those_of_the_index(tmp_path, documents):
    with Index.open(tmp_path / "small", chunking=Chunking(max_words=8)) as index:
        index.sync(documents)
        assert index.status().passages == 4
    with Index.open(tmp_path / "words", dense_weight=0.0) as index:
        index.sync(documents)
        told = Answerer(index).settings()
        assert (told["dense_weight"], told["passages"], told["gate_answered"]) == (0.0, 8, Limits().answered)
        (first, second) = index.search("hold lifted", 2)
        assert first.document_id == "policies/holds" and second.relevance == 0.0
    with pytest.raises(InputError, match="dense_weight"):
        Index.open(tmp_path / "wrong", dense_weight=-1.0)


def test_the_extractive_answerer_costs_no_tokens_and_without_tracing_there_is_no_trace(tmp_path, documents):
    with Index.open(tmp_path / "index") as index:
        index.sync(documents)
        answer = Answerer(index).ask("When is a hold lifted?")
        assert (answer.prompt_tokens, answer.completion_tokens, answer.trace_id) == (0, 0, "")
