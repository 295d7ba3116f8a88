"""Measurements of the desk as it stands: its answers with Ragas, the drift of its payments with Evidently."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.answer_quality import measure_answers
from app.files import write_whole
from app.settings import Settings, SettingsError

__all__ = ["measure_answers", "measure_drift", "parse_gates", "score_last_days"]

DAY_SECONDS = 86_400
LABEL, MATURED = "label", "matured"
# Questions and documents of so many days are held against those before.
_TEXT_DAYS = 30
# What a column does by nature is seen in so many days that the champion was trained on: a month, and a bit.
_EARLIER_DAYS = 35
# Payments needed before such a window, so that the longest windows of features are full in it.
_SETTLED_DAYS = 30
_MOST_EARLIER = 20_000
_MOST_TEXTS = 2_000
_TEXT_LENGTH = 1_000

if TYPE_CHECKING:
    import pandas as pd

    from app.console import ProgressLine
    from eval.drift import DriftResult
    from eval.drift_text import TextDrift
    from fraud_model.scorer import Scorer


def measure_drift(settings: Settings, *, progress: "ProgressLine | None" = None) -> "DriftResult":
    """Compare the last days with the champion's reference, log the run to MLflow."""
    from eval.drift import run_drift
    from fraud_model.registry import Registry
    from fraud_model.scorer import Scorer

    scorer = Scorer.load("champion", tracking_uri=settings.mlflow_uri)
    scored, window = score_last_days(settings, scorer)
    champion = Registry(settings.mlflow_uri).version(scorer.model_version)
    trained_until = datetime.fromisoformat(champion.tags["trained_until"]) if "trained_until" in champion.tags else None
    result = run_drift(
        scorer.reference,
        scored,
        tracking_uri=settings.mlflow_uri,
        artifact_root=settings.mlflow_artifacts,
        model_version=scorer.model_version,
        threshold=scorer.threshold,
        days=float(settings.alert_days),
        label_column=LABEL,
        matured_column=MATURED,
        labelled=score_labelled_days(settings, scorer, trained_until),
        labelled_days=float(settings.alert_days),
        reference_average_precision=champion.metrics.get("average_precision"),
        texts=drift_of_texts(settings),
        earlier=earlier_windows(settings, scorer, trained_until),
        window=window,
        progress=progress,
    )
    write_whole(settings.corpus_written / "run_reports" / f"drift-v{scorer.model_version}.md", result.report_markdown)
    return result


def parse_gates(gates: Sequence[str]) -> dict[str, float]:
    """`metric=value` texts as a table.

    Raises:
        SettingsError: one is not of that form.
    """
    parsed = {}
    for gate in gates:
        name, found, value = gate.partition("=")
        try:
            parsed[name.strip()] = float(value)
        except ValueError:
            found = ""
        if not found or not name.strip():
            raise SettingsError(f"--fail-under {gate!r} is not of the form metric=value, such as citation_recall=0.8")
    return parsed


def score_last_days(settings: Settings, scorer: "Scorer") -> "tuple[pd.DataFrame, str]":
    """The working payments' last `alert_days`: features and `fraud_probability`, and the days in words (UTC)."""
    from fraud_model.data import read_transactions
    from fraud_model.features import compute_features

    schema = scorer.schema
    frame = read_transactions(settings.transactions_path, schema)
    times = schema.times(frame)
    recent = times > int(times.max()) - settings.alert_days * DAY_SECONDS
    features = compute_features(frame[recent], schema, history=frame[~recent])
    scores = scorer.score(frame[recent], history=frame[~recent])
    first, last = (datetime.fromtimestamp(int(edge), UTC) for edge in (times[recent].min(), times[recent].max()))
    window = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return features.assign(fraud_probability=scores["fraud_probability"].to_numpy()), window


