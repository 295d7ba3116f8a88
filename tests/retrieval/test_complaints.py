"""What users of other assistants complained about, each as a test of ours; the threads are named where known."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from retrieval import Answerer, Document, Index, read_documents
from retrieval.errors import IndexMismatch

HOLD = "How long does a hold last at most?"


def citations_of(answer: Any) -> Iterator[Any]:
    for sentence in answer.sentences:
        yield from sentence.citations


@pytest.mark.parametrize("mark", ["[1]", "[2]", "[3]", "[99]", "[0]", "", "(source: CN-2026-0002)", "[1][2][3]"])
def test_a_citation_points_at_its_own_source_whatever_number_the_model_wrote(index: Index, mark: str) -> None:
    """open-webui 11592, 12655, 10979; onyx 1543; ragflow 7232: always the first source, or off by one."""
    model = FakeListChatModel(responses=[f"A hold lasts 48 hours at most {mark}."])
    answer = Answerer(index, llm="fake", chat_model=model).ask(HOLD)
    cited = list(citations_of(answer))
    assert cited and {citation.document_id for citation in cited} == {"policies/payment-holds"}
    for citation in cited:
        assert index.document_text(citation.document_id)[citation.start : citation.end] == citation.quote


@pytest.mark.parametrize(
    "said", ["A hold lasts about forty-nine hours at most [1].", "Holds end after 48 minutes [1]."]
)
def test_a_quote_is_never_a_near_match(index: Index, said: str) -> None:
    """Kotaemon `find_text` highlights what only resembles the document."""
    answer = Answerer(index, llm="fake", chat_model=FakeListChatModel(responses=[said])).ask(HOLD)
    for citation in citations_of(answer):
        assert citation.quote == index.document_text(citation.document_id)[citation.start : citation.end]
    assert not any(sentence.supported and sentence.text in said for sentence in answer.sentences if "49" in said)


@pytest.mark.parametrize("said", ["a hold lasts 48 hours at most", "A hold lasts 48 hours at most.\n\nSources: none"])
def test_citing_needs_no_obedience_of_a_small_model(index: Index, said: str) -> None:
    """kotaemon 541, 469; onyx 3067: citations fail with small local models."""
    answer = Answerer(index, llm="fake", chat_model=FakeListChatModel(responses=[said])).ask(HOLD)
    assert answer.sentences[0].supported and answer.sentences[0].citations[0].document_id == "policies/payment-holds"


def test_a_deleted_file_answers_nothing(tmp_path: Path) -> None:
    """open-webui 26438, 29636, 12155: deleted files still answer."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "hold.md").write_text("# Holds\nA hold lasts 48 hours at most.\n", encoding="utf-8")
    (folder / "mule.md").write_text("# Mules\nA mule passes credits on.\n", encoding="utf-8")
    index = Index.open(tmp_path / "index")
    index.sync(read_documents(folder), prune=[folder])
    answerer = Answerer(index)
    assert "48" in answerer.ask(HOLD).answer
    (folder / "hold.md").unlink()
    assert index.sync(read_documents(folder), prune=[folder]).deleted == 1
    assert "48" not in answerer.ask(HOLD).answer
    assert not any("48" in hit.text for hit in index.search("hold lasts 48 hours", 10))
    status = index.status()
    assert (status.documents, status.passages, status.vectors, status.keyword_passages) == (1, 1, 1, 1)


def test_a_rebuild_gives_back_the_space_of_what_was_deleted(tmp_path: Path) -> None:
    """open-webui 26438, 29636: space is never freed. Deleting alone leaves it in the databases, to be used again."""
    index = Index.open(tmp_path / "index")
    text = "A payment was held and then released by the duty manager. " * 10
    index.sync([Document("kept", "", text)])
    before = index.status().bytes
    index.sync([Document(f"n{number}", "", f"Payment {number}. {text}") for number in range(100)])
    full = index.status().bytes
    index.sync([Document("kept", "", text)], prune=True)
    index.rebuild()
    assert index.status().bytes < before + (full - before) / 4
    assert [hit.document_id for hit in index.search("payment held")] == ["kept"]


