"""The simulator: repeatable, arithmetically sound, and with fraud that no single column gives away."""

import hashlib
import time

import numpy as np
import pandas as pd
import pytest

from fraud_model.data import validate
from fraud_model.errors import InputError
from fraud_model.schema import PAYSIM
from fraud_model.simulate import TYPOLOGIES, simulate, simulate_with_scenarios

COLUMNS = [
    "step",
    "type",
    "amount",
    "nameOrig",
    "oldbalanceOrg",
    "newbalanceOrig",
    "nameDest",
    "oldbalanceDest",
    "newbalanceDest",
    "isFraud",
    "isFlaggedFraud",
]
# Case notes name payments of the default simulation by row number: it may not change unnoticed.
DEFAULT_DIGEST = "e929d7c5486a29af4673f4510100e3f194864dea9987e1bc11117b75d225c78a"


@pytest.fixture(scope="module")
def default():
    return simulate_with_scenarios()


@pytest.fixture(scope="module")
def frame(default):
    return default[0]


@pytest.fixture(scope="module")
def stories(default):
    frame, scenarios = default
    return scenarios.merge(frame.reset_index(names="row"), on="row").sort_values(["scenario_id", "row"])


def test_the_default_simulation_never_changes(frame):
    assert hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest() == DEFAULT_DIGEST


def test_the_columns_and_types_of_paysim(frame):
    assert list(frame.columns) == COLUMNS
    assert len(frame) == 200_000
    assert frame["step"].is_monotonic_increasing
    assert (frame["step"].min(), frame["step"].max()) == (1, 90 * 24)
    assert set(frame["type"]) == {"CASH_IN", "CASH_OUT", "DEBIT", "PAYMENT", "TRANSFER"}
    assert frame["nameOrig"].str.fullmatch(r"C\d{10}").all()
    assert frame["nameDest"].str.fullmatch(r"[CM]\d{10}").all()
    assert (frame["nameDest"].str.startswith("M") == (frame["type"] == "PAYMENT")).all()
    assert validate(frame, PAYSIM).problems == ()


