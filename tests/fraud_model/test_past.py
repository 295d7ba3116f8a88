"""Payments kept ready give the features that the whole table gives, bit for bit, whatever was added when."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fraud_model import PastPayments, compute_features, load_schema
from fraud_model.errors import DataError
from fraud_model.simulate import simulate

PAYSIM, CARDS = load_schema("paysim"), load_schema("cards")
CARDS_START = 1_522_540_800  # seconds
CATEGORIES = {"type": ("CASH_IN", "CASH_OUT", "DEBIT", "PAYMENT", "TRANSFER")}


@pytest.fixture(scope="module")
def payments() -> pd.DataFrame:
    return simulate(rows=6_000, days=30)


@pytest.fixture(scope="module")
def cards(payments: pd.DataFrame) -> pd.DataFrame:
    """The same payments as timestamps, numbered accounts and an id."""
    return pd.DataFrame(
        {
            "TRANSACTION_ID": np.arange(len(payments)),
            "TX_DATETIME": pd.to_datetime(CARDS_START + payments["step"] * 1_800, unit="s"),
            "CUSTOMER_ID": pd.factorize(payments["nameOrig"])[0],
            "TERMINAL_ID": pd.factorize(payments["nameDest"])[0] + 10,
            "TX_AMOUNT": payments["amount"],
            "TX_FRAUD": payments["isFraud"],
        }
    )


@pytest.mark.parametrize("added", [0, 1, 2_500])
def test_features_are_those_of_the_whole_table(payments: pd.DataFrame, added: int) -> None:
    everything = compute_features(payments, PAYSIM, categories=CATEGORIES)
    split = len(payments) - added
    past = PastPayments(payments.iloc[:split], PAYSIM)
    for row in range(split, len(payments), 7):
        past.add(payments.iloc[row : row + 7])
    assert len(past) == len(payments)
    for row in [*range(0, len(payments), 97), len(payments) - 1]:
        payment = payments.iloc[[row]]
        pd.testing.assert_frame_equal(past.features(payment, CATEGORIES), everything.iloc[[row]])
        plain = past.read({**payment.iloc[0].to_dict(), "step": int(payment["step"].iloc[0])}, CATEGORIES)
        assert plain is not None
        np.testing.assert_array_equal(past.values(plain)[0], everything.to_numpy()[row])


def test_payments_in_any_order(payments: pd.DataFrame) -> None:
    everything = compute_features(payments, PAYSIM, categories=CATEGORIES)
    mixed = payments.sample(frac=1, random_state=3)
    past = PastPayments(mixed.iloc[:4_000], PAYSIM)
    past.add(mixed.iloc[4_000:])
    for row in range(0, len(payments), 61):
        payment = payments.iloc[[row]]
        pd.testing.assert_frame_equal(past.features(payment, CATEGORIES), everything.iloc[[row]])


def test_timestamps_and_numbered_accounts(cards: pd.DataFrame) -> None:
    everything = compute_features(cards, CARDS)
    past = PastPayments(cards.iloc[:4_000], CARDS)
    past.add(cards.iloc[4_000:])
    for row in range(100, len(cards), 311):
        payment = cards.iloc[row]
        values = {
            "TX_DATETIME": payment["TX_DATETIME"].isoformat(),
            "CUSTOMER_ID": str(payment["CUSTOMER_ID"]),
            "TERMINAL_ID": int(payment["TERMINAL_ID"]),
            "TX_AMOUNT": float(payment["TX_AMOUNT"]),
        }
        for moment in (values["TX_DATETIME"], values["TX_DATETIME"] + "Z", values["TX_DATETIME"] + "+00:00"):
            plain = past.read(values | {"TX_DATETIME": moment}, {})
            assert plain is not None
            np.testing.assert_array_equal(past.values(plain)[0], everything.to_numpy()[row])


def test_an_account_never_seen_has_no_history(payments: pd.DataFrame) -> None:
    past = PastPayments(payments, PAYSIM)
    stranger = payments.iloc[[-1]].assign(nameOrig="C-new", nameDest="M-new")
    alone = compute_features(stranger, PAYSIM, categories=CATEGORIES)
    pd.testing.assert_frame_equal(past.features(stranger, CATEGORIES), alone)
    assert past.count_near(past.read(PLAIN, CATEGORIES)) == 0  # type: ignore[arg-type]


def test_payments_of_missing_accounts_are_nobodys_history(payments: pd.DataFrame) -> None:
    holes = payments.copy()
    holes.loc[holes.index[::3], "nameDest"] = None
    everything = compute_features(holes, PAYSIM, categories=CATEGORIES)
    past = PastPayments(holes, PAYSIM)
    for row in range(5_000, 5_060):
        pd.testing.assert_frame_equal(past.features(holes.iloc[[row]], CATEGORIES), everything.iloc[[row]])


PLAIN = {"step": 800, "type": "TRANSFER", "amount": 12.5, "nameOrig": "C-a", "nameDest": "M-b"}


@pytest.mark.parametrize(
    "change",
    [
        {"step": "800"},
        {"step": True},
        {"step": float("nan")},
        {"amount": "12.5"},
        {"amount": -1},
        {"amount": 1e300},
        {"amount": None},
        {"nameOrig": 17},
        {"nameOrig": ""},
        {"nameDest": None},
        {"type": None},
        {"type": 3},
    ],
)
def test_what_is_not_plain_is_left_to_the_careful_reader(payments: pd.DataFrame, change: dict[str, object]) -> None:
    past = PastPayments(payments, PAYSIM)
    assert past.read(PLAIN, CATEGORIES) is not None
    assert past.read(PLAIN | change, CATEGORIES) is None


@pytest.mark.parametrize(
    ("change", "plain"),
    [
        ({}, True),
        ({"TX_DATETIME": "2018-04-03"}, False),
        ({"TX_DATETIME": "yesterday at about ten"}, False),
        ({"TX_DATETIME": 1_522_540_800}, False),
        ({"CUSTOMER_ID": "007"}, False),
        ({"CUSTOMER_ID": "C7"}, False),
        ({"CUSTOMER_ID": 7.0}, False),
        ({"TERMINAL_ID": "\u0663"}, False),
    ],
)
def test_plain_times_and_account_numbers(cards: pd.DataFrame, change: dict[str, object], plain: bool) -> None:
    past = PastPayments(cards, CARDS)
    values = {"TX_DATETIME": "2018-04-03T09:30:00", "CUSTOMER_ID": 7, "TERMINAL_ID": "12", "TX_AMOUNT": 10}
    assert (past.read(values | change, {}) is not None) == plain


def test_a_category_that_the_model_does_not_know_is_missing(payments: pd.DataFrame) -> None:
    past = PastPayments(payments, PAYSIM)
    plain = past.read(PLAIN | {"type": "BARTER"}, CATEGORIES)
    assert plain is not None and np.isnan(plain.columns[0])


def test_wrong_payments_add_nothing(payments: pd.DataFrame) -> None:
    past = PastPayments(payments, PAYSIM)
    with pytest.raises(DataError):
        past.add(payments.iloc[:2].assign(amount=["1", "x"]))
    assert len(past) == len(payments)
    with pytest.raises(DataError, match="give one"):
        past.features(payments.iloc[:2])


def test_numeric_columns_are_read(payments: pd.DataFrame) -> None:
    schema = replace(PAYSIM, numeric=("oldbalanceOrg",), never=())
    table = payments.assign(oldbalanceOrg=np.arange(len(payments)) / 7)
    past = PastPayments(table, schema)
    everything = compute_features(table, schema, categories=CATEGORIES)
    row = table.iloc[-1].to_dict()
    plain = past.read({**row, "step": int(row["step"])}, CATEGORIES)
    assert plain is not None
    np.testing.assert_array_equal(past.values(plain)[0], everything.to_numpy()[-1])
    assert past.read({**row, "step": int(row["step"]), "oldbalanceOrg": "3"}, CATEGORIES) is None
