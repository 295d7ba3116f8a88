"""Who there is: customers with habits, and everyone they pay or are paid by.

Accounts are numbered through: customers, employers, landlords, utilities, cash points, businesses, outsiders,
merchants, then the accounts that stories open. Their names are drawn last and carry no order.
"""

from dataclasses import dataclass, field

import numpy as np

from fraud_model.simulation.events import Array

FAVOURITES = 8
FRIENDS = 5
# Rows that a customer makes per day, salary, rent and bills included.
ROWS_PER_CUSTOMER_DAY = 0.8


@dataclass(frozen=True)
class Group:
    """Accounts `start` to `stop - 1` of the population."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of accounts."""
        return self.stop - self.start

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Accounts drawn at random with replacement, shape (size,)."""
        return rng.integers(self.start, self.stop, size)

    def one(self, rng: np.random.Generator) -> int:
        """One account drawn at random."""
        return int(rng.integers(self.start, self.stop))


@dataclass
class Population:
    """Accounts and habits. Arrays named `*_of` or of habits have one entry per customer.

    Attributes:
        activity: Share of everyday rows that the customer makes, sums to 1.
        level: Log factor on what the customer spends.
        peak_hour: Hour of day around which the customer pays.
        weekend: Whether the customer pays mostly on weekends.
        first_day: First day (from 0) on which the account exists.
        salary: Monthly salary in cents.
        payday: Day of month on which it comes.
        rent: Monthly rent in cents; 0 for owners.
        favourites: Merchants the customer returns to, shape (customers, FAVOURITES).
        friends: Accounts the customer sends money to, shape (customers, FRIENDS).
        price: Log of the usual price in EUR at each merchant, shape (merchants,).
        popularity: Share of passing trade at each merchant, sums to 1.
        opening: Opening balance in cents of each account but those that stories open.
    """

    customers: Group
    employers: Group
    landlords: Group
    utilities: Group
    cash_points: Group
    businesses: Group
    outsiders: Group
    merchants: Group
    activity: Array
    level: Array
    peak_hour: Array
    weekend: Array
    first_day: Array
    salary: Array
    payday: Array
    rent: Array
    employer_of: Array
    landlord_of: Array
    favourites: Array
    friends: Array
    price: Array
    popularity: Array
    opening: Array
    opened: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Number of accounts, those that stories opened included."""
        return self.merchants.stop + len(self.opened)

    def open_account(self, cents: int) -> int:
        """A new account with this opening balance; returns its number."""
        self.opened.append(cents)
        return self.size - 1

    def opening_balances(self) -> Array:
        """Opening balance of every account in cents, shape (size,)."""
        return np.concatenate([self.opening, np.array(self.opened, dtype=np.int64)])

    def price_of(self, merchant: int) -> float:
        """Usual price at a merchant in EUR."""
        return float(np.exp(self.price[merchant - self.merchants.start]))

    def names(self, rng: np.random.Generator) -> Array:
        """Names of all accounts: C or, for merchants, M and ten digits; distinct and in no order."""
        gap = 9_000_000_000 // self.size
        numbers = 1_000_000_000 + rng.permutation(self.size) * gap + rng.integers(0, gap, self.size)
        letters = np.full(self.size, "C", dtype=object)
        letters[self.merchants.start : self.merchants.stop] = "M"
        return np.array(
            [letter + str(number) for letter, number in zip(letters, numbers.tolist(), strict=True)], dtype=object
        )


