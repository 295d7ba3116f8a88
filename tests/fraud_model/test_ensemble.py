"""Several boosters as one."""

import lightgbm as lgb
import numpy as np
import pytest

from fraud_model.ensemble import average_boosters


@pytest.fixture(scope="module")
def members() -> list[lgb.Booster]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(800, 4))
    rows[::7, 1] = np.nan
    labels = (rows[:, 0] + rng.normal(size=800) > 1).astype(int)
    settings = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "bagging_fraction": 0.5, "bagging_freq": 1}
    return [
        lgb.train({**settings, "seed": seed}, lgb.Dataset(rows, labels), num_boost_round=rounds)
        for seed, rounds in ((0, 5), (1, 12), (2, 9))
    ]


def test_scores_and_contributions_are_the_members_means(members: list[lgb.Booster]) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 4))
    whole = average_boosters(members)
    assert whole.num_trees() == 26
    for what in ({"raw_score": True}, {"pred_contrib": True}):
        mean = np.mean([member.predict(rows, **what) for member in members], axis=0)
        np.testing.assert_allclose(whole.predict(rows, **what), mean, rtol=1e-9, atol=1e-12)
    again = lgb.Booster(model_str=whole.model_to_string())
    np.testing.assert_array_equal(again.predict(rows), whole.predict(rows))


def test_one_member_is_itself(members: list[lgb.Booster]) -> None:
    assert average_boosters(members[:1]) is members[0]
