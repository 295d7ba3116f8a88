"""Retrieval and answers, measured side by side with their baselines.

    python -m benchmarks.retrieval search FOLDER [--cache DIR]    nDCG@10 beside BM25, dense and fusions
    python -m benchmarks.retrieval titles FOLDER [--cache DIR]    the same, titles as questions for texts without them
    python -m benchmarks.retrieval precision FOLDER               nDCG@10 with vectors in float32 and as they ship
    python -m benchmarks.retrieval answers FOLDER [--cache DIR]   gold answer in 1 and 3 sentences; AUC of the gate
    python -m benchmarks.retrieval cache FOLDER [--cache DIR]     a question asked first, asked again, and traced
    python -m benchmarks.retrieval embedding FOLDER               against SentenceTransformer.encode with its defaults
    python -m benchmarks.retrieval sync                           10,000 documents: first, unchanged, one more
    python -m benchmarks.retrieval speed [--passages N]           latency and memory of search

FOLDER holds corpus.jsonl(.gz) {id, title, text}, queries.jsonl {id, text, answerable?, answers?} and qrels.tsv.
"""

import argparse
import gzip
import json
import logging
import re
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from retrieval import Answerer, Document, Index

QUESTIONS = 300
"""Titles drawn as questions."""

UNTITLED = 2000
"""Documents among which a title looks for its own."""

OFF_TOPIC = """what is the weather in Paris|how do I cook a risotto|who won the match yesterday|how do I reset my phone
which shoes are best for running|how long should I boil an egg|how do I train my dog to sit|when is the next train
how many calories are in a banana|write me a poem about the sea|how do I change a bicycle tyre|what is my horoscope
how do I grow tomatoes on a balcony|what does a plane ticket cost|how can I learn to play guitar|tell me a joke
how do I fix a leaking tap|what should I wear to a wedding|how do I knit a scarf|what is a good name for a hamster"""


def off_topic_questions() -> list[str]:
    return [text.strip() for line in OFF_TOPIC.split("\n") for text in line.split("|")]


def read_corpus(folder: Path) -> list[Document]:
    path = next(path for path in (folder / "corpus.jsonl.gz", folder / "corpus.jsonl") if path.exists())
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [Document(str(row["id"]), row.get("title") or "", row["text"]) for row in rows]


def read_queries(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]


