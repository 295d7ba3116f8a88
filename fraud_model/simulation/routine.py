"""Everyday rows: shopping, sending money, cash, salaries, rents, bills and invoices; and the shift of behaviour."""

import calendar
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from fraud_model.simulation.events import (
    CASH_IN,
    CASH_OUT,
    DAY,
    DEBIT,
    HOUR,
    PAYMENT,
    TRANSFER,
    Array,
    Events,
)
from fraud_model.simulation.population import FAVOURITES, FRIENDS, Population

# Everyday types: shopping, sending money, drawing cash, direct debits, paying cash in.
_MIX = {PAYMENT: 0.66, TRANSFER: 0.12, CASH_OUT: 0.12, DEBIT: 0.06, CASH_IN: 0.04}
BUSINESS_SHARE = 0.03  # of all rows: invoices between businesses and their takings paid in


def calendar_rows(population: Population, days: int, start: datetime, rng: np.random.Generator) -> Events:
    """Salaries, rents and bills on their days of the month."""
    dates = [start + timedelta(days=day) for day in range(days)]
    last = np.array([calendar.monthrange(date.year, date.month)[1] for date in dates])
    month_day = np.array([date.day for date in dates])
    people = np.arange(population.customers.size)
    parts = []
    for day in range(days):
        here = population.first_day <= day
        due = month_day[day]
        paid = people[here & ((population.payday == due) | ((population.payday > last[day]) & (due == last[day])))]
        owing = people[here & (population.rent > 0) & (population.payday % 3 + 1 == due)]
        billed = people[here & ((people * 7) % 28 + 1 == due)]
        debited = people[here & (people % 4 + last[day] - 3 == due)]
        salary = population.salary[paid] * np.exp(rng.normal(0, 0.03, len(paid)))
        parts += [
            _on_day(rng, day, (1, 6), TRANSFER, population.employer_of[paid], paid, salary),
            _on_day(rng, day, (6, 12), TRANSFER, owing, population.landlord_of[owing], population.rent[owing]),
            _on_day(rng, day, (0, 9), DEBIT, billed, _utility(population, billed, 1), _bill(rng, len(billed))),
            _on_day(rng, day, (0, 9), DEBIT, debited, _utility(population, debited, 5), _bill(rng, len(debited))),
        ]
    return Events.concat(parts)


def business_rows(population: Population, rows: int, days: int, start: datetime, rng: np.random.Generator) -> Events:
    """Invoices between businesses, and takings that shops pay in, on working days."""
    working = np.array([day for day in range(days) if (start + timedelta(days=day)).weekday() < 5] or [0])
    second = rng.choice(working, rows) * DAY + (rng.uniform(7, 18, rows) * HOUR).astype(np.int64)
    payer = population.businesses.draw(rng, rows)
    deposit = rng.random(rows) < 0.3
    supplier = population.businesses.draw(rng, rows)
    supplier = np.where(supplier == payer, population.outsiders.draw(rng, rows), supplier)
    supplier = np.where(rng.random(rows) < 0.25, population.outsiders.draw(rng, rows), supplier)
    invoice = np.clip(3500 * np.exp(rng.normal(0, 1.0, rows)), 40, 240_000)
    takings = np.clip(5500 * np.exp(rng.normal(0, 0.6, rows)), 300, 30_000)
    # Firms pay up to their own signing limit without a second signature, so amounts crowd below 10,000 here too.
    crowd = rng.random(rows) < 0.10
    invoice = np.where(crowd, rng.uniform(8600, 9995, rows), invoice)
    takings = np.where(crowd, rng.uniform(8600, 9995, rows), takings)
    euros = np.where(deposit, np.round(takings / 5) * 5, invoice)
    kind = np.where(deposit, CASH_IN, TRANSFER)
    payee = np.where(deposit, population.cash_points.draw(rng, rows), supplier)
    return Events.everyday(second, kind, payer, payee, np.round(euros * 100))


def habit_rows(population: Population, rows: int, days: int, start: datetime, rng: np.random.Generator) -> Events:
    """Rows that customers make out of habit: who, when, what, with whom, how much."""
    payer = np.searchsorted(np.cumsum(population.activity), rng.random(rows)).clip(max=population.customers.size - 1)
    second = _habit_seconds(population, payer, days, start, rng)
    kind = rng.choice(np.array(list(_MIX)), rows, p=list(_MIX.values())).astype(np.int8)
    level = population.level[payer]

    favourite = population.favourites[payer, _favourite_rank(rng, rows, FAVOURITES)]
    merchant = np.where(rng.random(rows) < 0.72, favourite, _passing_trade(population, rows, rng))
    friend = population.friends[payer, _favourite_rank(rng, rows, FRIENDS)]
    stranger = np.where(
        rng.random(rows) < 0.5, population.outsiders.draw(rng, rows), population.customers.draw(rng, rows)
    )
    person = np.where(rng.random(rows) < 0.75, friend, stranger)
    person = np.where(person == payer, population.outsiders.draw(rng, rows), person)
    cash_point = population.cash_points.start + (payer * 7 + (rng.random(rows) < 0.3)) % population.cash_points.size

    spent = np.exp(population.price[merchant - population.merchants.start] + 0.6 * level + rng.normal(0, 0.4, rows))
    sent = np.exp(np.log(55) + level + rng.normal(0, 0.9, rows))
    # Nobody's year is only habits: a sofa, a dentist, a loan to a cousin, cash for the market.
    rare = rng.random(rows) < 0.008
    sent = np.where(rare, sent * rng.uniform(8, 60, rows), sent)
    spent = np.where(rare, spent * rng.uniform(4, 20, rows), spent)
    sent = np.where(rng.random(rows) < 0.6, np.maximum(5, np.round(sent / 5) * 5), sent)
    drawn = np.maximum(10, np.round(np.exp(np.log(70) + 0.7 * level + rng.normal(0, 0.6, rows)) / 10) * 10)
    drawn = np.where(rare, np.minimum(drawn * 8, 3000), drawn)
    debited = 18 * np.exp(rng.normal(0, 0.6, rows) + 0.5 * level)

    payee = np.select([kind == PAYMENT, kind == TRANSFER, kind == DEBIT], [merchant, person, payer], cash_point)
    payee = np.where(kind == DEBIT, _utility(population, payer, 3), payee)
    euros = np.select([kind == PAYMENT, kind == TRANSFER, kind == DEBIT], [spent, sent, debited], drawn)
    return Events.everyday(second, kind, payer, payee, np.round(euros * 100))


