"""Every account's money, row by row, so that balances add up for legitimate and fraudulent rows alike."""

from dataclasses import dataclass

import numpy as np

from fraud_model.simulation.events import CASH_IN, Array, Events
from fraud_model.simulation.population import Population

MINIMUM_CENTS = 5000  # a scripted payment that the account covers only in part goes ahead from here on


@dataclass(frozen=True)
class Booked:
    """What was booked, each array of shape (rows,); money in cents."""

    events: Events
    old_payer: Array
    new_payer: Array
    old_payee: Array
    new_payee: Array


def fund_stories(population: Population, events: Events, rng: np.random.Generator) -> Array:
    """Opening balances in cents under which the stories can happen.

    People who buy a car or are robbed of their savings have savings: their accounts open with more. The draw is the
    same for fraud and for its look-alikes.
    """
    opening = population.opening_balances()
    out = (events.story >= 0) & (events.kind != CASH_IN)
    spent = np.bincount(events.payer[out], weights=events.cents[out], minlength=len(opening))
    drained = np.bincount(events.payer[out], weights=events.share[out] > 0, minlength=len(opening)) > 0
    drained[population.merchants.stop :] = False  # accounts opened for passing money on start nearly empty
    savings = 250_000 * np.exp(rng.normal(0, 0.6, len(opening)))
    extra = spent * rng.uniform(0.9, 1.5, len(opening)) + drained * savings
    return opening + np.round(extra).astype(np.int64)


def book(population: Population, events: Events, opening: Array, rng: np.random.Generator) -> Booked:
    """Books the payments in order.

    A payment that its account cannot cover does not happen: its holder pays cash in instead, in its place. A scripted
    one goes ahead with what there is, where there is enough to be worth it. Merchants' accounts are kept elsewhere
    and show 0 before and after, as in PaySim.
    """
    merchants = range(population.merchants.start, population.merchants.stop)
    points = population.cash_points.draw(rng, len(events)).tolist()
    balances = opening.tolist()
    kind, payee, cents = events.kind.tolist(), events.payee.tolist(), events.cents.tolist()
    fraud, story, role = events.fraud.tolist(), events.story.tolist(), events.role.tolist()
    old_payer, new_payer, old_payee, new_payee = ([0] * len(kind) for _ in range(4))
    for row, (payer, share) in enumerate(zip(events.payer.tolist(), events.share.tolist(), strict=True)):
        balance = balances[payer]
        if kind[row] != CASH_IN:
            wanted = _part(balance, share) if share > 0 else cents[row]
            if (wanted > balance or wanted == 0) and story[row] >= 0 and balance >= MINIMUM_CENTS:
                wanted = _part(balance, 0.9)
            if wanted > balance or wanted == 0:
                kind[row], payee[row], fraud[row], story[row], role[row] = CASH_IN, points[row], 0, -1, -1
                wanted = -(-(wanted * 3 - balance * 2) // 5000) * 5000 or 5000
            cents[row] = wanted
        other, amount = payee[row], cents[row]
        change = amount if kind[row] == CASH_IN else -amount
        old_payer[row] = balance
        balances[payer] = new_payer[row] = balance + change
        if other not in merchants:
            old_payee[row] = balances[other]
            balances[other] = new_payee[row] = balances[other] - change
    booked = Events(
        second=events.second,
        kind=np.array(kind, dtype=np.int8),
        payer=events.payer,
        payee=np.array(payee, dtype=np.int64),
        cents=np.array(cents, dtype=np.int64),
        share=events.share,
        fraud=np.array(fraud, dtype=np.int8),
        story=np.array(story, dtype=np.int64),
        role=np.array(role, dtype=np.int64),
    )
    sides = (np.array(side, dtype=np.int64) for side in (old_payer, new_payer, old_payee, new_payee))
    return Booked(booked, *sides)


def _part(balance: int, share: float) -> int:
    """That part of a balance, as people type it: tens of euros from 100 euros on; all of it to the cent."""
    if share >= 1:
        return balance
    part = int(balance * share)
    return part - part % 1000 if part >= 10_000 else part
