"""Stories: scripted payments over several days, fraud or legitimate, placed in time.

A story is written in hours from midnight of its first day; the book says on which day that is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fraud_model.simulation.events import DAY, HOUR, Events
from fraud_model.simulation.population import Population

GOLDEN = 0.618_033_988_749_895


@dataclass(frozen=True)
class Payment:
    """One scripted payment; `hour` counts from midnight of the story's first day."""

    hour: float
    kind: int
    payer: int
    payee: int
    cents: int
    share: float
    fraud: bool
    role: str


@dataclass
class Story:
    """One scenario while it is written.

    Attributes:
        typology: One of the six typologies, or `none` for a legitimate story.
        kind: What happens; for fraud the typology.
        payments: In any order.
    """

    typology: str
    kind: str
    payments: list[Payment] = field(default_factory=list)

    def pay(
        self,
        hour: float,
        kind: int,
        payer: int,
        payee: int,
        *,
        euros: float = 0.0,
        share: float = 0.0,
        fraud: bool = False,
        role: str,
    ) -> None:
        """Adds a payment of `euros`, or of a `share` of what the payer then has; nobody pays themselves."""
        if payer != payee:
            self.payments.append(Payment(hour, kind, payer, payee, round(euros * 100), share, fraud, role))

    @property
    def fraud_rows(self) -> int:
        """Payments that the bank later books as fraud."""
        return sum(payment.fraud for payment in self.payments)

    @property
    def last_hour(self) -> float:
        """Hour of the last payment."""
        return max(payment.hour for payment in self.payments)


class People:
    """Draws the people of stories: each customer in one story while there are enough of them."""

    def __init__(self, population: Population, rng: np.random.Generator) -> None:
        self.population = population
        self._rng = rng
        # Accounts that exist from the first day on: a story may begin on any.
        self._settled = np.flatnonzero(population.first_day == 0)
        self._queue: list[int] = []

    def customer(self) -> int:
        """A customer who has been with the bank from day 1."""
        if not self._queue:
            self._queue = self._rng.permutation(self._settled).tolist()
        return self._queue.pop()

    def new_account(self) -> int:
        """An account without a past and nearly without money."""
        return self.population.open_account(int(self._rng.gamma(1.2, 6000)))

    def stranger(self) -> int:
        """Somebody whom few have paid before: a new account, an outsider, or a customer."""
        chance = self._rng.random()
        if chance < 0.45:
            return self.new_account()
        return self.population.outsiders.one(self._rng) if chance < 0.8 else self.customer()

    def merchant(self, dear: bool = False, cheap: bool = False) -> int:
        """A merchant; `dear` from the dearest tenth, `cheap` from the cheapest tenth."""
        price, start = self.population.price, self.population.merchants.start
        if not dear and not cheap:
            return self.population.merchants.one(self._rng)
        tenth = max(4, len(price) // 10)
        ranked = np.argsort(price)
        return start + int(self._rng.choice(ranked[-tenth:] if dear else ranked[:tenth]))

    def cash_point(self) -> int:
        """A cash point."""
        return self.population.cash_points.one(self._rng)

    def usual_spend(self, customer: int) -> float:
        """What the customer usually spends at a time, EUR."""
        return float(22 * np.exp(0.6 * self.population.level[customer]))


Writer = Callable[[Story, People, np.random.Generator], None]


def write_stories(
    writers: dict[str, Writer], rows: int, legitimate: bool, people: People, rng: np.random.Generator
) -> list[Story]:
    """Stories of all kinds in turn, always the kind with the fewest rows so far, until there are `rows`.

    Rows counted are those booked as fraud, or all of them for legitimate stories. The last story may run over by some.
    """
    stories: list[Story] = []
    count = dict.fromkeys(writers, 0)
    while sum(count.values()) < rows:
        kind = min(count, key=lambda name: count[name])
        story = Story("none" if legitimate else kind, kind)
        writers[kind](story, people, rng)
        count[kind] += len(story.payments) if legitimate else story.fraud_rows
        if story.payments:
            stories.append(story)
    return stories


def place_stories(stories: list[Story], days: int, rng: np.random.Generator) -> tuple[Events, tuple[str, ...]]:
    """Payments of all stories, and the names of their roles.

    The stories of a kind are spread evenly over the days (a golden-ratio sequence), so that each week has some of
    each. A story longer than the simulation is run through faster.
    """
    offset: dict[str, float] = {}
    second: list[int] = []
    payments: list[Payment] = []
    number: list[int] = []
    for position, story in enumerate(stories):
        at = offset.setdefault(story.kind, float(rng.random()))
        offset[story.kind] = (at + GOLDEN) % 1
        span = int(story.last_hour // 24) + 1
        pace = min(1.0, days / span)
        first_day = int(at * (max(0, days - span) + 1))
        for payment in story.payments:
            second.append(min(int(first_day * DAY + payment.hour * pace * HOUR), days * DAY - 1))
            payments.append(payment)
            number.append(position)
    roles = tuple(sorted({payment.role for payment in payments}))
    position_of = {role: index for index, role in enumerate(roles)}
    events = Events(
        second=np.array(second, dtype=np.int64),
        kind=np.array([payment.kind for payment in payments], dtype=np.int8),
        payer=np.array([payment.payer for payment in payments], dtype=np.int64),
        payee=np.array([payment.payee for payment in payments], dtype=np.int64),
        cents=np.array([payment.cents for payment in payments], dtype=np.int64),
        share=np.array([payment.share for payment in payments], dtype=np.float64),
        fraud=np.array([payment.fraud for payment in payments], dtype=np.int8),
        story=np.array(number, dtype=np.int64),
        role=np.array([position_of[payment.role] for payment in payments], dtype=np.int64),
    )
    return events, roles
