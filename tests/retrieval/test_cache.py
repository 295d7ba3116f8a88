from typing import Any

import pytest

from retrieval import Answerer, Document, Index
from retrieval.cache import AnswerCache, answer_key
from retrieval.errors import InputError

QUESTION = "How long does a hold last at most?"


@pytest.fixture
def own(tmp_path: Any) -> Index:
    index = Index.open(tmp_path / "index")
    index.sync([Document("hold", "Holds", "A hold lasts 48 hours at most.", {"collection": "policies"})])
    return index


def test_the_same_question_is_answered_from_the_cache(own: Index) -> None:
    answerer = Answerer(own)
    first, second = answerer.ask(QUESTION), answerer.ask(f"  {QUESTION}\n")
    assert (first.cached, second.cached) == (False, True)
    assert second.sentences == first.sentences
    assert [event.kind for event in answerer.stream(QUESTION)] == ["evidence", "text", "done"]


@pytest.mark.parametrize(
    "other",
    [
        {"as_of": "2026-01-01"},
        {"where": {"collection": "policies"}},
        {"collections": ["policies"]},
    ],
)
def test_another_time_filter_or_access_is_another_question(own: Index, other: dict[str, Any]) -> None:
    answerer = Answerer(own)
    answerer.ask(QUESTION)
    assert not answerer.ask(QUESTION, **other).cached
    assert answerer.ask(QUESTION, **other).cached


def test_a_sync_forgets_what_was_answered(own: Index) -> None:
    answerer = Answerer(own)
    assert "48" in answerer.ask(QUESTION).answer
    own.sync([Document("hold", "Holds", "A hold lasts 24 hours at most.", {"collection": "policies"})])
    answer = answerer.ask(QUESTION)
    assert not answer.cached and "24" in answer.answer and "48" not in answer.answer
    assert len(answerer.cache) == 1


def test_an_answer_of_the_fallback_is_not_kept(own: Index, ollama: Any) -> None:
    ollama.behaviour.fault = "error_500"
    answerer = Answerer(own, llm="ollama:llama3.2", ollama_url=ollama.url)
    assert answerer.ask(QUESTION).answerer == "extractive"
    assert len(answerer.cache) == 0


def test_the_cache_is_bounded_and_can_be_off(own: Index) -> None:
    cache = AnswerCache(2)
    answer = Answerer(own, cache=0).ask(QUESTION)
    keys = [answer_key(f"question {n}", "v", "extractive", "p", None, None) for n in range(3)]
    for key in keys:
        cache.put(key, answer)
    assert [cache.get(key) is not None for key in keys] == [False, True, True]
    answerer = Answerer(own, cache=0)
    assert not [answerer.ask(QUESTION).cached for _ in range(2)][1]


def test_a_wrong_time_is_still_refused(own: Index) -> None:
    with pytest.raises(InputError, match="as_of"):
        Answerer(own).ask(QUESTION, as_of="soon")