def read_judgements(folder: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged.setdefault(query, {})[document] = int(grade)
    return judged


def open_index(folder: Path, cache: Path | None) -> Index:
    place = (cache or Path(tempfile.mkdtemp())) / f"index-{folder.name}"
    index = Index.open(place)
    report = index.sync(read_corpus(folder), prune=True)
    print(f"{folder.name}: {report.to_text()}; {index.status().passages:,} passages")
    return index


def ndcg(ranking: list[str], judged: dict[str, int], k: int = 10) -> float:
    gain = sum(judged.get(name, 0) / np.log2(place + 2) for place, name in enumerate(ranking[:k]))
    best = sum(grade / np.log2(place + 2) for place, grade in enumerate(sorted(judged.values(), reverse=True)[:k]))
    return float(gain / best)


def interval(values: list[float]) -> str:
    """Mean with the 95% interval of a bootstrap over questions."""
    drawn = np.random.default_rng(0).choice(values, size=(2000, len(values)))
    low, high = np.quantile(drawn.mean(axis=1), [0.025, 0.975])
    return f"{np.mean(values):.4f}  [{low:.3f}, {high:.3f}]"


def measure_search(folder: Path, cache: Path | None) -> None:
    judged = read_judgements(folder)
    queries = [query for query in read_queries(folder) if str(query["id"]) in judged]
    compare(open_index(folder, cache), queries, judged)


def measure_titles(folder: Path, cache: Path | None) -> None:
    """A set that nothing was tuned to: each title must find its own text, which does not hold it."""
    documents = [document for document in read_corpus(folder) if document.title.strip()][:UNTITLED]
    index = Index.open((cache or Path(tempfile.mkdtemp())) / f"untitled-{folder.name}")
    index.sync([Document(document.id, "", document.text) for document in documents], prune=True)
    drawn = np.random.default_rng(0).permutation(len(documents))[:QUESTIONS]
    queries = [{"id": documents[place].id, "text": documents[place].title} for place in drawn]
    compare(index, queries, {query["id"]: {query["id"]: 1} for query in queries})


def compare(index: Index, queries: list[dict], judged: dict[str, dict[str, int]]) -> None:
    """Print nDCG@10 of the index and of the simple rankings of the same passages."""
    table: dict[str, list[float]] = {}
    for query in queries:
        relevant = judged[str(query["id"])]
        found = [hit.document_id for hit in index.search(query["text"], k=10)]
        table.setdefault("Index.search", []).append(ndcg(found, relevant))
        for name, ranking in baselines(index, query["text"]):
            table.setdefault(name, []).append(ndcg(ranking, relevant))
    print(f"\nnDCG@10 over {len(queries)} questions, 95% interval")
    for name, values in table.items():
        print(f"  {name:28s} {interval(values)}")


def baselines(index: Index, question: str) -> Iterator[tuple[str, list[str]]]:
    """Simple rankings of the same passages by the same model; each document by its best passage."""
    from collections import Counter

    from retrieval.text import terms

    searcher = index._searcher
    view = searcher.view()
    cache = index.__dict__.setdefault("_benchmark_vectors", {})
    if not cache:
        stored = searcher._store.manifest.passages(view.keyword.numbers.tolist())
        cache["vectors"] = np.stack(
            [stored[int(n)].vectors[0] * stored[int(n)].scales[0] for n in view.keyword.numbers]
        )
    keyword = best_of(view.keyword.scores(dict.fromkeys(Counter(terms(question)), 1.0), view.alive), view.owners)
    dense = best_of(cache["vectors"] @ index.encode([question], exact=True)[0], view.owners)
    ranks = [np.argsort(np.argsort(-scores)) for scores in (keyword, dense)]
    for name, scores in (
        ("BM25", keyword),
        ("dense (MiniLM)", dense),
        ("rank fusion (k = 60)", sum(1 / (61 + rank) for rank in ranks)),
        ("plain sum of scaled scores", scale(keyword) + scale(dense)),
    ):
        yield name, [view.document_ids[place] for place in np.argsort(-np.asarray(scores))[:10]]


def best_of(scores: np.ndarray, owners: np.ndarray) -> np.ndarray:
    best = np.full(int(owners.max()) + 1, -1e9, dtype=np.float32)
    np.maximum.at(best, owners, scores)
    return best


def scale(scores: np.ndarray) -> np.ndarray:
    return (scores - scores.min()) / max(float(scores.max() - scores.min()), 1e-9)


def measure_answers(folder: Path, cache: Path | None) -> None:
    index = open_index(folder, cache)
    answerer = Answerer(index, cache=0)
    confidence: dict[str, list[float]] = {"answerable": [], "unanswerable": [], "off-topic": []}
    statuses: dict[str, dict[str, int]] = {kind: {} for kind in confidence}
    first = three = raw = 0
    seconds = []
    asked = [(query, "answerable" if query["answerable"] else "unanswerable") for query in read_queries(folder)]
    asked += [({"text": text}, "off-topic") for text in off_topic_questions()]
    for query, kind in asked:
        answer = answerer.ask(query["text"])
        seconds.append(answer.elapsed_ms / 1000)
        confidence[kind].append(answer.confidence)
        statuses[kind][answer.status] = statuses[kind].get(answer.status, 0) + 1
        if kind == "answerable":
            texts = [sentence.text for sentence in answer.sentences]
            first += any(holds(text, query["answers"]) for text in texts[:1])
            three += any(holds(text, query["answers"]) for text in texts[:3])
            raw += any(holds(hit.text, query["answers"]) for hit in answer.hits)
    total = len(confidence["answerable"])
    print(f"\nanswerable: {total}; gold answer in the first sentence {first / total:.3f},")
    print(
        f"  in the whole answer {three / total:.3f}, in the passages found {raw / total:.3f} (refusals count as wrong)"
    )
    for kind in ("unanswerable", "off-topic"):
        print(
            f"AUC of the gate on {kind}, weights as they ship: {area(confidence['answerable'], confidence[kind]):.3f}"
        )
    from benchmarks.gate import collect, cross_validated

    beyond, _ = cross_validated(collect(index, read_queries(folder), off_topic_questions()))
    print("  weights fitted without the article asked of: " + ", ".join(f"{k} {v:.3f}" for k, v in beyond.items()))
    for kind, counts in statuses.items():
        print(f"  {kind:13s} {counts}")
    middle, slow = np.quantile(seconds, [0.5, 0.95]) * 1000
    print(f"a question takes {middle:.0f} ms (median), {slow:.0f} ms (p95)")


def measure_cache(folder: Path, cache: Path | None) -> None:
    """Milliseconds of a question: first asked, asked again, asked with tracing; and the memory of kept answers."""
    import pickle

    index = open_index(folder, cache)
    asked = [query["text"] for query in read_queries(folder)[:200]]
    uri = f"sqlite:///{tempfile.mkdtemp()}/mlflow.db"
    plain, traced = Answerer(index), Answerer(index, cache=0, tracking_uri=uri)
    for answerer in (plain, traced):  # models, databases and the registry are opened before the clock runs
        answerer.ask("What is loaded first?")
    assert traced.tracer is not None
    traced.tracer.flush(120)
    taken: dict[str, list[float]] = {"first": [], "again": [], "traced": []}
    # Traces are sent beside the answers: they come last, so that the first two do not wait for a busy machine.
    for names in (("first", "again"), ("traced",)):
        for question in asked:
            for name in names:
                answerer = traced if name == "traced" else plain
                begun = time.perf_counter()
                answerer.ask(question)
                taken[name].append((time.perf_counter() - begun) * 1000)
    for name, values in taken.items():
        print(f"  {name:7s} median {np.median(values):6.2f} ms, p95 {np.quantile(values, 0.95):6.2f} ms")
    kept = sum(len(pickle.dumps(answer)) for answer in plain.cache._answers.values())
    print(f"  {len(plain.cache)} answers kept, about {kept / max(len(plain.cache), 1) / 1024:.0f} KB each")
    traced.tracer.flush(120)
    print(f"  {traced.tracer.sent} traces sent, {traced.tracer.dropped} dropped")


def holds(text: str, answers: list[str]) -> bool:
    def plain(value: str) -> str:
        found = re.findall(r"[^_\W]+", value.lower())
        return f" {' '.join(found)} "

    return any(plain(answer) in plain(text) for answer in answers)


def area(positive: list[float], negative: list[float]) -> float:
    return float(np.mean([(high > low) + 0.5 * (high == low) for high in positive for low in negative]))


def measure_embedding(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    from retrieval.bert import BertEncoder
    from retrieval.embedding import Embedding

    texts = [f"{document.title}. {document.text}" for document in read_corpus(folder)[:600]]
    theirs = SentenceTransformer(str(Embedding().folder()), device="cpu")
    ours = BertEncoder(Embedding().folder())
    theirs.encode(texts[:32])
    ours.encode(texts[:32])
    times: dict[str, list[float]] = {"SentenceTransformer.encode": [], f"BertEncoder ({ours.precision})": []}
    vectors: list[np.ndarray] = []
    runs: list[Callable[[], np.ndarray]] = [lambda: np.asarray(theirs.encode(texts)), lambda: ours.encode(texts)]
    for _ in range(3):  # taken in turns, so that a busy machine is busy for both
        vectors = []
        for name, run in zip(times, runs, strict=True):
            begun = time.perf_counter()
            vectors.append(run())
            times[name].append(time.perf_counter() - begun)
    for name, taken in times.items():
        print(f"  {name:32s} {len(texts) / min(taken):7.1f} texts a second (best of 3)")
    slow, fast = (min(taken) for taken in times.values())
    print(f"  {slow / fast:.1f} times as fast; mean cosine {np.mean(np.sum(vectors[0] * vectors[1], axis=1)):.5f}")


def measure_precision(folder: Path) -> None:
    """What the faster number format costs: the same documents, encoded in float32 and as this machine would."""
    from retrieval.bert import BertEncoder
    from retrieval.embedding import Embedding, load_encoder

    encoder = load_encoder(Embedding().folder())
    assert isinstance(encoder, BertEncoder)
    judged = read_judgements(folder)
    queries = [query for query in read_queries(folder) if str(query["id"]) in judged]
    wanted = {name for relevant in judged.values() for name in relevant}
    # All judged documents and as many others; the questions are as hard for both formats.
    documents = read_corpus(folder)
    others = [document for document in documents if document.id not in wanted][: max(len(wanted), QUESTIONS)]
    documents = [document for document in documents if document.id in wanted] + others
    shipped, gains = encoder.precision, {}
    vectors: dict[str, np.ndarray] = {}
    for precision in dict.fromkeys(("float32", shipped)):
        encoder._precision = precision
        index = Index.open(Path(tempfile.mkdtemp()) / precision)
        index.sync(documents)
        gains[precision] = [
            ndcg([hit.document_id for hit in index.search(query["text"], k=10)], judged[str(query["id"])])
            for query in queries
        ]
        vectors[precision] = encoder.encode([f"{document.title}. {document.text}" for document in documents[:200]])
    print(f"nDCG@10 over {len(queries)} questions, {len(documents):,} documents")
    for precision, values in gains.items():
        print(f"  {precision:10s} {interval(values)}")
    loss = np.mean(gains["float32"]) - np.mean(gains[shipped])
    cosine = np.sum(vectors["float32"] * vectors[shipped], axis=1)
    print(f"  loss {loss:+.4f}; cosine to float32 {cosine.mean():.5f} on average, {cosine.min():.5f} at least")


def measure_sync() -> None:
    documents = [
        Document(
            f"note-{number}", f"Note {number}", f"Payment {number} to account C{number:07d} was held and released."
        )
        for number in range(10_000)
    ]
    index = Index.open(Path(tempfile.mkdtemp()) / "index")
    for name in ("first sync", "nothing changed"):
        print(f"  {name:16s} {index.sync(documents, prune=True).to_text()}")
    index.search("warm up")
    begun = time.perf_counter()
    report = index.sync([Document("new", "A courier", "A courier came to the door for the bank card. " * 20)])
    added = time.perf_counter() - begun
    found = index.search("courier for the bank card", k=1)[0].document_id == "new"
    taken = time.perf_counter() - begun
    print(f"  one more note    {added:.2f} s to add; found {'at once' if found else 'NOT'}, {taken:.2f} s in all")
    assert report.added == 1


def measure_speed(passages: int) -> None:
    """Search over made-up passages with random vectors: what counts here is their number."""
    from retrieval import embedding

    rng = np.random.default_rng(0)
    vocabulary = np.array([f"word{number}" for number in range(20_000)])
    weights = 1 / np.arange(1, len(vocabulary) + 1)
    weights /= weights.sum()

    class Random:
        dimension = 384

        def encode(self, texts: list[str], *, exact: bool = False) -> np.ndarray:
            drawn = rng.normal(size=(len(texts), 384)).astype(np.float32)
            return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

        def encode_windows(self, texts: list[str], windows: list) -> list[np.ndarray]:
            return [self.encode([text] * (1 + len(spans))) for text, spans in zip(texts, windows, strict=True)]

    embedding.load_encoder = lambda folder: Random()  # type: ignore[assignment]
    index = Index.open(Path(tempfile.mkdtemp()) / "index")

    def documents() -> Iterator[Document]:
        for number in range(passages):
            drawn = rng.choice(vocabulary, 60, p=weights)
            yield Document(f"d{number}", "", ". ".join(" ".join(drawn[i : i + 12]) for i in range(0, 60, 12)))

    print("  " + index.sync(documents()).to_text())
    questions = [" ".join(rng.choice(vocabulary, 8, p=weights)) for _ in range(200)]
    index.search(questions[0])
    taken = []
    for question in questions:
        begun = time.perf_counter()
        index.search(question)
        taken.append((time.perf_counter() - begun) * 1000)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"  search p50 {np.median(taken):.1f} ms, p95 {np.quantile(taken, 0.95):.1f} ms; peak memory {memory:,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", choices=["search", "titles", "precision", "answers", "cache", "embedding", "sync", "speed"]
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cache", type=Path, help="keep the index here and use it again")
    parser.add_argument("--passages", type=int, default=100_000)
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    if chosen.what not in ("sync", "speed") and chosen.folder is None:
        parser.error(f"{chosen.what} needs a FOLDER")
    if chosen.what == "search":
        measure_search(chosen.folder, chosen.cache)
    elif chosen.what == "titles":
        measure_titles(chosen.folder, chosen.cache)
    elif chosen.what == "precision":
        measure_precision(chosen.folder)
    elif chosen.what == "answers":
        measure_answers(chosen.folder, chosen.cache)
    elif chosen.what == "cache":
        measure_cache(chosen.folder, chosen.cache)
    elif chosen.what == "embedding":
        measure_embedding(chosen.folder)
    elif chosen.what == "sync":
        measure_sync()
    else:
        measure_speed(chosen.passages)


if __name__ == "__main__":
    main()
