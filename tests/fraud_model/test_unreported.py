"""Labels that leave room for fraud nobody has reported yet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_model.unreported import labels_with_unreported

DAY = 86_400


def test_a_part_in_proportion_to_the_time_at_risk() -> None:
    labels = np.array([0.0, 0.0, 0.0, 1.0])
    since = np.array([8.0, 16.0, 12.0, 12.0]) * DAY
    found = labels_with_unreported(labels, since, assumed=0.4)
    assert found == pytest.approx([0.1 * 8 / 12, 0.1 * 16 / 12, 0.1, 1.0])


def test_unknown_time_counts_as_the_mean_and_long_time_as_thirty_days() -> None:
    labels = np.array([0.0, 0.0, 0.0, 1.0])
    found = labels_with_unreported(labels, np.array([10.0 * DAY, 400.0 * DAY, np.nan, np.nan]), assumed=0.4)
    assert found == pytest.approx([0.1 * 10 / 20, 0.1 * 30 / 20, 0.1, 1.0])
    assert labels_with_unreported(labels, np.full(4, np.nan), assumed=0.4) == pytest.approx([0.1, 0.1, 0.1, 1.0])
    assert labels_with_unreported(labels, np.zeros(4), assumed=0.4) == pytest.approx([0.1, 0.1, 0.1, 1.0])


@given(
    st.lists(st.tuples(st.booleans(), st.floats(-1e9, 1e9) | st.just(float("nan"))), min_size=1, max_size=40),
    st.floats(0, 100),
)
def test_fraud_stays_fraud_and_nothing_legitimate_becomes_likelier_fraud_than_not(
    rows: list[tuple[bool, float]], assumed: float
) -> None:
    labels = np.array([float(fraud) for fraud, _ in rows])
    since = np.array([seconds for _, seconds in rows])
    found = labels_with_unreported(labels, since, assumed)
    assert (found[labels == 1] == 1).all()
    assert ((found[labels == 0] >= 0) & (found[labels == 0] <= 0.5)).all()
    assert (labels_with_unreported(labels, since, 0.0) == labels).all()
