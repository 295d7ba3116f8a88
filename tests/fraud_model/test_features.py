"""Window features: point in time, ties, order, chunks, missing values, and agreement with a plain computation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_model.definitions import FEATURE_VERSION, feature_names
from fraud_model.entities import read_keys
from fraud_model.errors import DataError
from fraud_model.features import FeatureTable, compute_features, feature_fingerprint
from fraud_model.kernel.typical import RECENT_AMOUNTS
from fraud_model.schema import CARDS, PAYSIM, TransactionSchema

SCHEMA = TransactionSchema(
    name="small", time="t", payer="payer", payee="payee", amount="amount", label="fraud", label_delay_days=2
)
DAY = 86_400


def table(rows: list[tuple[float, str, str, float, int]]) -> pd.DataFrame:
    """Rows of (day, payer, payee, amount, fraud)."""
    frame = pd.DataFrame(rows, columns=["day", "payer", "payee", "amount", "fraud"])
    frame["t"] = pd.Timestamp("2026-06-01", tz="UTC") + pd.to_timedelta((frame.pop("day") * DAY).round(), unit="s")
    return frame


def random_table(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return table(
        [
            (round(float(day) * 24) / 24, f"P{payer}", f"M{payee}", round(float(amount), 2), int(fraud))
            for day, payer, payee, amount, fraud in zip(
                rng.uniform(0, 40, rows), rng.integers(0, 5, rows), rng.integers(0, 4, rows),
                rng.lognormal(3, 1, rows), rng.random(rows) < 0.1, strict=True,
            )
        ]
    )  # fmt: skip


def test_first_payment_has_no_history() -> None:
    features = compute_features(table([(0, "A", "X", 10, 0)]), SCHEMA).iloc[0]
    assert features["payer_count_all"] == 0
    assert np.isnan(features["payer_ratio_all"])
    assert features["pair_first"] == 1


def test_history_is_strictly_before_and_ties_are_not_history() -> None:
    frame = table([(0, "A", "X", 10, 0), (1, "A", "X", 20, 0), (1, "A", "X", 60, 0), (2, "A", "X", 30, 0)])
    features = compute_features(frame, SCHEMA)
    assert list(features["payer_count_all"]) == [0, 1, 1, 3]
    assert list(features["payer_ratio_all"])[1:] == [2, 6, 1]
    # A window of a day reaches back to the very second a day ago.
    assert list(features["payer_count_1d"]) == [0, 1, 1, 2]


def test_labels_are_known_only_after_the_delay() -> None:
    frame = table([(0, "A", "X", 10, 1), (2, "A", "X", 10, 0), (2.5, "A", "X", 10, 0), (9.5, "B", "X", 10, 0)])
    features = compute_features(frame, SCHEMA)
    assert list(features["payee_fraud_count_7d"]) == [0, 0, 1, 0]
    assert list(features["payee_fraud_count_all"]) == [0, 0, 1, 1]
    assert features["payee_since_fraud"].iloc[2] == 2.5 * DAY


def test_agrees_with_a_plain_computation() -> None:
    frame = random_table(300, seed=3)
    features = compute_features(frame, SCHEMA)
    seconds = SCHEMA.times(frame)
    for row in range(0, 300, 7):
        now = seconds[row]
        for role, other in (("payer", "payee"), ("payee", "payer")):
            same = (frame[role] == frame[role].iloc[row]).to_numpy()
            past = frame[same & (seconds < now)]
            month, day = past[SCHEMA.times(past) >= now - 30 * DAY], past[SCHEMA.times(past) >= now - DAY]
            got = features.iloc[row]
            assert got[f"{role}_count_1d"] == len(day)
            assert got[f"{role}_others_1d"] == day[other].nunique()
            if len(month):
                ratio = frame["amount"].iloc[row] / month["amount"].mean()
                assert got[f"{role}_ratio_30d"] == pytest.approx(ratio, rel=1e-5)
            if len(month) > 1:
                assert got[f"{role}_std_30d"] == pytest.approx(month["amount"].std(), rel=1e-4, abs=0.006)
            if role == "payer":
                week = past[SCHEMA.times(past) >= now - 7 * DAY]
                assert got["payer_max_7d"] == pytest.approx(week["amount"].max(), nan_ok=True)
                if len(past):
                    median = frame["amount"].iloc[row] / past["amount"].iloc[np.argsort(SCHEMA.times(past))].median()
                    assert len(past) > RECENT_AMOUNTS or got["payer_median_ratio"] == pytest.approx(median, rel=1e-5)
            else:
                assert got["payee_count_30d"] == len(month)
                known = past[SCHEMA.times(past) < now - 2 * DAY].iloc[:]
                known = known.assign(second=SCHEMA.times(known)).sort_values("second")
                recent = known[known["second"] >= now - 9 * DAY]
                assert got["payee_fraud_count_7d"] == recent["fraud"].sum()
                legitimate = known.loc[known["fraud"] == 0, "second"]
                run = known[known["second"] > (legitimate.max() if len(legitimate) else -1)]
                assert got["payee_fraud_run"] == len(run)
                if len(run):
                    assert got["payee_fraud_run_age"] == now - run["second"].min()
                if len(legitimate):
                    assert got["payee_since_legitimate"] == now - legitimate.max()
        pair = frame[(frame.payer == frame.payer.iloc[row]) & (frame.payee == frame.payee.iloc[row]) & (seconds < now)]
        assert features["pair_first"].iloc[row] == (len(pair) == 0)


def test_payments_far_above_the_median_are_counted_in_their_windows() -> None:
    amounts = [10, 10, 10, 40, 10, 20, 90, 10]
    frame = table([(2 * place, "A", "X", amount, 0) for place, amount in enumerate(amounts)])
    features = compute_features(frame, SCHEMA)
    assert list(features["payer_median_ratio"])[1:] == [1, 1, 4, 1, 2, 9, 1]
    assert list(features["payer_large_count_7d"]) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert list(features["payer_since_large"])[4:] == [2 * DAY, 4 * DAY, 6 * DAY, 2 * DAY]
    assert list(features["payer_largest_multiple_7d"])[4:] == [4, 4, 4, 9]
    assert list(features["payer_largest_multiple_14d"])[4:] == [4, 4, 4, 9]


def test_only_the_last_amounts_make_the_median_whichever_row_of_a_tie_is_first() -> None:
    rows = [(0.0, "A", "X", 10.0 + place, 0) for place in range(60)]
    rows += [(1 + place, "A", "X", 500.0, 0) for place in range(RECENT_AMOUNTS // 2 + 2)]
    frame = table(rows)
    features = compute_features(frame, SCHEMA)
    assert features["payer_median_ratio"].iloc[60] == pytest.approx(500 / 44.5)  # the largest fifty of the tie
    assert features["payer_median_ratio"].iloc[-1] == pytest.approx(500 / 500)
    shuffled = compute_features(frame.iloc[::-1], SCHEMA).iloc[::-1]
    np.testing.assert_array_equal(features.to_numpy(), shuffled.to_numpy())


def test_a_run_of_fraud_ends_with_a_legitimate_payment_even_in_the_same_second() -> None:
    labels = [("A", 0, 1), ("B", 1, 1), ("C", 2, 0), ("D", 2, 1), ("E", 3, 1)]
    rows = [(day, payer, "X", 10, fraud) for payer, day, fraud in labels]
    probes = [(2.5, "P", "X", 10, 0), (3.5, "P", "X", 10, 0), (4.5, "P", "X", 10, 0), (5.5, "P", "X", 10, 0)]
    for order in (rows, [rows[0], rows[1], rows[3], rows[2], rows[4]]):
        features = compute_features(table([*order, *probes]), SCHEMA).iloc[5:]
        assert list(features["payee_fraud_run"]) == [1, 2, 0, 1]
        assert features["payee_fraud_run_age"].iloc[1] == 3.5 * DAY
        assert features["payee_since_legitimate"].iloc[2] == 2.5 * DAY


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(2, 120))
def test_permuting_rows_changes_nothing(seed: int, rows: int) -> None:
    frame = random_table(rows, seed)
    order = np.random.default_rng(seed).permutation(rows)
    straight = compute_features(frame, SCHEMA).to_numpy()
    shuffled = compute_features(frame.iloc[order], SCHEMA).to_numpy()
    np.testing.assert_array_equal(straight[order], shuffled)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.floats(1, 39))
def test_a_future_payment_changes_nothing_before_it(seed: int, cut: float) -> None:
    frame = random_table(100, seed)
    canary = table([(cut, "P1", "M1", 1e6, 1)])
    earlier = SCHEMA.times(frame) <= SCHEMA.times(canary)[0]
    plain = compute_features(frame, SCHEMA)[earlier]
    with_canary = compute_features(pd.concat([frame, canary], ignore_index=True), SCHEMA)[:-1][earlier]
    np.testing.assert_array_equal(plain.to_numpy(), with_canary.to_numpy())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 60))
def test_chunks_give_the_same_bits(seed: int, size: int) -> None:
    frame = random_table(120, seed)
    features = FeatureTable(read_keys([frame], SCHEMA), SCHEMA)
    chunks = [features.rows(first, min(first + size, 120)) for first in range(0, 120, size)]
    np.testing.assert_array_equal(np.concatenate(chunks), features.rows(0, 120))


def test_history_counts_like_earlier_rows() -> None:
    frame = random_table(150, seed=5).sort_values("t", ignore_index=True)
    together = compute_features(frame, SCHEMA).iloc[100:]
    apart = compute_features(frame.iloc[100:], SCHEMA, history=frame.iloc[:100])
    np.testing.assert_array_equal(together.to_numpy(), apart.to_numpy())


@pytest.mark.parametrize(("big", "step"), [(9_999_999_999.99, 100_000.0), (250_000.0, 1.0)])
def test_large_amounts_do_not_overflow(big: float, step: float) -> None:
    frame = table([(day / 10, "A", "X", big + day * step, 0) for day in range(60)])
    last = compute_features(frame, SCHEMA).iloc[-1]
    assert last["payer_std_30d"] == pytest.approx(step * np.std(np.arange(59), ddof=1), rel=1e-3)


def test_missing_ids_have_no_history_and_missing_amounts_make_none() -> None:
    frame = table([(0, "A", "X", 10, 0), (1, "A", "X", np.nan, 0), (2, "A", "X", 30, 0), (3, None, "X", 5, 0)])
    frame.loc[4] = [None, "X", 7.0, 0, frame["t"].iloc[3] + pd.Timedelta(days=1)]
    features = compute_features(frame, SCHEMA)
    assert list(features["payer_count_all"]) == [0, 1, 1, 0, 0]
    assert np.isnan(features["amount"].iloc[1])
    assert features["payee_count_30d"].iloc[4] == 3


def test_number_and_text_ids_of_one_account_meet() -> None:
    history = table([(0, "7", "8", 10, 0)])
    history["payer"] = history["payer"].astype(int)
    now = table([(1, "7", "8", 10, 0)])
    assert compute_features(now, SCHEMA, history=history)["payer_count_all"].iloc[0] == 1


def test_unknown_category_is_missing() -> None:
    frame = pd.DataFrame(
        {"step": [1, 2], "type": ["TRANSFER", "NEW"], "amount": [1.0, 2.0], "nameOrig": ["a", "b"], "nameDest": "m"}
    )
    codes = compute_features(frame, PAYSIM)["type"]
    assert codes.iloc[0] == 4
    assert np.isnan(codes.iloc[1])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("amount", "ten", "amount, row 1: 'ten'"), ("t", "soon", "t, row 1"), ("fraud", 3, "label 3"),
     ("amount", 1e15, "beyond")],
)  # fmt: skip
def test_bad_values_name_column_and_row(column: str, value: object, words: str) -> None:
    frame = table([(0, "A", "X", 10, 0)]).astype({column: object})
    frame.loc[0, column] = value
    with pytest.raises(DataError, match=words):
        compute_features(frame, SCHEMA)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="payee"):
        compute_features(table([(0, "A", "X", 10, 0)]).drop(columns="payee"), SCHEMA)


def test_empty_table_gives_no_rows() -> None:
    features = compute_features(table([(0, "A", "X", 10, 0)]).iloc[:0], SCHEMA)
    assert features.shape == (0, len(feature_names(SCHEMA)))


def test_fingerprint_follows_meaning_and_not_the_name() -> None:
    from dataclasses import replace

    assert feature_fingerprint(CARDS) == feature_fingerprint(replace(CARDS, name="other"))
    assert feature_fingerprint(CARDS) != feature_fingerprint(replace(CARDS, label_delay_days=3))
    assert feature_fingerprint(CARDS) != feature_fingerprint(replace(CARDS, payee="CUSTOMER", payer="x"))
    assert FEATURE_VERSION == 2
