"""The population stability index: exact on constructed shares, quiet where nothing changed, loud where it broke."""

import numpy as np
import pandas as pd
import pytest

from eval.psi import compare, psi, verdict_of


def test_the_index_is_exact_on_constructed_counts():
    before, after = np.array([50_000, 50_000]), np.array([80_000, 20_000])
    expected = 0.3 * np.log(0.8 / 0.5) + (-0.3) * np.log(0.2 / 0.5)
    assert psi(before, after) == pytest.approx(expected, abs=1e-4)
    assert psi(before, before) == 0.0


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.0, "stable"), (0.099, "stable"), (0.1, "watch"), (0.25, "watch"), (0.2501, "act"), (9.0, "act")],
)
def test_the_bounds(value, verdict):
    assert verdict_of(value) == verdict


def test_noise_is_what_unchanged_samples_stay_under_95_times_in_100():
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found.append(compare(pd.Series(rng.normal(size=4_000)), pd.Series(rng.normal(size=1_000))))
    over = np.mean([one.psi > one.noise for one in found])
    assert 0.02 <= over <= 0.09


def test_bins_come_from_the_reference_alone():
    reference = pd.Series(np.arange(1_000.0))
    narrow, wide = compare(reference, reference), compare(reference, reference * 1_000)
    assert narrow.bins.labels == wide.bins.labels
    assert np.array_equal(narrow.reference_counts, wide.reference_counts)


@pytest.mark.parametrize(
    ("reference", "current", "verdict"),
    [
        pytest.param([0.0] * 1_000, [0.0] * 3_000, "stable", id="constant stays constant"),
        pytest.param([0.0] * 1_000, [5.0] * 3_000, "act", id="a constant becomes another"),
        pytest.param([0.0] * 1_000, [-1.0] * 3_000, "act", id="below everything"),
        pytest.param([0.0, 1.0] * 500, [np.nan] * 1_000, "act", id="all missing"),
        pytest.param([np.nan] * 1_000, [np.nan] * 1_000, "stable", id="missing in both"),
        pytest.param([np.nan] * 1_000, [1.0] * 1_000, "act", id="missing before, there now"),
        pytest.param([0.0] * 990 + [1.0] * 10, [0.0] * 2_970 + [1.0] * 30, "stable", id="a rare flag"),
        pytest.param([True, False] * 500, [True] * 1_000, "act", id="booleans"),
        pytest.param(list("aab") * 400, list("aab") * 400, "stable", id="categories"),
        pytest.param(list("aab") * 400, list("aac") * 400, "act", id="a category replaced"),
        pytest.param(["a", None] * 500, ["a"] * 1_000, "act", id="missing names no longer missing"),
        pytest.param([1.0, 2.0] * 500, ["one", "two"] * 500, "act", id="text among numbers"),
        pytest.param([0.0, 1.0] * 500, [np.inf] * 1_000, "act", id="infinite"),
    ],
)
def test_verdict_of_hard_columns(reference, current, verdict):
    assert verdict_of(compare(pd.Series(reference), pd.Series(current)).psi) == verdict


def test_a_maximum_that_creeps_up_is_no_drift():
    counts = np.random.default_rng(3).gamma(0.3, 1_000, size=20_000)
    reference = pd.Series(counts[:10_000]).clip(upper=np.quantile(counts, 0.93))
    current = pd.Series(counts[10_000:]).clip(upper=np.quantile(counts, 0.93) * 1.05)
    assert verdict_of(compare(reference, current).psi) == "stable"
    assert verdict_of(compare(reference, current * 100).psi) == "act"


def test_a_value_stored_in_32_and_in_64_bits_lands_in_the_same_bin():
    found = compare(pd.Series([0.1] * 1_000, dtype="float32"), pd.Series([0.1] * 1_000, dtype="float64"))
    assert found.psi == 0.0


def test_categories_are_compared_by_name_whatever_their_type():
    plain = pd.Series(["PAYMENT", "TRANSFER"] * 500)
    assert compare(plain, plain.astype("category")).psi == 0.0
    assert compare(plain.astype("string"), plain).psi == 0.0


def test_unseen_categories_count_only_where_the_reference_knows_them_all():
    few = compare(pd.Series(list("ab") * 500), pd.Series(list("abcc") * 250))
    assert few.unseen_share == pytest.approx(0.5)
    names = [f"m{number}" for number in range(400)]
    rng = np.random.default_rng(0)
    many = compare(pd.Series(rng.choice(names, 3_000)), pd.Series(rng.choice([*names, "new"], 3_000)))
    assert many.unseen_share == 0.0
    assert many.psi < 0.1


def test_nullable_columns_are_read():
    values = pd.Series([1, 2, None] * 400, dtype="Int64")
    found = compare(values, values)
    assert found.psi == 0.0
    assert found.reference_counts[-1] == 400
