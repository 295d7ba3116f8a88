"""Prequential folds: their periods, the payers taken out, and the figures."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from fraud_model.backtest import _tested, backtest
from fraud_model.errors import DataError, InputError
from fraud_model.metrics import average_precision

DAY = 86_400


def test_folds_follow_each_other(payments: pd.DataFrame) -> None:
    first = datetime(2026, 6, 25)
    result = backtest(payments, "cards", first_test_day=first, train_days=10, delay_days=7, test_days=4, folds=2)
    one, two = result.folds
    assert (one.train_from[:10], one.train_until[:10]) == ("2026-06-08", "2026-06-18")
    assert (one.test_until, two.test_from[:10]) == (two.test_from, "2026-06-29")
    plain = result.to_dict()
    assert plain["mean"]["roc_auc"] == pytest.approx((one.roc_auc + two.roc_auc) / 2)
    assert {"roc_auc", "average_precision", "card_precision_at_100"} <= set(plain["folds"][0])
    written = result.predictions
    assert list(written.columns) == ["transaction_id", "fold", "fraud_probability"]
    labels = payments.set_index(payments["TRANSACTION_ID"].astype(str))["TX_FRAUD"]
    of_one = written[written["fold"] == 1]
    again = average_precision(labels[of_one["transaction_id"]].to_numpy(float), of_one["fraud_probability"].to_numpy())
    assert again == pytest.approx(one.average_precision)
    assert "mean" in result.to_text()


def test_known_compromised_payers_are_taken_out_from_the_day_their_label_is_known() -> None:
    start = 100 * DAY
    # Payer 0: fraud a day before the horizon of the first test day; 1: of the third; 2: too long ago; 3: never.
    times = np.array([start - 8 * DAY, start - 6 * DAY, start - 20 * DAY] + [start + d * DAY for d in range(5)] * 4)
    payers = np.array([0, 1, 2] + [p for p in range(4) for _ in range(5)])
    labels = np.array([1.0, 1, 1] + [0.0] * 20)
    tested = _tested(times, labels, payers, start, delay_days=7, test_days=5, compromised_days=7)
    days = {p: [int((t - start) // DAY) for t in times[tested & (payers == p)]] for p in range(4)}
    assert days == {0: [], 1: [0, 1], 2: [0, 1, 2, 3, 4], 3: [0, 1, 2, 3, 4]}


def test_periods_without_rows_are_named(payments: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"fold 1, test from 2030-01-01: no transactions to train on"):
        backtest(payments, "cards", first_test_day=datetime(2030, 1, 1))
    with pytest.raises(InputError):
        backtest(payments, "cards", first_test_day=datetime(2026, 6, 25), folds=0)
