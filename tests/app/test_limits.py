"""Budgets of requests and the waiting of whoever guesses passwords, on a clock of our own."""

import pytest

from app.limits import FailedSignIns, RateLimit


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_budget_fills_evenly_and_is_each_ones_own(clock):
    limit = RateLimit(60, clock)
    assert [limit.take("ann") for _ in range(60)] == [0.0] * 60
    assert limit.take("ann") == pytest.approx(1.0)
    assert limit.take("bob") == 0.0
    clock.now += 2
    assert [limit.take("ann") > 0 for _ in range(3)] == [False, False, True]


def test_no_limit_never_waits(clock):
    limit = RateLimit(0, clock)
    assert not any(limit.take("ann") for _ in range(10_000))


def test_a_crowd_does_not_fill_the_memory(clock):
    limit = RateLimit(60, clock)
    for number in range(30_000):
        clock.now += 0.01
        limit.take(f"user {number}")
    assert len(limit._left) <= 20_000


def test_guessing_takes_twice_as_long_each_time(clock):
    failures = FailedSignIns(clock)
    waits = []
    for _ in range(18):
        waits.append(failures.wait("ann", "10.0.0.1"))
        clock.now += waits[-1]
        failures.failed("Ann", "10.0.0.1")
    assert waits[:8] == [0, 0, 0, 0, 1, 2, 4, 8]
    assert max(waits) == 900


def test_others_may_sign_in_while_one_guesses(clock):
    failures = FailedSignIns(clock)
    for _ in range(10):
        failures.failed("ann", "10.0.0.1")
    assert failures.wait("ann", "10.0.0.1") > 0
    assert failures.wait("ann", "10.0.0.2") == 0
    assert failures.wait("bob", "10.0.0.1") == 0


def test_one_password_on_every_name_is_slowed_too(clock):
    failures = FailedSignIns(clock)
    for number in range(45):
        failures.failed(f"user{number}", "10.0.0.1")
    assert failures.wait("ann", "10.0.0.1") > 0


@pytest.mark.parametrize("how", ["success", "an hour"])
def test_failures_are_forgotten(clock, how):
    failures = FailedSignIns(clock)
    for _ in range(10):
        failures.failed("ann", "10.0.0.1")
    if how == "success":
        failures.succeeded("ann", "10.0.0.1")
    else:
        clock.now += 3_601
    assert failures.wait("ann", "10.0.0.1") == 0