def shift_rows(
    events: Events, population: Population, first_second: int, strength: float, rng: np.random.Generator
) -> Events:
    """The same rows with changed behaviour from `first_second` on: dearer, later in the day, elsewhere, otherwise paid.

    Every draw is made for every row, so a later first second changes fewer rows and no other.
    """
    rows = len(events)
    changed = (events.second >= first_second) & (events.story < 0)
    in_shop = changed & (events.kind == PAYMENT)
    moved = in_shop & (rng.random(rows) < min(0.95, 0.4 * strength))
    elsewhere = population.merchants.draw(rng, rows)
    sent_instead = in_shop & (rng.random(rows) < min(0.8, 0.2 * strength))
    stranger = population.outsiders.draw(rng, rows)
    dearer = 1 + strength * rng.uniform(0.3, 0.9, rows)
    later = (strength * rng.uniform(1, 5, rows) * HOUR).astype(np.int64)

    midnight = events.second // DAY * DAY
    payee = np.where(sent_instead, stranger, np.where(moved, elsewhere, events.payee))
    return replace(
        events,
        second=np.where(changed, np.minimum(events.second + later, midnight + DAY - 1), events.second),
        kind=np.where(sent_instead, TRANSFER, events.kind).astype(np.int8),
        payee=payee,
        cents=np.where(changed, np.round(events.cents * dearer), events.cents).astype(np.int64),
    )


def _on_day(
    rng: np.random.Generator, day: int, hours: tuple[int, int], kind: int, payer: Array, payee: Array, cents: Array
) -> Events:
    second = day * DAY + (rng.uniform(*hours, len(payer)) * HOUR).astype(np.int64)
    return Events.everyday(second, kind, payer, payee, np.round(cents))


def _utility(population: Population, people: Array, step: int) -> Array:
    return population.utilities.start + (people * step) % population.utilities.size


def _bill(rng: np.random.Generator, rows: int) -> Array:
    return 6500 * np.exp(rng.normal(0, 0.5, rows))


def _favourite_rank(rng: np.random.Generator, rows: int, ranks: int) -> Array:
    """Position among the favourites, the first ones most often."""
    weights = 1 / np.arange(1, ranks + 1)
    return np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(rows)).clip(max=ranks - 1)


def _passing_trade(population: Population, rows: int, rng: np.random.Generator) -> Array:
    drawn = np.searchsorted(np.cumsum(population.popularity), rng.random(rows)).clip(max=population.merchants.size - 1)
    return population.merchants.start + drawn


def _habit_seconds(population: Population, payer: Array, days: int, start: datetime, rng: np.random.Generator) -> Array:
    """Times of everyday rows: by weekday for two sorts of customer, around each customer's own hour, few at night."""
    weekday = np.array([(start + timedelta(days=day)).weekday() for day in range(days)])
    month_day = np.array([(start + timedelta(days=day)).day for day in range(days)])
    after_payday = 1 + 0.25 * np.isin(month_day, [1, 2, 26, 27, 28, 29])
    day = np.empty(len(payer), dtype=np.int64)
    chance = rng.random(len(payer))
    for likes_weekend, factor in ((False, 0.75), (True, 2.2)):
        edges = np.concatenate([[0.0], np.cumsum(np.where(weekday >= 5, factor, 1.0) * after_payday)])
        edges /= edges[-1]
        mine = population.weekend[payer] == likes_weekend
        before = edges[population.first_day[payer[mine]]]
        day[mine] = np.searchsorted(edges, before + (1 - before) * chance[mine], side="right") - 1
    day = np.clip(day, 0, days - 1)
    hour = (population.peak_hour[payer] + rng.normal(0, 2.8, len(payer))) % 24
    sleeps = (hour < 6) & (rng.random(len(payer)) < 0.75)
    hour = np.where(sleeps, rng.uniform(7, 23, len(payer)), hour)
    return day * DAY + (hour * HOUR).astype(np.int64)
