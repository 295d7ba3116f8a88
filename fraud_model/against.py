"""A version beside the champion on the same later payments: what decides whether it may take its place.

Both score the same rows, each with its own features and categories; differences come with paired bootstrap intervals.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from fraud_model.definitions import feature_fingerprint
from fraud_model.errors import DataError, FraudModelError, InputError, ModelError
from fraud_model.evaluation import Evaluation, defined
from fraud_model.features import compute_features
from fraud_model.intervals import Comparison, compare_figures
from fraud_model.metrics import Array
from fraud_model.model_file import ModelDescription, StoredModel
from fraud_model.population import Shift, shifts
from fraud_model.preparation import Prepared, iso
from fraud_model.registry import Registry
from fraud_model.schema import DAY_SECONDS
from fraud_model.slices import Slice, slices_of
from fraud_model.standing import DECIDING, Compared

_LOG = logging.getLogger(__name__)
ALL = "all payments"
RECENT_DAYS = 7
"""Days at the end of training whose features are held against the champion's reference sample."""


@dataclass(frozen=True)
class Against:
    """A challenger beside the champion.

    Attributes:
        version: The champion.
        saw_rows: Whether the champion was trained on some of the rows, which favours it.
        alerts: Each model alerts on its so many highest scores.
        days: Days that the rows span.
        figures: Comparisons by metric name, of all rows.
        slices: The same by the key of the part.
        compared: What promotion looks at.
        known: The champion's description.
        shifts: How far features of the last days of training have moved from the champion's reference sample.
    """

    version: str
    saw_rows: bool
    alerts: int
    days: float
    figures: Mapping[str, Comparison]
    slices: Mapping[str, Mapping[str, Comparison]]
    compared: Compared
    known: ModelDescription
    shifts: tuple[Shift, ...] = ()

    def metrics(self) -> dict[str, float]:
        """The deciding figures under stable names."""
        found: dict[str, float] = {}
        for name, pair in self.figures.items():
            found |= {f"champion_{name}": pair.champion, f"gain_{name}": pair.gain}
            found |= {f"gain_{name}_low": pair.low, f"gain_{name}_high": pair.high}
        deciding = self.figures[DECIDING]
        return defined(
            found
            | {
                "gain_over_champion": deciding.gain,
                "gain_over_champion_low": deciding.low,
                "gain_over_champion_high": deciding.high,
            }
        )


@dataclass(frozen=True)
class ChampionCheck:
    """What came of looking for a champion to compare with: `against`, or why there is nothing to compare."""

    against: Against | None = None
    reason: str = "There is no champion to compare with."


def against_champion(registry: Registry, prepared: Prepared, found: Evaluation) -> ChampionCheck:
    """The champion's scores of the validation rows beside the new ones."""
    champion = registry.champion()
    if champion is None:
        return ChampionCheck()
    try:
        _, stored = registry.open(champion.version)
        scores, same = _scores(stored, prepared)
    except FraudModelError as error:
        _LOG.warning("the champion cannot be compared with: %s", error)
        return ChampionCheck(
            None, f"The champion, version {champion.version}, cannot be compared with on these payments: {error}."
        )
    split = prepared.split
    rows = prepared.transactions[split.validation]
    alerts = min(max(1, round(found.rule.alerts_per_day * split.validation_days)), found.labels.size)
    parts = slices_of(rows, prepared.amounts, prepared.schema)
    compared = _compare(found.labels, scores, found.probabilities, alerts, parts)
    saw_rows = datetime.fromisoformat(stored.description.trained_until).timestamp() > split.validation_start
    moved: tuple[Shift, ...] = ()
    if same:
        # As long as the champion's reference: the first days of a history have counts that are small by themselves.
        last = prepared.features[split.train & (prepared.times >= split.train_end - RECENT_DAYS * DAY_SECONDS)]
        moved = tuple(shifts(stored.read_reference(), last, prepared.schema.categorical))
    return ChampionCheck(
        Against(
            version=champion.version,
            saw_rows=saw_rows,
            alerts=alerts,
            days=split.validation_days,
            figures=compared[ALL],
            slices={key: pairs for key, pairs in compared.items() if key != ALL},
            compared=_record(
                champion.version, compared[ALL], found.labels, split.validation_start, split.validation_end, saw_rows
            ),
            known=stored.description,
            shifts=moved,
        ),
        "",
    )


