"""The six kinds of fraud, each as a story of several payments over days.

A payment carries the fraud label only where a bank would book it as fraud: probes of a euro that nobody notices, a
first small payment that the victim does not dispute and the small traffic that makes a mule's account look alive do
not. Fraudsters reuse what works: a few merchants for testing cards, a few that collude, and mules who serve twice.
"""

import numpy as np

from fraud_model.simulation.events import CASH_IN, CASH_OUT, PAYMENT, TRANSFER
from fraud_model.simulation.stories import People, Story, Writer

REUSED_MERCHANTS = 10
MULES_PER_REUSE = 0.35


class Ring:
    """What fraudsters come back to: testing merchants, colluding merchants, mules."""

    def __init__(self, people: People, rng: np.random.Generator) -> None:
        self.testing = [people.merchant(cheap=True) for _ in range(REUSED_MERCHANTS)]
        self.colluding = [people.merchant() for _ in range(REUSED_MERCHANTS)]
        self._mules: list[int] = []
        self._people = people
        self._rng = rng

    def mule(self) -> int:
        """An account that takes the money: one used before, a new one, or a recruited customer's."""
        if self._mules and self._rng.random() < MULES_PER_REUSE:
            return self._mules[int(self._rng.integers(len(self._mules)))]
        mule = self._people.new_account() if self._rng.random() < 0.5 else self._people.customer()
        self._mules.append(mule)
        return mule


def typologies(people: People, rng: np.random.Generator) -> dict[str, Writer]:
    """How each typology is written, by name; all share one ring of mules and merchants."""
    ring = Ring(people, rng)
    return {
        "account_takeover": lambda story, people, rng: _account_takeover(story, people, rng, ring),
        "mule_chain": lambda story, people, rng: _mule_chain(story, people, rng, ring),
        "credential_testing": lambda story, people, rng: _credential_testing(story, people, rng, ring),
        "merchant_collusion": lambda story, people, rng: _merchant_collusion(story, people, rng, ring),
        "structuring": lambda story, people, rng: _structuring(story, people, rng, ring),
        "social_engineering": lambda story, people, rng: _social_engineering(story, people, rng, ring),
    }


def _account_takeover(story: Story, people: People, rng: np.random.Generator, ring: Ring) -> None:
    """A probe of a few euros, then the account is emptied over two or three days, as its daily limits allow."""
    victim, mule = people.customer(), ring.mule()
    story.pay(rng.uniform(9, 22), TRANSFER, victim, mule, euros=rng.uniform(0.5, 6), role="probe")
    hour = 24 * float(rng.integers(1, 4)) + rng.choice([rng.uniform(0, 6), rng.uniform(8, 23)])
    second = people.stranger() if rng.random() < 0.4 else mule
    steps = int(rng.integers(4, 8))
    for step in range(steps):
        by_cash = rng.random() < 0.25
        payee = people.cash_point() if by_cash else (mule if step % 2 == 0 else second)
        share = 1.0 if step == steps - 1 and rng.random() < 0.35 else rng.uniform(0.15, 0.5)
        story.pay(hour, CASH_OUT if by_cash else TRANSFER, victim, payee, share=share, fraud=True, role="drain")
        hour += rng.uniform(0.2, 4) if step % 3 != 2 else rng.uniform(12, 26)


def _mule_chain(story: Story, people: People, rng: np.random.Generator, ring: Ring) -> None:
    """Victims' money runs through two mules within hours and leaves as cash; again some days later."""
    first, last = ring.mule(), ring.mule()
    if last == first:
        last = people.new_account()
    story.pay(rng.uniform(8, 20), TRANSFER, people.customer(), first, euros=rng.uniform(10, 80), role="warm_up")
    story.pay(rng.uniform(24, 44), PAYMENT, first, people.merchant(cheap=True), euros=rng.uniform(2, 9), role="warm_up")
    hour = rng.uniform(56, 100)
    for _ in range(int(rng.integers(2, 4))):
        amount = np.round(700 * np.exp(rng.normal(0, 0.8)) / 10) * 10
        story.pay(hour, TRANSFER, people.customer(), first, euros=amount, fraud=True, role="victim_to_mule")
        hour += rng.uniform(0.3, 6)
        story.pay(hour, TRANSFER, first, last, euros=amount * rng.uniform(0.85, 0.97), fraud=True, role="mule_to_mule")
        hour += rng.uniform(0.3, 5)
        part = rng.uniform(0.4, 0.7)
        for cash in (amount * 0.85 * part, amount * 0.85 * (1 - part)):
            rounded = max(10.0, np.floor(cash / 10) * 10)
            story.pay(hour, CASH_OUT, last, people.cash_point(), euros=rounded, fraud=True, role="cash_out")
            hour += rng.uniform(0.1, 3)
        hour += rng.uniform(18, 70)