def earlier_windows(settings: Settings, scorer: "Scorer", trained_until: datetime | None) -> "list[pd.DataFrame]":
    """Features in windows of `alert_days` among the last days that the champion was trained on, the latest first.

    A sample of each; none where too few days of payments lie before them, or the end of training is not known.
    """
    import numpy as np

    from fraud_model.data import read_transactions
    from fraud_model.features import compute_features

    if trained_until is None:
        return []
    schema = scorer.schema
    frame = read_transactions(settings.transactions_path, schema)
    times = schema.times(frame)
    end, length = int(trained_until.timestamp()), settings.alert_days * DAY_SECONDS
    first = max(int(times.min()) + _SETTLED_DAYS * DAY_SECONDS, end - _EARLIER_DAYS * DAY_SECONDS)
    starts = range(end - length, first - 1, -length)
    if not starts:
        return []
    seen = (times >= starts[-1]) & (times < end)
    features = compute_features(frame[seen], schema, history=frame[times < starts[-1]])
    rng = np.random.default_rng(0)
    found = []
    for start in starts:
        rows = np.flatnonzero((times[seen] >= start) & (times[seen] < start + length))
        found.append(features.iloc[np.sort(rng.choice(rows, min(len(rows), _MOST_EARLIER), replace=False))])
    return found


def score_labelled_days(settings: Settings, scorer: "Scorer", trained_until: datetime | None) -> "pd.DataFrame":
    """Score, label and maturity of the last payments that the champion was not trained on.

    A label counts where its delay is over, so that `alert_days` days of matured ones are reached; of younger payments
    only those are labelled on which an analyst has decided, and they are marked as not matured.

    Returns:
        Columns `fraud_probability`, `label` (1 fraud, 0 legitimate, NaN not known yet), `matured`.
    """
    import numpy as np
    import pandas as pd

    from app.store import Store
    from fraud_model.data import read_transactions

    schema = scorer.schema
    frame = read_transactions(settings.transactions_path, schema)
    times = schema.times(frame)
    newest = int(times.max())
    from_on = newest - schema.label_delay_seconds - settings.alert_days * DAY_SECONDS
    if trained_until is not None:
        from_on = max(from_on, int(trained_until.timestamp()))
    recent = times > from_on
    scores = scorer.score(frame[recent], history=frame[~recent])
    matured = times[recent] <= newest - schema.label_delay_seconds
    known = schema.labels(frame)[recent] if schema.label in frame.columns else np.full(int(recent.sum()), np.nan)
    labels = pd.Series(np.where(matured, known, np.nan), index=schema.transaction_ids(frame)[recent])
    store = Store(settings.desk_database)
    try:
        decisions = {label.transaction_id: float(label.label) for label in store.labels(None)}
    finally:
        store.close()
    decided = labels.index.intersection(list(decisions))
    labels.loc[decided] = labels.loc[decided].fillna(pd.Series(decisions))
    return pd.DataFrame(
        {"fraud_probability": scores["fraud_probability"].to_numpy(), LABEL: labels.to_numpy(float), MATURED: matured}
    )


def drift_of_texts(settings: Settings) -> "list[TextDrift]":
    """Questions of the last 30 days against those that the answers are measured with; new documents against old."""
    from app.corpus import open_index
    from app.store import Store
    from eval.drift_text import text_drift
    from eval.questions import load_questions
    from retrieval.embedding import Embedding
    from retrieval.masking import mask

    embed = Embedding(settings.embedding_model or None).encode
    since = datetime.now(UTC) - timedelta(days=_TEXT_DAYS)
    store = Store(settings.desk_database)
    try:
        asked = [mask(text).text for text in store.conversations.questions_since(since, _MOST_TEXTS)]
    finally:
        store.close()
    found = [text_drift("questions", [question.question for question in load_questions()], asked, embed)]
    if not settings.index_path.exists():
        return found
    index = open_index(settings, read_only=True)
    dated = []
    for number in index.document_ids():
        document = index.document(number)
        when = str((document.metadata if document else {}).get("closed") or "")
        if document is not None and when:
            dated.append((when, f"{document.title}\n{document.text[:_TEXT_LENGTH]}"))
    dated = sorted(dated)[-_MOST_TEXTS:]
    if dated:
        edge = (datetime.fromisoformat(dated[-1][0]) - timedelta(days=_TEXT_DAYS)).isoformat()[:19]
        old = [text for when, text in dated if when[:19] < edge]
        new = [text for when, text in dated if when[:19] >= edge]
        found.append(text_drift("case_notes", old, new, embed))
    return found