def compare_versions(
    registry: Registry, version: str, other: str, transactions: pd.DataFrame, alerts_per_day: float
) -> tuple[Compared, Mapping[str, Comparison]]:
    """Two registered versions on labelled payments that neither was trained on; the first is told what came out.

    Where `other` is the champion, promotion of `version` then goes by this comparison.

    Args:
        registry: Where both are.
        version: The challenger.
        other: The version to compare with.
        transactions: Labelled, in both versions' schema; earlier ones are history.
        alerts_per_day: For precision and recall.

    Raises:
        DataError: there are no labelled payments, or no fraud, after the training of both.
        ModelError: a version cannot be read.
    """
    challenger, stored = registry.open(version)
    champion, known = registry.open(other)
    if challenger.version == champion.version:
        raise InputError(f"version {challenger.version} cannot be compared with itself; name two versions")
    schema = stored.description.schema
    if schema.label is None:
        raise InputError(f"schema {schema.name} names no label column; a comparison needs one")
    times, labels = schema.times(transactions), schema.labels(transactions)
    start = max(datetime.fromisoformat(each.description.trained_until).timestamp() for each in (stored, known))
    later = ~np.isnan(labels) & (times >= start)
    if not 0 < labels[later].sum() < later.sum():
        raise DataError(
            f"no labelled fraud after {iso(start)[:10]}, until when version {challenger.version} or "
            f"{champion.version} was trained; give later payments"
        )
    scores = []
    for each in (known, stored):
        described = each.description
        table = compute_features(transactions, described.schema, categories=described.categories)
        scores.append(each.raw_scores(table[later].to_numpy(np.float32)))
    end = int(times[later].max()) + 1
    first = int(times[later].min())
    alerts = min(max(1, round(alerts_per_day * (end - first) / DAY_SECONDS)), int(later.sum()))
    pairs = _compare(labels[later], scores[0], scores[1], alerts, [])[ALL]
    record = _record(champion.version, pairs, labels[later], first, end, saw_rows=False)
    registry.note_comparison(challenger.version, record)
    return record, pairs


def _compare(
    labels: Array, champion: Array, challenger: Array, alerts: int, parts: list[Slice]
) -> dict[str, dict[str, Comparison]]:
    groups = {ALL: np.ones(labels.size, bool)} | {part.key: part.mask for part in parts}
    return compare_figures(labels, champion, challenger, alerts, groups)


def _scores(stored: StoredModel, prepared: Prepared) -> tuple[Array, bool]:
    """The stored model's raw scores of the validation rows, and whether it reads the very same features."""
    known = stored.description
    same = feature_fingerprint(known.schema) == feature_fingerprint(prepared.schema) and known.categories == {
        name: tuple(values) for name, values in prepared.categories.items()
    }
    if same:
        return stored.raw_scores(prepared.validation_matrix()), True
    missing = [column for column in known.schema.required if column not in prepared.transactions.columns]
    if missing:
        raise ModelError(f"it reads columns that are not there ({', '.join(missing)})")
    features = compute_features(prepared.transactions, known.schema, categories=known.categories)
    return stored.raw_scores(features[prepared.split.validation].to_numpy(np.float32)), False


def _record(
    champion: str, pairs: Mapping[str, Comparison], labels: Array, start: int, end: int, saw_rows: bool
) -> Compared:
    figures = {name: asdict(pair) for name, pair in pairs.items()}
    return Compared(
        champion=champion,
        figures=json.loads(json.dumps(figures)),
        payments=labels.size,
        frauds=int(labels.sum()),
        since=iso(start),
        until=iso(end),
        champion_saw_rows=saw_rows,
    )
