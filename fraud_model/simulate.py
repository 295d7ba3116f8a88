"""Simulated payments in the columns of PaySim, the same for the same seed.

    frame = simulate()                                   # 200,000 rows over 90 days, about 0.5% fraud
    frame, scenarios = simulate_with_scenarios(seed=3)   # and which rows belong to which story

Customers have habits (how much, when, with whom), salaries come on paydays, rents and bills around the turn of the
month, firms pay each other on working days. Among them run stories of fraud in six typologies and legitimate
stories that look like them. Step 1 is the first hour of Monday, 1 June 2026 (UTC); amounts are in EUR.
"""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from fraud_model.errors import InputError
from fraud_model.simulation.events import DAY, HOUR, TRANSFER, TYPES, Events
from fraud_model.simulation.ledger import Booked, book, fund_stories
from fraud_model.simulation.lookalikes import LOOKALIKES
from fraud_model.simulation.population import Population, draw_population
from fraud_model.simulation.routine import BUSINESS_SHARE, business_rows, calendar_rows, habit_rows, shift_rows
from fraud_model.simulation.stories import People, Story, place_stories, write_stories
from fraud_model.simulation.typologies import typologies

START = datetime(2026, 6, 1, tzinfo=UTC)
FRAUD_SHARE = 0.005
LOOKALIKE_SHARE = 0.010
MINIMUM_ROWS = 1000
MAXIMUM_DAYS = 3650
# At most this part of the rows is tied to the calendar; the rest is left to habit.
CALENDAR_SHARE = 0.4
FLAGGED_CENTS = 20_000_000  # PaySim's own rule flags transfers of more than 200,000

TYPOLOGIES = (
    "account_takeover",
    "mule_chain",
    "credential_testing",
    "merchant_collusion",
    "structuring",
    "social_engineering",
)


def simulate(
    rows: int = 200_000, days: int = 90, seed: int = 7, shift_from: int | None = None, shift: float = 1.0
) -> pd.DataFrame:
    """Payments in the eleven columns of PaySim, sorted by step.

    Args:
        rows: Exactly how many payments, at least 1,000.
        days: Over how many days they spread; a step is an hour, steps count from 1.
        seed: The same seed gives the same payments.
        shift_from: Day (from 1) on which people's behaviour changes; rows before it stay what they are without a
            change. None for no change.
        shift: How strongly it changes: amounts, hours, payees and types; 0 not at all, 1 clearly.

    Returns:
        `rows` rows: step (hours from 1), type, amount (EUR), nameOrig, oldbalanceOrg, newbalanceOrig, nameDest,
        oldbalanceDest, newbalanceDest (EUR), isFraud and isFlaggedFraud (0 or 1).

    Raises:
        InputError: an argument is out of range.
    """
    return simulate_with_scenarios(rows, days, seed, shift_from, shift)[0]


