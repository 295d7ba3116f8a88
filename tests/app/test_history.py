"""Past payments: looked up by payer, payee and id, and the same features whether all or few of them are handed on."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from app.history import History
from app.records import Label
from fraud_model import compute_features, load_schema
from fraud_model.simulate import simulate

PAYSIM, CARDS = load_schema("paysim"), load_schema("cards")


@pytest.fixture(scope="module")
def payments():
    return simulate(rows=4_000, days=30)


def test_the_few_payments_around_one_give_the_features_that_all_give(payments):
    history = History(payments, PAYSIM)
    everything = compute_features(payments, PAYSIM)
    for row in (3_999, 3_500, 2_000, 17):
        payment = history.find(f"T{row + 1:08d}")
        features = compute_features(payment, PAYSIM, history.around(payment))
        np.testing.assert_array_equal(features.to_numpy()[0], everything.to_numpy()[row])


def test_decisions_count_for_later_payments_until_they_are_taken_back(payments):
    history = History(payments, PAYSIM)
    step = int(payments["step"].max()) + 24 * 60
    known = payments[payments["isFraud"] == 0].iloc[[-1]]
    payee = known["nameDest"].iloc[0]
    new = known.assign(nameOrig="C-new", step=step - 24 * 30).drop(columns="isFraud")
    history.add(new, ["N1"])
    asked = known.assign(nameOrig="C-other", step=step)

    def frauds():
        return float(history.past.features(asked)["payee_fraud_count_all"].iloc[0])

    before = frauds()
    moment = datetime.fromtimestamp(int(PAYSIM.times(new)[0]), UTC)
    decisions = [Label(f"T{known.index[0] + 1:08d}", 1, "ana", moment), Label("N1", 1, "ana", moment)]
    history.decide(decisions[:1])
    assert frauds() == before + 1
    assert history.find(decisions[0].transaction_id)["isFraud"].iloc[0] == 1
    history.decide(decisions)
    assert frauds() == before + 2
    history.add(new.assign(step=step - 24 * 20), ["N2"])
    assert frauds() == before + 2
    history.decide([])
    assert frauds() == before
    assert history.find("N1")["nameDest"].iloc[0] == payee


def test_around_holds_the_payers_and_the_payees_payments_only(payments):
    history = History(payments, PAYSIM)
    payment = payments.iloc[[100]]
    around = history.around(payment)
    payer, payee = payment["nameOrig"].iloc[0], payment["nameDest"].iloc[0]
    expected = payments[(payments["nameOrig"] == payer) | (payments["nameDest"] == payee)]
    assert around.index.tolist() == expected.index.tolist()
    stranger = payment.assign(nameOrig="C0", nameDest="M0")
    assert history.around(stranger).empty


def test_added_payments_are_history(payments):
    history = History(payments, PAYSIM)
    new = payments.iloc[[0]].assign(nameOrig="C-new", nameDest="M-new")
    history.add(new)
    assert len(history) == 4_001
    assert len(history.around(new)) == 1


@pytest.mark.parametrize("unknown", ["T00004001", "T00000000", "T1", "", "C123"])
def test_an_unknown_id_is_none(payments, unknown):
    assert History(payments, PAYSIM).find(unknown) is None


def test_what_comes_as_text_finds_numbers_and_times():
    table = pd.DataFrame(
        {
            "TRANSACTION_ID": [1, 2],
            "TX_DATETIME": pd.to_datetime(["2018-04-01 00:00:31", "2018-04-02 10:00:00"]),
            "CUSTOMER_ID": [596, 4961],
            "TERMINAL_ID": [3156, 3412],
            "TX_AMOUNT": [57.16, 81.51],
            "TX_FRAUD": [0, 0],
        }
    )
    history = History(table, CARDS)
    payment = pd.DataFrame(
        [
            {
                "TRANSACTION_ID": "9",
                "TX_DATETIME": "2018-04-03T09:30:00Z",
                "CUSTOMER_ID": "596",
                "TERMINAL_ID": "3412",
                "TX_AMOUNT": 10.0,
            }
        ]
    )
    aligned = history.aligned(payment)
    assert len(history.around(aligned)) == 2
    assert CARDS.times(aligned)[0] == pd.Timestamp("2018-04-03T09:30:00Z").timestamp()
    assert history.find("2")["CUSTOMER_ID"].tolist() == [4961]
