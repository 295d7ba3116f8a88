"""Every feature that the compiled loops can give, against its definition written out plainly, on hostile tables."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_model.definitions import BLOCK, ROW_FEATURES
from fraud_model.entities import read_keys
from fraud_model.features import FeatureTable
from fraud_model.kernel.labels import PRIOR_RISK, RISK_HALF_LIFE
from fraud_model.kernel.typical import LARGE_RATIO, RECENT_AMOUNTS
from fraud_model.schema import TransactionSchema

DAY = 86_400
DELAY = 2 * DAY
SCHEMA = TransactionSchema(
    name="small", time="t", payer="payer", payee="payee", amount="amount", label="fraud", label_delay_days=2
)
EVERY = tuple(range(len(BLOCK)))
NAN = float("nan")


def hostile_table(seed: int, rows: int) -> pd.DataFrame:
    """Few accounts, many ties, payments on the edges of windows, gaps in accounts, amounts and labels, no order."""
    rng = np.random.default_rng(seed)
    seconds = rng.integers(0, 45 * 4, rows) * (DAY // 4)
    seconds[rng.random(rows) < 0.3] += rng.integers(-1, 2)
    labels = (rng.random(rows) < 0.4).astype(float)
    amounts = rng.choice([0.01, 5, 5, 10, 20, 99.99, 1e6], rows) * rng.choice([1, 1, 3], rows)
    accounts = np.array(["A", "B", "C", None], dtype=object)
    return pd.DataFrame(
        {
            "t": pd.Timestamp("2026-06-01", tz="UTC") + pd.to_timedelta(seconds, unit="s"),
            "payer": rng.choice(accounts, rows, p=[0.6, 0.2, 0.15, 0.05]),
            "payee": rng.choice(accounts, rows, p=[0.4, 0.3, 0.25, 0.05]),
            "amount": np.where(rng.random(rows) < 0.1, NAN, amounts),
            "fraud": np.where(rng.random(rows) < 0.2, NAN, labels),
        }
    )


def in_cents(frame: pd.DataFrame) -> np.ndarray:
    return np.rint(frame["amount"].to_numpy() * 100) / 100


class Plain:
    """One row's features of one side, by their definitions."""

    def __init__(self, frame: pd.DataFrame, row: int, key: str, other: str) -> None:
        times, amounts = SCHEMA.times(frame), in_cents(frame)
        self.now, self.amount = int(times[row]), amounts[row]
        account = frame[key].iloc[row]
        same = (frame[key] == account).to_numpy() if account is not None else np.arange(len(frame)) == row
        past = same & (times < self.now)
        with_amount = past & ~np.isnan(amounts)
        order = np.lexsort((amounts, times))
        self.order = [place for place in order if with_amount[place]]
        self.times, self.amounts, self.others = times, amounts, frame[other].to_numpy()
        # A missing counterparty is another one in every row.
        self.names = np.array([f"?{i}" if name is None else name for i, name in enumerate(self.others)], dtype=object)
        self.pair = [place for place in self.order if self.names[place] == self.names[row]]
        labels = frame["fraud"].to_numpy()
        known = same & (times < self.now - DELAY) & ~np.isnan(labels)
        places = [place for place in np.lexsort((labels, times)) if known[place]]
        self.known = [(int(times[place]), int(labels[place])) for place in places]
        self.known_amounts = amounts[places]
        self.multiples = {place: self._multiple(place) for place in self.order}

    def _median_before(self, moment: int) -> tuple[float, list[float]]:
        before = [self.amounts[place] for place in self.order if self.times[place] < moment]
        recent = sorted(before[-RECENT_AMOUNTS:])
        return (float(np.median(recent)) if recent else NAN), recent

    def _multiple(self, place: int) -> float:
        median, recent = self._median_before(int(self.times[place]))
        return self.amounts[place] / median if len(recent) >= 3 and median > 0 else 0.0

    def inside(self, window: str, places: list[int]) -> list[int]:
        if window == "all":
            return places
        return [place for place in places if self.times[place] >= self.now - int(window[:-1]) * DAY]

    def feature(self, kind: str, window: str) -> float:
        found = getattr(self, f"_{kind}", None)
        if found is not None:
            return float(found(window))
        return float(self._of_amounts(kind, window))

    def _of_amounts(self, kind: str, window: str) -> float:
        values = np.array([self.amounts[place] for place in self.inside(window or "all", self.order)])
        mean = values.mean() if values.size else NAN
        deviation = values.std(ddof=1) if values.size > 1 else NAN
        largest = values.max() if values.size else NAN
        return {
            "count": values.size,
            "sum": values.sum(),
            "mean": mean,
            "std": deviation,
            "max": largest,
            "ratio": self.amount / mean if mean > 0 else NAN,
            "z": (self.amount - mean) / deviation if deviation > 0.005 else NAN,
            "ratio_max": self.amount / largest if largest > 0 else NAN,
        }[kind]

    def _others(self, window: str) -> int:
        return len({self.names[place] for place in self.inside(window, self.order)})

    def _since_last(self, _: str) -> float:
        return self.now - self.times[self.order[-1]] if self.order else NAN

    def _since_first(self, _: str) -> float:
        return self.now - self.times[self.order[0]] if self.order else NAN

    def _hour_share(self, _: str) -> float:
        apart = [((self.times[p] // 3600) - (self.now // 3600)) % 24 for p in self.order]
        return float(np.mean([hours in (23, 0, 1) for hours in apart])) if apart else NAN

    def _weekday_share(self, _: str) -> float:
        days = [(self.times[p] // DAY - self.now // DAY) % 7 == 0 for p in self.order]
        return float(np.mean(days)) if days else NAN

    def _pair_count(self, window: str) -> int:
        return len(self.inside(window, self.pair))

    def _pair_mean(self, _: str) -> float:
        return float(np.mean([self.amounts[p] for p in self.pair])) if self.pair else NAN

    def _pair_ratio(self, _: str) -> float:
        mean = self._pair_mean("")
        return self.amount / mean if mean > 0 else NAN

    def _pair_since_last(self, _: str) -> float:
        return self.now - self.times[self.pair[-1]] if self.pair else NAN

    def _pair_first(self, _: str) -> float:
        return float(not self.pair)

    def _median(self, _: str) -> float:
        return self._median_before(self.now)[0]

    def _median_ratio(self, _: str) -> float:
        median = self._median("")
        return self.amount / median if median > 0 else NAN

    def _median_spreads(self, _: str) -> float:
        median, recent = self._median_before(self.now)
        spread = recent[3 * len(recent) // 4] - recent[len(recent) // 4] if len(recent) >= 3 else 0
        return (self.amount - median) / spread if spread > 0 else NAN

    def _large(self, window: str) -> list[bool]:
        return [self.multiples[place] > LARGE_RATIO for place in self.inside(window, self.order)]

    def _large_count(self, window: str) -> int:
        return sum(self._large(window))

    def _large_share(self, window: str) -> float:
        return float(np.mean(self._large(window))) if self._large(window) else NAN

    def _since_large(self, _: str) -> float:
        large = [place for place in self.order if self.multiples[place] > LARGE_RATIO]
        return self.now - self.times[large[-1]] if large else NAN

    def _largest_multiple(self, window: str) -> float:
        return max((self.multiples[place] for place in self.inside(window, self.order)), default=NAN)

    def _labels(self, window: str) -> list[int]:
        first = -np.inf if window == "all" else self.now - DELAY - int(window[:-1]) * DAY
        return [label for moment, label in self.known if moment >= first]

    def _fraud_count(self, window: str) -> int:
        return sum(self._labels(window))

    def _fraud_share(self, window: str) -> float:
        return float(np.mean(self._labels(window))) if self._labels(window) else NAN

    def _latest(self, wanted: int) -> float:
        return max((moment for moment, label in self.known if label == wanted), default=NAN)

    def _since_fraud(self, _: str) -> float:
        return self.now - self._latest(1)

    def _since_legitimate(self, _: str) -> float:
        return self.now - self._latest(0)

    def _run(self) -> list[int]:
        latest = self._latest(0)
        return [moment for moment, label in self.known if label == 1 and not moment <= latest]

    def _fraud_run(self, _: str) -> int:
        return len(self._run())

    def _fraud_run_age(self, _: str) -> float:
        return self.now - self._run()[0] if self._run() else NAN

    def _fraud_run_least(self, _: str) -> float:
        latest = self._latest(0)
        run = [label == 1 and not moment <= latest for moment, label in self.known]
        known = [amount for amount, inside in zip(self.known_amounts, run, strict=True) if inside and amount == amount]
        return min(known, default=NAN)

    def _fraud_weighted(self, _: str) -> float:
        if not self.known:
            return PRIOR_RISK
        last = self.known[-1][0]
        weights = [0.5 ** ((last - moment) / RISK_HALF_LIFE) for moment, _ in self.known]
        fraud = sum(weight * label for weight, (_, label) in zip(weights, self.known, strict=True))
        return (fraud + PRIOR_RISK) / (sum(weights) + 1)


def compared(frame: pd.DataFrame) -> Iterator[tuple[str, int, float, float]]:
    """Feature, row, ours and the plain one."""
    ours = FeatureTable(read_keys([frame], SCHEMA), SCHEMA, EVERY, EVERY).rows(0, len(frame))
    for side, (key, other) in enumerate((("payer", "payee"), ("payee", "payer"))):
        for row in range(len(frame)):
            plain = Plain(frame, row, key, other)
            for place, (kind, window) in enumerate(BLOCK):
                column = len(ROW_FEATURES) + side * len(BLOCK) + place
                yield f"{key}_{kind}_{window}", row, float(ours[row, column]), plain.feature(kind, window)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 100_000), rows=st.integers(1, 70))
def test_every_feature_is_what_its_definition_says(seed: int, rows: int) -> None:
    wrong = [
        found
        for found in compared(hostile_table(seed, rows))
        if found[2] != pytest.approx(found[3], rel=1e-5, abs=0.011, nan_ok=True)
    ]
    assert not wrong


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100_000), rows=st.integers(2, 200), size=st.integers(1, 50))
def test_order_and_chunks_change_no_bit_of_any_feature(seed: int, rows: int, size: int) -> None:
    frame = hostile_table(seed, rows)
    straight = FeatureTable(read_keys([frame], SCHEMA), SCHEMA, EVERY, EVERY).rows(0, rows)
    order = np.random.default_rng(seed).permutation(rows)
    shuffled = FeatureTable(read_keys([frame.iloc[order]], SCHEMA), SCHEMA, EVERY, EVERY)
    chunks = [shuffled.rows(first, min(first + size, rows)) for first in range(0, rows, size)]
    np.testing.assert_array_equal(np.concatenate(chunks), straight[order])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100_000), days=st.integers(1, 44))
def test_what_is_not_known_yet_changes_no_bit_of_any_feature(seed: int, days: int) -> None:
    frame = hostile_table(seed, 120)
    times, cut = SCHEMA.times(frame), SCHEMA.times(frame).min() + days * DAY
    past, late = frame[times < cut], times >= cut - DELAY
    plain = FeatureTable(read_keys([past], SCHEMA), SCHEMA, EVERY, EVERY).rows(0, len(past))
    # The future is there, other amounts in it, and all labels younger than the delay are turned round.
    changed = frame.assign(
        amount=np.where(times >= cut, 7e5, frame["amount"]), fraud=np.where(late, 1 - frame["fraud"], frame["fraud"])
    )
    with_future = FeatureTable(read_keys([changed], SCHEMA), SCHEMA, EVERY, EVERY).rows(0, len(frame))[times < cut]
    np.testing.assert_array_equal(with_future, plain)