def simulate_with_scenarios(
    rows: int = 200_000, days: int = 90, seed: int = 7, shift_from: int | None = None, shift: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The payments of `simulate`, and the stories among them.

    Returns:
        The payments, and one row per payment that belongs to a story: scenario_id, typology (`none` for a legitimate
        look-alike), kind (what happens; for fraud the typology), row (position in the payments, from 0) and role (the
        payment's part in the story); in the order of `row` within each scenario.

    Raises:
        InputError: an argument is out of range.
    """
    _check(rows, days, seed, shift_from, shift)
    population = draw_population(rows, days, _stream(seed, 0))
    scripted, stories, roles = _scripted(population, rows, days, _stream(seed, 1))
    everyday = _everyday(population, rows - len(scripted), days, _stream(seed, 2))
    events = Events.concat([scripted, everyday])
    opening = fund_stories(population, events, _stream(seed, 3))
    if shift_from is not None and shift > 0:
        events = shift_rows(events, population, (shift_from - 1) * DAY, shift, _stream(seed, 4))
    events = events.take(np.argsort(events.second, kind="stable"))
    booked = book(population, events, opening, _stream(seed, 5))
    names = population.names(_stream(seed, 6))
    return _frame(booked, names), _scenarios(booked.events, stories, roles)


def _stream(seed: int, part: int) -> np.random.Generator:
    """Random numbers of one part of the simulation, so that a change in one part leaves the others alone."""
    return np.random.default_rng([seed, part])


def _scripted(
    population: Population, rows: int, days: int, rng: np.random.Generator
) -> tuple[Events, list[Story], tuple[str, ...]]:
    people = People(population, rng)
    fraud = write_stories(typologies(people, rng), round(rows * FRAUD_SHARE), False, people, rng)
    honest = write_stories(LOOKALIKES, round(rows * LOOKALIKE_SHARE), True, people, rng)
    stories = fraud + honest
    events, roles = place_stories(stories, days, rng)
    return events, stories, roles


def _everyday(population: Population, rows: int, days: int, rng: np.random.Generator) -> Events:
    tied = calendar_rows(population, days, START, rng)
    most = int(rows * CALENDAR_SHARE)
    if len(tied) > most:
        tied = tied.take(np.sort(rng.permutation(len(tied))[:most]))
    business = business_rows(population, round(rows * BUSINESS_SHARE), days, START, rng)
    habits = habit_rows(population, rows - len(tied) - len(business), days, START, rng)
    return Events.concat([tied, business, habits])


def _frame(booked: Booked, names: "np.ndarray[Any, Any]") -> pd.DataFrame:
    events = booked.events
    flagged = (events.kind == TRANSFER) & (events.cents > FLAGGED_CENTS)
    return pd.DataFrame(
        {
            "step": events.second // HOUR + 1,
            "type": np.array(TYPES, dtype=object)[events.kind],
            "amount": events.cents / 100,
            "nameOrig": names[events.payer],
            "oldbalanceOrg": booked.old_payer / 100,
            "newbalanceOrig": booked.new_payer / 100,
            "nameDest": names[events.payee],
            "oldbalanceDest": booked.old_payee / 100,
            "newbalanceDest": booked.new_payee / 100,
            "isFraud": events.fraud.astype(np.int64),
            "isFlaggedFraud": flagged.astype(np.int64),
        }
    )


def _scenarios(events: Events, stories: list[Story], roles: tuple[str, ...]) -> pd.DataFrame:
    count: dict[str, int] = {}
    ids = []
    for story in stories:
        count[story.kind] = count.get(story.kind, 0) + 1
        ids.append(f"{story.kind}-{count[story.kind]:03d}")
    row = np.flatnonzero(events.story >= 0)
    row = row[np.argsort(events.story[row], kind="stable")]
    number = events.story[row]
    return pd.DataFrame(
        {
            "scenario_id": np.array(ids, dtype=object)[number],
            "typology": np.array([story.typology for story in stories], dtype=object)[number],
            "kind": np.array([story.kind for story in stories], dtype=object)[number],
            "row": row,
            "role": np.array(roles, dtype=object)[events.role[row]],
        }
    )


def _check(rows: int, days: int, seed: int, shift_from: int | None, shift: float) -> None:
    numbers = {"rows": rows, "days": days, "seed": seed, **({} if shift_from is None else {"shift_from": shift_from})}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise InputError(f"{name} must be a whole number, not {value!r}")
    if rows < MINIMUM_ROWS:
        raise InputError(f"rows must be at least {MINIMUM_ROWS}, not {rows}: fewer leave no room for a fraud scenario")
    if days < 1:
        raise InputError(f"days must be at least 1, not {days}")
    if days > MAXIMUM_DAYS:
        raise InputError(f"days must be at most {MAXIMUM_DAYS}, not {days}")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, not {seed}")
    if shift_from is not None and not 1 <= shift_from <= days:
        raise InputError(f"shift_from must be a day from 1 to {days} (days), not {shift_from}")
    if isinstance(shift, bool) or not isinstance(shift, int | float) or not 0 <= shift <= 10:
        raise InputError(f"shift must be a number from 0 (no change) to 10, not {shift!r}")
