"""Configurations of this desk's assistant side by side, as runs in MLflow under one parent."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.answer_quality import AssistantPath, answer_params, known_questions
from app.corpus import open_index
from app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from app.console import ProgressLine
    from app.desk import Desk
    from eval.compare import Comparison, Variant
    from eval.judge import Judge
    from retrieval import Document, Index

LLM, PASSAGES, PER_DOCUMENT, DENSE_WEIGHT, MAX_WORDS = "llm", "passages", "per_document", "dense_weight", "max_words"
GATE = "gate_"


def compare(
    settings: Settings,
    values: Mapping[str, Sequence[Any]],
    *,
    split: str | None = None,
    most: int | None = None,
    judge: "Judge | None" = None,
    progress: "ProgressLine | None" = None,
) -> "Comparison":
    """Measure every combination of settings on the same questions; the first is what the others are held against.

    An index with another passage size is built in a temporary folder from the texts of the desk's own.

    Args:
        settings: Settings in force; what `values` does not name stays as they say.
        values: By name: `llm`, `passages`, `per_document`, `dense_weight`, `max_words` (of a passage), and
            `gate_answered`, `gate_partial`, `gate_most_missing`, `gate_refused_missing`, `gate_refused_named`.
        split: Only questions of this split; choose on `development`, settle on `gate`.
        most: Ask at most so many.
        judge: A language model that gives verdicts beside.
        progress: Told after each question.

    Raises:
        SettingsError: a name is not one of these, or a model is not there.
        EvalInputError: nothing to compare.
    """
    from app.desk import Desk
    from eval.compare import compare_answers, grid
    from eval.questions import sample_questions

    _check_names(values)
    _check_models(values.get(LLM, ()), settings.ollama_url)
    combinations = grid(values)
    with open_index(settings, read_only=True):
        pass  # Opened for asking, an index that is not there would be made.
    desk = Desk(settings)
    with ExitStack() as open_things:
        open_things.callback(desk.close)
        asked = known_questions(desk, split)
        if most is not None:
            asked = sample_questions(asked, most)
        variants = list(_variants(desk, combinations, open_things))
        return compare_answers(
            variants,
            asked,
            tracking_uri=settings.mlflow_uri,
            artifact_root=settings.mlflow_artifacts,
            judge=judge,
            document_text=desk.index.document_text,
            progress=progress,
        )


def parse_grid(texts: Sequence[str]) -> dict[str, list[Any]]:
    """`name=value,value` texts as values by name, numbers as numbers.

    Raises:
        SettingsError: one is not of that form.
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, sign, listed = text.partition("=")
        values = [part.strip() for part in listed.split(",") if part.strip()]
        if not sign or not name.strip() or not values:
            raise SettingsError(f"--set {text!r} is not of the form name=value,value, such as passages=4,8,12")
        found[name.strip()] = [_value(name.strip(), part) for part in values]
    return found


def _variants(desk: "Desk", combinations: Sequence[Mapping[str, Any]], open_things: ExitStack) -> "Iterator[Variant]":
    from app.arms import Arm
    from eval.compare import Variant, variant_name
    from retrieval import Answerer
    from retrieval.gate import Limits

    settings = desk.settings
    indexes: dict[tuple[Any, Any], Index] = {}
    for chosen in combinations:
        shape = chosen.get(MAX_WORDS), chosen.get(DENSE_WEIGHT)
        if shape not in indexes:
            indexes[shape] = _index(desk, shape[0], shape[1], open_things)
        index = indexes[shape]
        limits = {name.removeprefix(GATE): value for name, value in chosen.items() if name.startswith(GATE)}
        counts = {name: chosen[name] for name in (PASSAGES, PER_DOCUMENT) if name in chosen}
        answerer = Answerer(
            index,
            llm=chosen.get(LLM, settings.llm),
            ollama_url=settings.ollama_url,
            limits=Limits(**limits),
            cache=0,
            **counts,
        )
        name = variant_name(chosen)
        yield Variant(name, chosen, AssistantPath(desk, Arm(name, answerer)), answer_params(index, answerer))


def _index(desk: "Desk", max_words: int | None, dense_weight: float | None, open_things: ExitStack) -> "Index":
    """The desk's index, or one of its own where passages or weights are to be others."""
    from retrieval import Index
    from retrieval.chunking import Chunking

    if max_words is None and dense_weight is None:
        return desk.index
    settings = desk.settings
    weight: dict[str, Any] = {} if dense_weight is None else {"dense_weight": float(dense_weight)}
    model = settings.embedding_model or None
    if max_words is None:
        found = Index.open(
            settings.index_path, embedding_model=model, chroma_url=settings.chroma_url or None, read_only=True, **weight
        )
        return open_things.enter_context(found)
    folder = Path(open_things.enter_context(tempfile.TemporaryDirectory(prefix="frauddesk-compare-")))
    found = Index.open(folder / "index", embedding_model=model, chunking=Chunking(max_words=int(max_words)), **weight)
    open_things.enter_context(found)
    found.sync(_documents(desk.index))
    return found


def _documents(index: "Index") -> "Iterator[Document]":
    from retrieval import Document

    for name in index.document_ids():
        stored = index.document(name)
        if stored is not None:
            yield Document(stored.id, stored.title, stored.text, stored.metadata)


def _check_names(values: Mapping[str, Sequence[Any]]) -> None:
    from retrieval.gate import Limits

    known = [LLM, PASSAGES, PER_DOCUMENT, DENSE_WEIGHT, MAX_WORDS, *(GATE + field.name for field in fields(Limits))]
    for name in values:
        if name not in known:
            raise SettingsError(f"no setting {name!r} to compare; there are: {', '.join(known)}")


def _check_models(models: Sequence[str], url: str | None) -> None:
    """Refuse a model that is not there: it would be measured as the extractive answerer, which stands in for it."""
    from retrieval.llm import make_chat_model, ollama_health

    for llm in dict.fromkeys(models):
        asked = make_chat_model(llm, url)[1]
        if asked is None:
            continue
        health = ollama_health(asked.url, asked.model)
        if not health.ok:
            raise SettingsError(f"--set {LLM}: {llm}: {health.detail}; {health.fix}")


def _value(name: str, text: str) -> Any:
    if name == LLM:
        return text
    try:
        return int(text) if name in (PASSAGES, PER_DOCUMENT, MAX_WORDS) else float(text)
    except ValueError:
        raise SettingsError(f"--set {name}: {text!r} is not a number") from None
