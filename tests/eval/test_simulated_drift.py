"""Drift on the simulator's own payments: a planted shift of behaviour is found, a quiet week is left in peace."""

import numpy as np
import pandas as pd
import pytest

from eval.drift_checks import Compared, compare_columns
from fraud_model.features import compute_features
from fraud_model.schema import load_schema
from fraud_model.simulate import simulate

EARLIER_FROM, REFERENCE_FROM, WINDOW_FROM, WINDOW_TO = 34, 62, 76, 83  # days


def week_against_fortnight(payments: pd.DataFrame) -> Compared:
    features = compute_features(payments, load_schema("paysim"))
    day = ((payments["step"] - 1) // 24).to_numpy()
    rows = np.flatnonzero((day >= REFERENCE_FROM) & (day < WINDOW_FROM))
    sample = np.sort(np.random.default_rng(0).choice(rows, 8_000, replace=False))
    window = features[(day >= WINDOW_FROM) & (day < WINDOW_TO)]
    earlier = [features[(day >= first) & (day < first + 7)] for first in range(EARLIER_FROM, REFERENCE_FROM, 7)]
    return compare_columns(features.iloc[sample], window, list(features.columns), minimum_rows=1_000, earlier=earlier)


@pytest.fixture(scope="module")
def quiet() -> Compared:
    return week_against_fortnight(simulate(120_000, 90, 8))


@pytest.fixture(scope="module")
def shifted() -> Compared:
    return week_against_fortnight(simulate(120_000, 90, 8, shift_from=WINDOW_FROM))


def alarmed(found: Compared) -> set[str]:
    return {drift.column for drift in found.columns if drift.verdict != "stable"}


def test_what_remembers_a_fortnight_is_judged_by_the_weeks_before_its_reference(quiet):
    """The large payments of the first of a month fill the reference and have left the window."""
    (long,) = (drift for drift in quiet.columns if drift.column == "payer_largest_multiple_14d")
    assert long.psi > 0.25 and long.usual > 0.25
    assert long.verdict == "stable" and "by nature" in long.note


def test_a_quiet_week_is_left_in_peace_although_many_features_age(quiet):
    aged = {drift.column for drift in quiet.columns if drift.psi > 0.25}
    assert "payee_since_first" in aged
    assert not alarmed(quiet)


def test_a_shift_of_behaviour_is_found_in_the_features_that_it_touches(quiet, shifted):
    acted = {drift.column for drift in shifted.columns if drift.verdict == "act"}
    # Payments move to other hours and to new payees; what alarms in a quiet week too proves nothing.
    assert {"hour", "payee_count_7d"} <= acted - alarmed(quiet)
    assert {"pair_first", "pair_since_last", "payee_count_1d"} <= alarmed(shifted) - alarmed(quiet)
    assert len(alarmed(shifted)) > 3 * len(alarmed(quiet)) + 5