def draw_population(rows: int, days: int, rng: np.random.Generator) -> Population:
    """A population that makes about `rows` payments in `days` days."""
    count = max(30, round(rows / (ROWS_PER_CUSTOMER_DAY * max(days, 14))))
    sizes = {
        "customers": count,
        "employers": max(3, count // 40),
        "landlords": max(3, count // 8),
        "utilities": 12,
        "cash_points": max(5, count // 60),
        "businesses": max(4, count // 20),
        "outsiders": 2 * count,
        "merchants": max(40, count // 5),
    }
    stops = np.cumsum(list(sizes.values())).tolist()
    groups = {name: Group(stop - size, stop) for (name, size), stop in zip(sizes.items(), stops, strict=True)}
    merchants, customers = groups["merchants"], groups["customers"]

    activity = rng.gamma(2.0, 1.0, count) + 0.15
    relative = activity / activity.mean()
    activity = activity / activity.sum()
    salary = 2300 * np.exp(rng.normal(0, 0.35, count)) * (0.6 + 0.4 * relative)
    price = np.log(22) + rng.normal(0, 0.8, merchants.size)
    shelf = rng.random(merchants.size)
    price = np.where(shelf < 0.10, np.log(2.2) + rng.normal(0, 0.4, merchants.size), price)  # vending, parking, apps
    price = np.where(shelf > 0.93, np.log(280) + rng.normal(0, 0.6, merchants.size), price)  # travel, electronics
    popularity = rng.pareto(1.3, merchants.size) + 0.2
    popularity = np.where(shelf > 0.93, 0.3, popularity)
    popularity = popularity / popularity.sum()
    known = np.concatenate([np.arange(count), np.arange(groups["outsiders"].start, groups["outsiders"].stop)])
    late = rng.random(count) < 0.15
    rents = rng.random(count) < 0.65
    return Population(
        customers=groups["customers"],
        employers=groups["employers"],
        landlords=groups["landlords"],
        utilities=groups["utilities"],
        cash_points=groups["cash_points"],
        businesses=groups["businesses"],
        outsiders=groups["outsiders"],
        merchants=groups["merchants"],
        activity=activity,
        level=rng.normal(0, 0.45, count) + 0.4 * np.log(salary / 2300),
        peak_hour=rng.choice([9.0, 12.5, 17.5, 19.0, 21.5], count, p=[0.15, 0.25, 0.3, 0.2, 0.1]),
        weekend=rng.random(count) < 0.35,
        first_day=np.where(late, rng.integers(0, days, count), 0),
        salary=np.round(salary, 2) * 100,
        payday=rng.choice([1, 15, 25, 27, 28], count, p=[0.2, 0.15, 0.25, 0.15, 0.25]),
        rent=np.where(rents, np.round(salary * rng.uniform(0.22, 0.38, count) / 5) * 500, 0),
        employer_of=groups["employers"].draw(rng, count),
        landlord_of=groups["landlords"].draw(rng, count),
        favourites=merchants.start + rng.choice(merchants.size, (count, FAVOURITES), p=popularity),
        friends=_not_self(rng.choice(known, (count, FRIENDS)), customers),
        price=price,
        popularity=popularity,
        opening=_opening_balances(groups, rng),
    )


def _not_self(friends: Array, customers: Group) -> Array:
    """Friends with nobody their own friend: the next customer instead."""
    own = np.arange(customers.size)[:, None]
    return np.where(friends == own, (own + 1) % customers.size, friends)


def _opening_balances(groups: dict[str, Group], rng: np.random.Generator) -> Array:
    """Opening balances in cents; merchants' are not kept by this bank."""
    medians = {
        "customers": (1800, 0.9),
        "employers": (2_000_000, 0.5),
        "landlords": (8000, 0.9),
        "utilities": (900_000, 0.5),
        "cash_points": (6_000_000, 0.3),
        "businesses": (150_000, 0.8),
        "outsiders": (900, 1.2),
        "merchants": (0, 0.0),
    }
    parts = []
    for name, group in groups.items():
        median, spread = medians[name]
        euros = median * np.exp(rng.normal(0, spread, group.size))
        if name == "customers":
            euros = np.where(rng.random(group.size) < 0.12, euros * 8, euros)  # savers
        parts.append(np.round(euros * 100).astype(np.int64))
    return np.concatenate(parts)