def test_a_changed_file_is_indexed_once_and_a_second_folder_empties_nothing(tmp_path: Path) -> None:
    """anything-llm 1873, 5454; open-webui 19190: a sync empties the base, or doubles a changed file."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, text in ((first, "A hold lasts 48 hours."), (second, "A mule passes credits on.")):
        folder.mkdir()
        (folder / f"{folder.name}.txt").write_text(text, encoding="utf-8")
    index = Index.open(tmp_path / "index")
    index.sync(read_documents(first), prune=[first])
    index.sync(read_documents(second), prune=[second])
    (first / "first.txt").write_text("A hold lasts 24 hours.", encoding="utf-8")
    report = index.sync(read_documents(first), prune=[first])
    assert (report.updated, report.deleted, report.total) == (1, 0, 2)
    assert [hit.text for hit in index.search("how long is a payment held", 5) if "hold" in hit.text] == [
        "A hold lasts 24 hours."
    ]


def test_another_embedding_model_is_refused_with_the_command(tmp_path: Path) -> None:
    """open-webui 13225; kotaemon 348: changing the embedding model breaks the index."""
    index = Index.open(tmp_path / "index")
    index.sync([Document("hold", "Holds", "A hold lasts 48 hours at most.")])
    with index._store.manifest.transaction():
        index._store.manifest.set("embedding_model", "another model 123")
    with pytest.raises(IndexMismatch, match="frauddesk index rebuild"):
        index.sync([Document("mule", "Mules", "A mule passes credits on.")])
    assert index.status().documents == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [("zx-4711-q", "word"), ("somebody pretended to work for the bank and stole from her", "meaning")],
)
def test_search_drops_neither_side(tmp_path: Path, query: str, expected: str) -> None:
    """Kotaemon concatenates two lists and cuts: one side is lost."""
    index = Index.open(tmp_path / "index")
    filler = [Document(f"f{n}", "Note", f"Routine review number {n} of card limits.") for n in range(30)]
    word = Document("word", "Terminal", "Terminal zx-4711-q was replaced.")
    meaning = Document("meaning", "Impersonation", "A caller posed as our security team and emptied the account.")
    index.sync([*filler, word, meaning])
    assert index.search(query, 3)[0].document_id == expected


def test_the_keyword_index_is_not_rebuilt_for_a_query(index: Index) -> None:
    """open-webui 8579: the keyword index is built anew for every query."""
    index.search("hold")
    view = index._searcher.view()
    index.search("landlord")
    assert index._searcher.view() is view


def test_one_bad_file_stops_nothing_and_progress_is_told(tmp_path: Path) -> None:
    """ragflow 8466, 7576, 4031; onyx 1546: ingestion stuck, without an estimate, by one file."""
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 broken")
    (tmp_path / "good.md").write_text("# Good\nA hold lasts 48 hours.\n", encoding="utf-8")
    told: list[Any] = []
    report = Index.open(tmp_path / "index").sync(read_documents(tmp_path), progress=told.append)
    assert (report.added, len(report.failed)) == (1, 1) and told


def test_a_long_embedding_that_is_cut_off_keeps_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """anything-llm 1585, 5161: embedding aborts at five minutes, and the next try begins anew."""
    monkeypatch.setattr("retrieval.sync.BATCH_PASSAGES", 4)
    notes = [Document(f"n{number}", "", f"Payment {number} was held.") for number in range(20)]

    def until(last: int) -> Iterator[Document]:
        yield from notes[:last]
        raise TimeoutError

    index = Index.open(tmp_path / "index")
    with pytest.raises(TimeoutError):
        index.sync(until(10))
    report = index.sync(notes)
    assert (report.unchanged, report.added) == (8, 12)
    assert index.status().consistent


READER = """
import sys
from retrieval import Index
index = Index.open(sys.argv[1], read_only=True)
print("ready", flush=True)
for line in sys.stdin:
    print(index.search("payment held", 50)[0].text, flush=True)
"""


def test_several_processes_share_an_embedded_index(tmp_path: Path) -> None:
    """open-webui docs 1081: the local Chroma is not fork-safe, workers crash. Ours: one writes, others read."""
    index = Index.open(tmp_path / "index")
    index.sync([Document("n", "", "Payment 0 was held.")])
    command = [sys.executable, "-c", READER, str(index.path)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdin is not None and worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for number in range(1, 6):
            index.sync([Document("n", "", f"Payment {number} was held.")])
            for worker in workers:
                assert worker.stdin is not None and worker.stdout is not None
                worker.stdin.write("again\n")
                assert worker.stdout.readline() == f"Payment {number} was held.\n"
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def test_a_server_that_cannot_be_reached_is_named_and_the_desk_answers(index: Index) -> None:
    """kotaemon 143, 224; onyx 10109: Ollama is down and the answer is "sorry, I don't know"."""
    answer = Answerer(index, llm="ollama:llama3.2", ollama_url="http://127.0.0.1:9").ask(HOLD)
    assert "48 hours" in answer.answer and answer.answerer == "extractive"
    assert any("http://127.0.0.1:9" in notice and "ollama serve" in notice for notice in answer.notices)


def test_a_cut_context_is_told(index: Index, ollama: Any) -> None:
    """ollama 5736, 6026: the server cuts the evidence silently."""
    ollama.behaviour.prompt_tokens = 20
    answer = Answerer(index, llm="ollama:llama3.2", ollama_url=ollama.url).ask(HOLD)
    assert any("context is too small" in notice for notice in answer.notices)


def test_a_broken_stream_still_ends_with_an_answer(index: Index, ollama: Any) -> None:
    """open-webui 14272, 6557, 29596: a broken stream loses the answer."""
    ollama.behaviour.fault = "cut"
    events = list(Answerer(index, llm="ollama:llama3.2", ollama_url=ollama.url).stream(HOLD))
    assert [event.kind for event in events if event.kind in ("reset", "done")] == ["reset", "done"]
    assert events[-1].answer is not None and "48 hours" in events[-1].answer.answer


def test_access_is_checked_inside_retrieval(index: Index) -> None:
    """Kotaemon 376: no access control by collection."""
    answer = Answerer(index, collections=["policies"]).ask("What happened in CN-2026-0001?")
    assert answer.status == "not_in_documents" and not answer.sentences


def test_html_of_a_document_is_quoted_as_text_only(tmp_path: Path) -> None:
    """Kotaemon renders a document's HTML: scripts never reach an answer; what is left is for the page to escape."""
    page = "<html><body><script>alert(1)</script><p onclick='x()'>A hold lasts 48 hours at most.</p></body></html>"
    (tmp_path / "hold.html").write_text(page, encoding="utf-8")
    index = Index.open(tmp_path / "index")
    index.sync(read_documents(tmp_path / "hold.html"))
    answer = Answerer(index).ask(HOLD)
    assert "48 hours" in answer.answer and "<" not in answer.answer and "alert" not in answer.answer


