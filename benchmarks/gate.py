"""Fits the weights of the evidence gate and tells how well they do on articles left out of the fit.

    python -m benchmarks.gate FOLDER [--cache DIR]

FOLDER as for `benchmarks.retrieval`; every question needs the article it was asked of (`gold`).  Four kinds of
question: answerable, unanswerable (asked of an article that does not say), off-topic, and swapped: an answerable
question whose rarest word is replaced by one that nothing found holds.  Unanswerable questions of encyclopaedia sets
are made from the article's own words, so only swapped ones say what a word missing everywhere means.

Prints the AUC of each kind in the sample and cross-validated (five folds over articles, three shuffles), then the
constants of `retrieval.gate`.  Nothing in them is set by hand but the two shares of answerable questions at which the
thresholds stand.
"""

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from retrieval import Index
from retrieval.answer import PASSAGES, PER_DOCUMENT
from retrieval.evidence import gather, read_question
from retrieval.gate import SIGNALS, rarest_word, signals
from retrieval.text import terms, words

FOLDS, SHUFFLES = 5, 3

SHARE_OF_OTHERS = 0.2
"""What the off-topic and the swapped questions each count together, beside 1 for all unanswerable ones."""

LEAST_ANSWERED, LEAST_PARTIAL = 0.3, 0.05
"""Shares of answerable questions that may stay below the thresholds of `answered` and of `partial`."""

OTHERS = ("unanswerable", "off-topic", "swapped")


@dataclass(frozen=True)
class Example:
    """One question: its kind, the article it was asked of (empty if of none), and the gate's signals."""

    kind: str
    article: str
    signals: np.ndarray


def collect(index: Index, queries: Sequence[dict[str, Any]], off_topic: Sequence[str]) -> list[Example]:
    """Ask every question and keep what the gate sees; those refused before it weighs anything are left out."""
    asked = [("answerable" if q["answerable"] else "unanswerable", str(q["gold"]), q["text"]) for q in queries]
    asked += [("off-topic", "", text) for text in off_topic]
    asked += [("swapped", article, text) for article, text in swapped(index, asked)]
    found = []
    for kind, article, text in asked:
        seen = look(index, text)
        if seen is not None:
            found.append(Example(kind, article, seen))
    return found


def look(index: Index, text: str) -> np.ndarray | None:
    question = read_question(index, text)
    evidence = gather(question, index.search(text, PASSAGES, per_document=PER_DOCUMENT))
    return signals(question, evidence) if evidence and question.weights else None


def swapped(index: Index, asked: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """Answerable questions with the rarest word of another one, of another article, in place of their own."""
    rng = np.random.default_rng(0)
    rarest = [
        (article, text, word)
        for kind, article, text in asked
        if kind == "answerable" and (word := rarest_word(read_question(index, text)))
    ]
    for article, text, word in rarest:
        hits = index.search(text, PASSAGES, per_document=PER_DOCUMENT)
        held = {term for hit in hits for term in terms(f"{hit.title} {hit.heading} {hit.text}")}
        for _ in range(20):
            other, _, stranger = rarest[int(rng.integers(len(rarest)))]
            if other != article and not held & set(terms(stranger)) and stranger not in words(text):
                yield article, " ".join(stranger if word in words(part) else part for part in text.split())
                break


def fit(examples: Sequence[Example]) -> LogisticRegression:
    """Logistic regression without any penalty to speak of: a few weights, far more questions."""
    counts = {kind: sum(entry.kind == kind for entry in examples) for kind in OTHERS}
    share = {"answerable": 1.0, "unanswerable": 1.0} | {
        kind: SHARE_OF_OTHERS * counts["unanswerable"] / max(counts[kind], 1) for kind in OTHERS[1:]
    }
    model = LogisticRegression(C=1e3, max_iter=5000)
    wanted = [entry.kind == "answerable" for entry in examples]
    return model.fit(rows(examples), wanted, sample_weight=[share[entry.kind] for entry in examples])


def cross_validated(examples: Sequence[Example]) -> tuple[dict[str, float], np.ndarray]:
    """AUC against each other kind, each question judged by weights that never saw its article; also the values."""
    areas: dict[str, list[float]] = {kind: [] for kind in OTHERS}
    total = np.zeros(len(examples))
    for shuffle in range(SHUFFLES):
        folds = folds_of(examples, shuffle)
        values = np.zeros(len(examples))
        for fold in range(FOLDS):
            model = fit([entry for entry, place in zip(examples, folds, strict=True) if place != fold])
            values[folds == fold] = model.decision_function(rows(examples)[folds == fold])
        for kind, area in areas_of(examples, values).items():
            areas[kind].append(area)
        total += values
    return {kind: float(np.mean(found)) for kind, found in areas.items()}, total / SHUFFLES


def folds_of(examples: Sequence[Example], shuffle: int) -> np.ndarray:
    """All questions of an article in one fold; off-topic ones in turn."""
    articles = sorted({entry.article for entry in examples if entry.article})
    order = np.random.default_rng(shuffle).permutation(len(articles))
    place = {article: int(order[number]) % FOLDS for number, article in enumerate(articles)}
    return np.array([place.get(entry.article, number % FOLDS) for number, entry in enumerate(examples)])


def areas_of(examples: Sequence[Example], values: np.ndarray) -> dict[str, float]:
    """AUC of answerable questions against each other kind that is there."""
    kinds = np.array([entry.kind for entry in examples])
    found = {}
    for kind in OTHERS:
        seen = (kinds == "answerable") | (kinds == kind)
        if (kinds == kind).any():
            found[kind] = float(roc_auc_score(kinds[seen] == "answerable", values[seen]))
    return found


def rows(examples: Sequence[Example]) -> np.ndarray:
    return np.stack([entry.signals for entry in examples])


def main() -> None:
    from benchmarks.retrieval import off_topic_questions, open_index, read_queries

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, help="keep the index here and use it again")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    index = open_index(chosen.folder, chosen.cache)
    examples = collect(index, read_queries(chosen.folder), off_topic_questions())
    model = fit(examples)
    within = areas_of(examples, model.decision_function(rows(examples)))
    beyond, values = cross_validated(examples)
    print("\nAUC of answerable against   in the sample   articles left out")
    for kind in OTHERS:
        count = sum(entry.kind == kind for entry in examples)
        print(f"  {kind:13s} ({count:4d})            {within[kind]:.4f}             {beyond[kind]:.4f}")
    answerable = 1 / (1 + np.exp(-values[[entry.kind == "answerable" for entry in examples]]))
    print("\nfor retrieval/gate.py:")
    print(f"ANSWERED = {np.quantile(answerable, LEAST_ANSWERED):.2f}")
    print(f"PARTIAL = {np.quantile(answerable, LEAST_PARTIAL):.2f}")
    print(f"WEIGHTS = np.array({[round(float(weight), 2) for weight in model.coef_[0]]})  # {', '.join(SIGNALS)}")
    print(f"BIAS = {model.intercept_[0]:.2f}")


if __name__ == "__main__":
    main()