def _credential_testing(story: Story, people: People, rng: np.random.Generator, ring: Ring) -> None:
    """Many tiny payments at a few merchants to see whether the card works, then one or two large ones."""
    victim = people.customer()
    shops = rng.choice(ring.testing, 3, replace=False)
    hour = rng.uniform(0, 23)
    for step in range(int(rng.integers(5, 10))):
        story.pay(
            hour,
            PAYMENT,
            victim,
            int(rng.choice(shops)),
            euros=rng.choice([1.0, 0.99, 1.5, 2.0, rng.uniform(0.3, 4)]),
            fraud=step >= 2,
            role="test" if step >= 2 else "unnoticed_test",
        )
        hour += rng.uniform(0.1, 2.5) if rng.random() < 0.75 else rng.uniform(9, 20)
    hour += rng.uniform(3, 30)
    for _ in range(int(rng.integers(1, 4))):
        shop = people.merchant(dear=True)
        amount = people.population.price_of(shop) * rng.uniform(0.9, 2.5)
        story.pay(hour, PAYMENT, victim, shop, euros=amount, fraud=True, role="large_payment")
        hour += rng.uniform(0.2, 8)


def _merchant_collusion(story: Story, people: People, rng: np.random.Generator, ring: Ring) -> None:
    """A merchant books payments on stolen or lent cards: above its prices, from customers it never had."""
    shop = int(rng.choice(ring.colluding))
    cards = [people.customer() for _ in range(int(rng.integers(3, 6)))]
    hour = rng.uniform(8, 22)
    price = people.population.price_of(shop)
    for step in range(int(rng.integers(6, 11))):
        amount = price * rng.uniform(2.5, 9)
        rounded = max(20.0, np.round(amount / 10) * 10) if rng.random() < 0.6 else amount
        story.pay(
            hour,
            PAYMENT,
            cards[step % len(cards)],
            shop,
            euros=rounded,
            fraud=step > 0,
            role="inflated_sale" if step > 0 else "first_sale",
        )
        hour += rng.uniform(1, 9) if rng.random() < 0.55 else rng.uniform(14, 40)


def _structuring(story: Story, people: People, rng: np.random.Generator, ring: Ring) -> None:
    """Sums kept just under the 10,000 at which somebody looks: cash paid in, or transfers out, day after day."""
    holder = people.customer()
    receivers = [ring.mule(), people.stranger()]
    hour = rng.uniform(9, 18)
    paid_in = 0.0
    for _ in range(int(rng.integers(2, 4))):
        amount = np.round(rng.uniform(8400, 9980) / 10) * 10
        paid_in += amount
        story.pay(hour, CASH_IN, holder, people.cash_point(), euros=amount, fraud=True, role="cash_deposit")
        hour += rng.uniform(3, 30)
    for step in range(int(rng.integers(2, 5))):
        amount = min(np.round(rng.uniform(8200, 9990) / 10) * 10, paid_in)
        payee = receivers[step % 2]
        if payee == holder:
            payee = people.new_account()
        story.pay(hour, TRANSFER, holder, payee, euros=amount, fraud=True, role="transfer_under_limit")
        hour += rng.uniform(2, 30)


def _social_engineering(story: Story, people: People, rng: np.random.Generator, ring: Ring) -> None:
    """A new friend, investment or officer: the victim pays a new payee, more each time, over days."""
    victim = people.customer()
    payee = ring.mule() if rng.random() < 0.5 else people.stranger()
    if payee == victim:
        payee = people.new_account()
    amount = people.usual_spend(victim) * rng.uniform(2, 7)
    hour = rng.uniform(9, 21)
    for step in range(int(rng.integers(4, 8))):
        story.pay(
            hour,
            TRANSFER,
            victim,
            payee,
            euros=np.round(amount / 10) * 10 or 10.0,
            fraud=step > 0,
            role="growing_payment" if step > 0 else "first_contact",
        )
        amount = min(amount * rng.uniform(1.25, 2.2), 12_000)
        hour += rng.uniform(14, 50)
