"""Drift of questions and documents by their embeddings."""

import numpy as np
import pytest

from eval.drift_text import TextDrift, text_drift

TOPICS = ("chargeback", "mule account", "card testing", "holiday rota")


def embed(texts):
    """Texts on the circle of their topic: near each other within one, far from the others."""
    made = []
    for text in texts:
        topic, number = text.rsplit(" ", 1)
        vector = np.zeros(8)
        vector[TOPICS.index(topic)] = 1.0
        angle = np.random.default_rng([TOPICS.index(topic), int(number)]).normal(0, 0.2, 4)
        vector[4:] = angle
        made.append(vector)
    return np.array(made)


def asked(topic, first, count):
    return [f"{topic} {number}" for number in range(first, first + count)]


KNOWN = [text for topic in TOPICS[:3] for text in asked(topic, 0, 100)]


def test_more_of_the_same_alarms_no_more_often_than_chance_allows():
    alarms = 0
    for turn in range(60):
        known = [text for topic in TOPICS[:3] for text in asked(topic, 10_000 * turn, 100)]
        now = [text for topic in TOPICS[:3] for text in asked(topic, 10_000 * turn + 5_000, 60)]
        found = text_drift("questions", known, now, embed)
        assert (found.reference, found.current) == (300, 180)
        alarms += found.verdict != "stable"
    assert alarms <= 8  # the index stays under its noise 95 times in 100


def test_a_new_topic_is_found_and_named():
    now = [*asked("chargeback", 500, 100), *asked("holiday rota", 0, 60)]
    found = text_drift("questions", KNOWN, now, embed)
    assert found.verdict == "act"
    assert found.similarity_current <= found.similarity_reference
    assert all(text.startswith("holiday rota") for text in found.farthest)
    assert found.metrics()["text.questions.psi"] == found.psi > 0.25


@pytest.mark.parametrize(("known", "now"), [(300, 49), (30, 200), (0, 0)])
def test_too_few_texts_are_insufficient(known, now):
    found = text_drift("documents", KNOWN[:known], asked("chargeback", 900, now), embed)
    assert found.verdict == "insufficient"
    assert isinstance(found, TextDrift) and found.farthest == ()


def test_one_text_many_times_counts_once():
    assert text_drift("questions", KNOWN * 3, asked("mule account", 0, 1) * 500, embed).verdict == "insufficient"


def test_the_order_of_texts_does_not_matter():
    now = asked("chargeback", 500, 80)
    assert text_drift("questions", KNOWN, now, embed).psi == pytest.approx(
        text_drift("questions", KNOWN[::-1], now[::-1], embed).psi
    )