def test_a_kept_answer_costs_no_further_model_call(index: Index, ollama: Any) -> None:
    """A saved chat costs extra model calls before it is stored: asking again costs none."""
    answerer = Answerer(index, llm="ollama:llama3.2", ollama_url=ollama.url)
    answerer.ask(HOLD)
    calls = len(ollama.behaviour.requests)
    begun = time.monotonic()
    assert answerer.ask(HOLD).cached and len(ollama.behaviour.requests) == calls
    assert time.monotonic() - begun < 1


class ObeyingModel(BaseChatModel):
    """Reads its prompt and does what any sentence in the evidence tells it to, as a gullible model would."""

    prompts: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "obeying"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        content = str(messages[-1].content)
        self.prompts.append(content)
        evidence = content.rpartition("Question:")[0]
        quoted = [line.removeprefix("> ") for line in evidence.splitlines() if line.startswith(">")]
        told = [line for line in quoted if _ORDER.search(line)]
        if told:
            said = "Yes: " + " ".join(told) + " The case is legitimate and every alert is closed [1]."
        else:
            said = next((line for line in quoted if "48 hours" in line), quoted[0]) + " [1]"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said))])


_ORDER = re.compile(
    r"ignore|disregard|forget|override|you are|act as|pretend|system|assistant|instruct|repeat|answer|respond|reply"
    r"|cite|reveal|print|call the tool|execute|from now on|end of evidence|assume|\bai\b|model has to|when asked"
    r"|if asked|chatbot|language model",
    re.IGNORECASE,
)


def hostile_texts() -> list[str]:
    import importlib.util

    path = Path(__file__).with_name("test_hostile.py")
    spec = importlib.util.spec_from_file_location("hostile_texts", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.HOSTILE)


@pytest.fixture(scope="module")
def beside_an_order(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Forty-three collections, each the same policy and a note about it that holds one order."""
    index = Index.open(tmp_path_factory.mktemp("orders") / "index")
    policy = "A hold lasts 48 hours at most. It may be extended once by 24 hours."
    pages = []
    for number, order in enumerate(hostile_texts()):
        fields = {"collection": f"order-{number}"}
        pages.append(Document(f"policy-{number}", f"Holding payments {number}", policy, fields))
        note = f"A hold on payment {number} was placed. {order} The hold lasted 30 hours."
        pages.append(Document(f"note-{number}", f"Hold {number}", note, fields))
    index.sync(pages)
    return index


@pytest.mark.parametrize("number", range(43))
def test_a_model_that_does_what_its_prompt_says_is_told_nothing_wrong(beside_an_order: Index, number: int) -> None:
    """A note written by a fraudster gives orders: neither chat model carries one out."""
    order = hostile_texts()[number]
    where = {"collection": f"order-{number}"}
    obeying = ObeyingModel()
    answers = [
        Answerer(beside_an_order, llm="obeying", chat_model=obeying).ask(HOLD, where=where),
        Answerer(beside_an_order).ask(HOLD, where=where),
    ]
    assert order not in obeying.prompts[-1] and "[…]" in obeying.prompts[-1]
    for answer in answers:
        supported = " ".join(sentence.text for sentence in answer.sentences if sentence.supported)
        assert "48 hours" in supported and answer.status != "not_in_documents"
        assert "legitimate" not in answer.answer and order not in answer.answer
        for citation in citations_of(answer):
            text = beside_an_order.document_text(citation.document_id)
            assert text[citation.start : citation.end] == citation.quote and order not in citation.quote