def test_twice_the_same_and_otherwise_with_another_seed():
    first, second, other = (simulate(rows=5000, days=20, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first["amount"].equals(other["amount"])


def test_two_hundred_thousand_rows_take_less_than_ten_seconds():
    start = time.perf_counter()
    simulate(seed=1)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    "size",
    [
        {"rows": 1000, "days": 1},
        {"rows": 1000, "days": 400},
        {"rows": 5000, "days": 7, "seed": 11},
        {"rows": 30_001, "days": 30},
        {"rows": 20_000, "days": 1},
        {"rows": 5000, "days": 30, "shift_from": 1, "shift": 10},
    ],
    ids=str,
)
def test_any_size_has_its_rows_and_adds_up(size):
    frame = simulate(**size)
    assert len(frame) == size["rows"]
    assert frame["step"].between(1, size["days"] * 24).all()
    assert frame["isFraud"].sum() >= 1
    assert_adds_up(frame)


def test_balances_add_up_row_by_row_and_from_row_to_row(frame):
    assert_adds_up(frame)


def assert_adds_up(frame):
    """Every balance is the one before plus what came in, minus what went out; merchants' are kept elsewhere."""
    assert (frame["amount"] > 0).all()
    assert (frame["nameOrig"] != frame["nameDest"]).all()
    change = np.where(frame["type"] == "CASH_IN", frame["amount"], -frame["amount"])
    assert np.allclose(frame["oldbalanceOrg"] + change, frame["newbalanceOrig"], atol=0.005)
    merchant = frame["nameDest"].str.startswith("M")
    assert (frame.loc[merchant, ["oldbalanceDest", "newbalanceDest"]] == 0).all().all()
    assert np.allclose((frame["oldbalanceDest"] - change)[~merchant], frame["newbalanceDest"][~merchant], atol=0.005)
    assert (frame[["oldbalanceOrg", "newbalanceOrig"]] >= 0).all().all()

    row = np.arange(len(frame))
    sides = [
        pd.DataFrame({"row": row, "account": frame[name], "old": frame[old], "new": frame[new]})
        for name, old, new in (
            ("nameOrig", "oldbalanceOrg", "newbalanceOrig"),
            ("nameDest", "oldbalanceDest", "newbalanceDest"),
        )
    ]
    sides[1] = sides[1][~merchant.to_numpy()]
    book = pd.concat(sides).sort_values(["account", "row"], kind="stable")
    follows = (book["account"] == book["account"].shift()).to_numpy()
    assert np.allclose(book["old"].to_numpy()[follows], book["new"].shift().to_numpy()[follows], atol=0.005)


# Habits


def test_customers_have_habits(frame):
    shopping = frame[frame["type"] == "PAYMENT"]
    log_amount = np.log(shopping["amount"])
    within = log_amount.groupby(shopping["nameDest"]).std().median()
    assert within < 0.75 * log_amount.std()  # merchants have their price level
    visits = shopping.groupby(["nameOrig", "nameDest"]).size()
    assert visits[visits >= 3].sum() > 0.5 * len(shopping)  # customers return
    hour = (shopping["step"] - 1) % 24
    customer_hours = hour.groupby(shopping["nameOrig"]).agg(["mean", "size"])
    assert customer_hours.loc[customer_hours["size"] > 30, "mean"].std() > 1.5
    assert (hour < 6).mean() < 0.05


def test_weekends_paydays_and_rents(frame):
    day = (frame["step"] - 1) // 24
    date = pd.Timestamp("2026-06-01") + pd.to_timedelta(day, unit="D")
    invoices = frame[(frame["type"] == "TRANSFER") & (frame["amount"] > 5000)]
    assert (date[invoices.index].dt.weekday < 5).mean() > 0.85
    night = frame["step"].sub(1).mod(24).lt(6) & (frame["type"] == "TRANSFER") & frame["amount"].gt(900)
    by_day = date[night].dt.day.value_counts()
    assert set(by_day.index[:5]) == {1, 15, 25, 27, 28}
    rents = (frame["type"] == "TRANSFER") & frame["amount"].between(300, 1500) & date.dt.day.isin([1, 2, 3])
    assert rents.sum() > 2 * ((frame["type"] == "TRANSFER") & frame["amount"].between(300, 1500)).sum() * 3 / 30


# Stories


def test_half_a_percent_is_fraud_in_equal_parts(frame, stories):
    fraud = stories[stories["isFraud"] == 1]
    assert frame["isFraud"].mean() == pytest.approx(0.005, abs=0.0002)
    assert len(fraud) == frame["isFraud"].sum()
    shares = fraud["typology"].value_counts(normalize=True)
    assert set(shares.index) == set(TYPOLOGIES)
    assert shares.between(0.12, 0.22).all()


def test_every_story_takes_several_payments_and_most_several_days(stories):
    for typology in TYPOLOGIES:
        of_one = stories[stories["typology"] == typology].groupby("scenario_id")
        # An account that cannot cover a payment does not make it, so a story may be a payment short.
        assert of_one.size().min() >= 3, typology
        assert (of_one.size() >= 4).mean() >= 0.9, typology
        assert of_one["isFraud"].sum().min() >= 2, typology
        days = of_one["step"].agg(lambda steps: (steps.max() - 1) // 24 - (steps.min() - 1) // 24 + 1)
        assert (days >= 2).mean() >= 0.9, typology


def test_every_week_has_every_typology(stories):
    fraud = stories[stories["isFraud"] == 1]
    weeks = (90 * 24 - fraud["step"]) // 168  # counted from the end
    table = pd.crosstab(fraud["typology"], weeks)
    assert (table.loc[:, 0:11] >= 3).all().all()


def test_look_alikes_are_as_many_as_the_fraud(frame, stories):
    alike = stories[stories["typology"] == "none"]
    assert alike["isFraud"].sum() == 0
    assert {"holiday_purchase", "new_landlord", "builder_instalments", "student_new_account"} <= set(alike["kind"])
    assert 1 <= len(alike) / frame["isFraud"].sum() <= 3


def test_scenarios_say_what_each_row_is(default):
    frame, scenarios = default
    assert list(scenarios.columns) == ["scenario_id", "typology", "kind", "row", "role"]
    assert scenarios["row"].is_unique
    assert scenarios["row"].between(0, len(frame) - 1).all()
    assert not scenarios.isna().any().any()
    fraud = scenarios["typology"] != "none"
    assert (scenarios.loc[fraud, "kind"] == scenarios.loc[fraud, "typology"]).all()
    labels = frame["isFraud"].to_numpy()[scenarios["row"]]
    unlabelled = set(scenarios.loc[fraud & (labels == 0), "role"])
    assert unlabelled == {"probe", "warm_up", "unnoticed_test", "first_contact", "first_sale"}


def of_typology(stories, typology):
    return [story for _, story in stories[stories["typology"] == typology].groupby("scenario_id")]


def test_an_account_taken_over_is_drained(stories):
    for story in of_typology(stories, "account_takeover"):
        drains = story[story["role"] == "drain"]
        assert story["nameOrig"].nunique() == 1
        assert drains["amount"].sum() > 0.4 * drains["oldbalanceOrg"].iloc[0]


def test_money_runs_through_mules_within_hours(stories):
    chains = of_typology(stories, "mule_chain")
    complete = 0
    for story in chains:
        arrivals = story[story["role"] == "victim_to_mule"]
        onward = story[story["role"] == "mule_to_mule"]
        assert set(onward["nameOrig"]) == set(arrivals["nameDest"])
        assert set(story.loc[story["role"] == "cash_out", "nameOrig"]) == set(onward["nameDest"])
        if len(arrivals) == len(onward):  # else a victim's account could not cover the payment
            waits = onward["step"].to_numpy() - arrivals["step"].to_numpy()
            assert ((waits >= 0) & (waits <= 7)).all()
            complete += 1
    assert complete >= 0.9 * len(chains)


def test_cards_are_tested_before_the_large_payment(stories):
    for story in of_typology(stories, "credential_testing"):
        tests = story[story["role"].isin(["test", "unnoticed_test"])]
        large = story[story["role"] == "large_payment"]
        assert len(tests) >= 5
        assert tests["amount"].max() <= 5
        assert tests["nameDest"].nunique() <= 3
        assert large["amount"].min() > 5 * tests["amount"].max()
        assert large["row"].min() > tests["row"].max()


def test_colluding_merchants_serve_many_cards_and_return(stories):
    collusion = stories[stories["typology"] == "merchant_collusion"]
    assert (collusion.groupby("scenario_id")["nameOrig"].nunique() >= 3).all()
    assert (collusion.groupby("scenario_id")["nameDest"].nunique() == 1).all()
    assert collusion["nameDest"].nunique() < collusion["scenario_id"].nunique()


def test_structured_sums_stay_under_the_limit(stories):
    sums = stories[(stories["typology"] == "structuring") & (stories["isFraud"] == 1)]
    assert sums["amount"].max() < 10_000
    assert (sums["amount"] > 8000).mean() > 0.95
    assert (sums.groupby("scenario_id").size() >= 4).all()


def test_victims_pay_a_new_payee_more_and_more(stories):
    for story in of_typology(stories, "social_engineering"):
        assert story[["nameOrig", "nameDest"]].drop_duplicates().shape[0] == 1
        assert story["amount"].iloc[-1] > 1.5 * story["amount"].iloc[0]


# No column gives the fraud away


def columns_as_numbers(frame):
    """Each column as numbers; texts as codes, in alphabetical order and in order of first appearance."""
    numbers = {
        name: frame[name].to_numpy(float) for name in COLUMNS if frame[name].dtype != object and name != "isFraud"
    }
    for name in ("type", "nameOrig", "nameDest"):
        numbers[name] = np.unique(frame[name].to_numpy(str), return_inverse=True)[1].astype(float)
        numbers[f"{name} by appearance"] = pd.factorize(frame[name])[0].astype(float)
    numbers["hour"] = (numbers["step"] - 1) % 24
    numbers["weekday"] = (numbers["step"] - 1) // 24 % 7
    return numbers


def average_precision(order, ends, labels):
    """Area under precision over recall of a ranking; rows between two `ends` are ties."""
    hits = np.cumsum(labels[order])[ends]
    return float(np.sum(np.diff(hits, prepend=0) / labels.sum() * hits / (ends + 1)))


def stump_precision(order, ends, labels):
    """The same of the best decision stump: one threshold, all on its better side first."""
    hits = np.cumsum(labels[order])[ends]
    found = hits / labels.sum()
    return float(np.max(found * hits / (ends + 1) + (1 - found) * labels.mean()))


def best_precision(values, labels):
    """Best average precision of ranking or one cut by these values, upwards or downwards."""
    values = np.round(values, 2)
    order = np.argsort(values, kind="stable")
    best = 0.0
    for ranked in (order, order[::-1]):
        ends = np.append(np.flatnonzero(np.diff(values[ranked])), len(values) - 1)
        best = max(best, average_precision(ranked, ends, labels), stump_precision(ranked, ends, labels))
    return best


def test_no_column_and_no_difference_of_columns_gives_the_fraud_away(frame):
    labels = frame["isFraud"].to_numpy()
    numbers = columns_as_numbers(frame)
    names = list(numbers)
    tried = dict(numbers)
    for place, first in enumerate(names):
        tried |= {f"{first} - {second}": numbers[first] - numbers[second] for second in names[place + 1 :]}
    tried["payer's change beyond the amount"] = numbers["oldbalanceOrg"] - numbers["newbalanceOrig"] - numbers["amount"]
    tried["payee's change beyond the amount"] = (
        numbers["newbalanceDest"] - numbers["oldbalanceDest"] - numbers["amount"]
    )
    tried["share of the balance"] = numbers["amount"] / np.maximum(numbers["oldbalanceOrg"], 0.01)
    tried["below the limit"] = -np.abs(numbers["amount"] - 9500)
    tried["size of the remainder"] = np.abs(numbers["amount"] - numbers["oldbalanceOrg"])
    found = {name: best_precision(values, labels) for name, values in tried.items()}
    worst = max(found, key=found.__getitem__)
    assert found[worst] < 0.30, f"{worst}: {found[worst]:.3f}"


def test_the_measure_finds_a_column_that_gives_the_fraud_away(frame):
    labels = frame["isFraud"].to_numpy()
    rng = np.random.default_rng(0)
    assert best_precision(labels + rng.random(len(labels)) * 0.5, labels) > 0.99
    assert best_precision(-labels.astype(float), labels) > 0.99
    assert best_precision(rng.random(len(labels)), labels) < 0.02


# Shift of behaviour


@pytest.mark.parametrize("shift_from", [1, 15, 30])
def test_rows_before_the_shift_stay_what_they_are(shift_from):
    plain = simulate(rows=20_000, days=30, seed=4)
    shifted = simulate(rows=20_000, days=30, seed=4, shift_from=shift_from)
    before = plain["step"] <= (shift_from - 1) * 24
    pd.testing.assert_frame_equal(plain[before], shifted[shifted["step"] <= (shift_from - 1) * 24])
    after, then = plain[~before], shifted[~before]
    assert len(plain) == len(shifted)
    assert then["amount"].median() > 1.2 * after["amount"].median()
    assert ((then["step"] - 1) % 24).mean() > ((after["step"] - 1) % 24).mean() + 1
    assert (then["type"] == "TRANSFER").mean() > 1.2 * (after["type"] == "TRANSFER").mean()
    usual = set(zip(plain["nameOrig"], plain["nameDest"], strict=True))
    new_pairs = [pair not in usual for pair in zip(then["nameOrig"], then["nameDest"], strict=True)]
    assert np.mean(new_pairs) > 0.2


def test_a_stronger_shift_changes_more():
    medians = [simulate(rows=5000, days=20, shift_from=11, shift=shift)["amount"].median() for shift in (0, 0.5, 1, 2)]
    assert medians == sorted(set(medians))
    pd.testing.assert_frame_equal(simulate(rows=5000, days=20, shift_from=11, shift=0), simulate(rows=5000, days=20))


def test_the_shift_leaves_the_stories_alone():
    _, plain = simulate_with_scenarios(rows=20_000, days=30)
    _, shifted = simulate_with_scenarios(rows=20_000, days=30, shift_from=10)
    assert set(plain["scenario_id"]) == set(shifted["scenario_id"])


# Arguments


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"rows": 999}, "rows must be at least 1000, not 999"),
        ({"rows": 2000.0}, "rows must be a whole number, not 2000.0"),
        ({"rows": True}, "rows must be a whole number"),
        ({"days": 0}, "days must be at least 1, not 0"),
        ({"days": 4000}, "days must be at most 3650"),
        ({"seed": -1}, "seed must be 0 or more, not -1"),
        ({"shift_from": 0}, "shift_from must be a day from 1 to 90"),
        ({"shift_from": 91}, "shift_from must be a day from 1 to 90"),
        ({"shift_from": "10"}, "shift_from must be a whole number, not '10'"),
        ({"shift_from": 10, "shift": -1}, "shift must be a number from 0"),
        ({"shift_from": 10, "shift": float("nan")}, "shift must be a number from 0"),
        ({"shift": "much"}, "shift must be a number from 0"),
    ],
)
def test_wrong_arguments_are_named(wrong, expected):
    with pytest.raises(InputError) as error:
        simulate(**wrong)
    assert expected in str(error.value)
