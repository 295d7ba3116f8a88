"""Legitimate stories that look like fraud: the cases an analyst closes as false positives.

Each resembles one typology at least: money through an account within hours, a new payee and growing payments, many
small payments before a large one, sums just under a limit, an account emptied in two days.
"""

import numpy as np

from fraud_model.simulation.events import CASH_IN, CASH_OUT, PAYMENT, TRANSFER
from fraud_model.simulation.stories import People, Story, Writer


def _holiday_purchase(story: Story, people: People, rng: np.random.Generator) -> None:
    """A family books its year's holiday, and pays abroad at odd hours."""
    buyer = people.customer()
    hour = rng.uniform(18, 23)
    for _ in range(int(rng.integers(2, 4))):
        story.pay(hour, PAYMENT, buyer, people.merchant(dear=True), euros=rng.uniform(400, 3800), role="booking")
        hour += rng.uniform(0.2, 30)
    hour += 24 * float(rng.integers(1, 8))
    for _ in range(int(rng.integers(2, 6))):
        story.pay(hour, PAYMENT, buyer, people.merchant(), euros=rng.uniform(15, 260), role="spending_abroad")
        hour += rng.uniform(1, 14)
    story.pay(hour, CASH_OUT, buyer, people.cash_point(), euros=50 * float(rng.integers(2, 9)), role="cash_abroad")


def _new_landlord(story: Story, people: People, rng: np.random.Generator) -> None:
    """A reservation fee, a deposit and the first rent to somebody never paid before."""
    tenant, landlord = people.customer(), people.stranger()
    rent = np.round(rng.uniform(500, 1500) / 10) * 10
    hour = rng.uniform(9, 21)
    for part, role in ((0.15, "reservation"), (1.0, "first_rent"), (rng.choice([2.0, 3.0]), "deposit")):
        story.pay(hour, TRANSFER, tenant, landlord, euros=np.round(rent * part / 10) * 10, role=role)
        hour += rng.uniform(5, 60)


def _house_move(story: Story, people: People, rng: np.random.Generator) -> None:
    """Many new payees in a few days: movers, craftsmen, furniture."""
    mover = people.customer()
    hour = rng.uniform(8, 20)
    for _ in range(int(rng.integers(4, 8))):
        if rng.random() < 0.5:
            amount = np.round(rng.uniform(120, 2600) / 10) * 10
            story.pay(hour, TRANSFER, mover, people.stranger(), euros=amount, role="craftsman")
        else:
            shop = people.merchant(dear=rng.random() < 0.5)
            amount = people.population.price_of(shop) * rng.uniform(1, 6)
            story.pay(hour, PAYMENT, mover, shop, euros=amount, role="furniture")
        hour += rng.uniform(1, 26)


def _car_purchase(story: Story, people: People, rng: np.random.Generator) -> None:
    """A car paid in parts, each under what the payment app allows in a day."""
    buyer, seller = people.customer(), people.stranger()
    hour = rng.uniform(10, 19)
    story.pay(hour, TRANSFER, buyer, seller, euros=rng.choice([200.0, 300.0, 500.0]), role="reservation")
    hour += rng.uniform(20, 70)
    for _ in range(int(rng.integers(1, 4))):
        amount = np.round(rng.uniform(3500, 9990) / 10) * 10
        story.pay(hour, TRANSFER, buyer, seller, euros=amount, role="instalment")
        hour += rng.uniform(2, 28)


def _builder_instalments(story: Story, people: People, rng: np.random.Generator) -> None:
    """A builder is paid as the work grows: more each time, to an account never paid before."""
    owner, builder = people.customer(), people.stranger()
    amount = rng.uniform(120, 900)
    hour = rng.uniform(8, 19)
    for _ in range(int(rng.integers(3, 7))):
        story.pay(hour, TRANSFER, owner, builder, euros=np.round(amount / 10) * 10, role="instalment")
        amount = min(amount * rng.uniform(1.0, 2.1), 9990)
        hour += rng.uniform(16, 70)


def _student_new_account(story: Story, people: People, rng: np.random.Generator) -> None:
    """A new account: the parents' money comes in, deposit, laptop and first rent go out within hours."""
    student, parent = people.new_account(), people.customer()
    hour = rng.uniform(9, 18)
    for _ in range(int(rng.integers(1, 4))):
        grant = np.round(rng.uniform(600, 2800) / 10) * 10
        story.pay(hour, TRANSFER, parent, student, euros=grant, role="parents_support")
        hour += rng.uniform(0.5, 8)
        part = rng.uniform(0.4, 0.75)
        rent = np.round(grant * part / 10) * 10
        story.pay(hour, TRANSFER, student, people.population.landlords.one(rng), euros=rent, role="first_rent")
        hour += rng.uniform(0.5, 20)
        if rng.random() < 0.6:
            laptop = grant * (1 - part) * 0.9
            story.pay(hour, PAYMENT, student, people.merchant(dear=True), euros=laptop, role="laptop")
        else:
            cash = max(10.0, np.floor(grant * (1 - part) * 0.09) * 10)
            story.pay(hour, CASH_OUT, student, people.cash_point(), euros=cash, role="cash")
        hour += rng.uniform(12, 60)


def _salary_drained(story: Story, people: People, rng: np.random.Generator) -> None:
    """Somebody empties the account on the day the money comes, into savings, debts and cash."""
    holder, savings = people.customer(), people.stranger()
    hour = rng.uniform(6, 12)
    for step in range(int(rng.integers(2, 6))):
        by_cash = rng.random() < 0.3
        share = 1.0 if step >= 2 and rng.random() < 0.4 else rng.uniform(0.2, 0.7)
        payee = people.cash_point() if by_cash else savings
        story.pay(hour, CASH_OUT if by_cash else TRANSFER, holder, payee, share=share, role="moved_out")
        hour += rng.uniform(0.3, 9)


def _bank_switch(story: Story, people: People, rng: np.random.Generator) -> None:
    """A customer leaves for another bank: a euro to test the new account, then everything in a few days."""
    leaver, own_account = people.customer(), people.new_account()
    story.pay(rng.uniform(9, 22), TRANSFER, leaver, own_account, euros=rng.choice([0.01, 1.0, 5.0]), role="trial")
    hour = 24 + rng.uniform(7, 23)
    steps = int(rng.integers(2, 6))
    for step in range(steps):
        share = 1.0 if step == steps - 1 and rng.random() < 0.5 else rng.uniform(0.2, 0.6)
        story.pay(hour, TRANSFER, leaver, own_account, share=share, role="moved_out")
        hour += rng.uniform(0.3, 6) if rng.random() < 0.6 else rng.uniform(12, 30)


def _shopping_spree(story: Story, people: People, rng: np.random.Generator) -> None:
    """A bonus is spent in two days, at shops never visited before."""
    buyer = people.customer()
    hour = rng.uniform(9, 20)
    for _ in range(int(rng.integers(5, 11))):
        shop = people.merchant(dear=rng.random() < 0.3)
        amount = people.population.price_of(shop) * rng.uniform(1.2, 5)
        story.pay(hour, PAYMENT, buyer, shop, euros=amount, role="purchase")
        hour += rng.uniform(0.2, 3) if rng.random() < 0.8 else rng.uniform(10, 16)


def _app_purchases(story: Story, people: People, rng: np.random.Generator) -> None:
    """Many tiny payments in an app, at a vending machine or for parking; then a device is bought."""
    buyer = people.customer()
    shops = [people.merchant(cheap=True) for _ in range(2)]
    hour = rng.uniform(7, 22)
    for _ in range(int(rng.integers(4, 10))):
        amount = rng.choice([0.99, 1.0, 1.99, 2.5, rng.uniform(0.4, 5)])
        story.pay(hour, PAYMENT, buyer, shops[int(rng.integers(2))], euros=amount, role="small_purchase")
        hour += rng.uniform(0.1, 4) if rng.random() < 0.7 else rng.uniform(9, 24)
    if rng.random() < 0.6:
        shop = people.merchant(dear=True)
        amount = people.population.price_of(shop) * rng.uniform(0.8, 2)
        story.pay(hour + rng.uniform(1, 20), PAYMENT, buyer, shop, euros=amount, role="device")


def _trade_fair(story: Story, people: People, rng: np.random.Generator) -> None:
    """A small merchant has a stand at a fair: new customers and dear sales for some days."""
    shop = people.merchant()
    price = people.population.price_of(shop)
    hour = rng.uniform(9, 14)
    for _ in range(int(rng.integers(6, 12))):
        amount = price * rng.uniform(1.5, 7)
        rounded = np.round(amount / 5) * 5 or amount
        story.pay(hour, PAYMENT, people.customer(), shop, euros=rounded, role="sale")
        hour += rng.uniform(0.3, 6) if rng.random() < 0.7 else rng.uniform(14, 24)


def _club_treasurer(story: Story, people: People, rng: np.random.Generator) -> None:
    """Members pay a treasurer, who passes the money on within hours and draws the rest in cash."""
    treasurer, hotel = people.customer(), people.stranger()
    hour = rng.uniform(8, 20)
    for _ in range(int(rng.integers(1, 3))):
        each = np.round(rng.uniform(60, 420) / 5) * 5
        members = int(rng.integers(2, 6))
        for _ in range(members):
            story.pay(hour, TRANSFER, people.customer(), treasurer, euros=each, role="member_share")
            hour += rng.uniform(0.1, 6)
        total = each * members * rng.uniform(0.7, 1)
        story.pay(hour, TRANSFER, treasurer, hotel, euros=np.round(total / 5) * 5, role="passed_on")
        hour += rng.uniform(0.5, 6)
        if rng.random() < 0.6:
            story.pay(
                hour, CASH_OUT, treasurer, people.cash_point(), euros=10 * float(rng.integers(3, 25)), role="cash"
            )
        hour += rng.uniform(30, 80)


def _cash_business(story: Story, people: People, rng: np.random.Generator) -> None:
    """A market trader or restaurant pays in its takings under the insured limit of 10,000 and pays its suppliers."""
    owner, supplier = people.customer(), people.stranger()
    hour = rng.uniform(9, 18)
    for _ in range(int(rng.integers(2, 5))):
        takings = np.round(rng.uniform(7400, 9990) / 10) * 10
        story.pay(hour, CASH_IN, owner, people.cash_point(), euros=takings, role="takings")
        hour += rng.uniform(3, 40)
        if rng.random() < 0.6:
            bill = np.round(rng.uniform(6400, 9950) / 10) * 10
            story.pay(hour, TRANSFER, owner, supplier, euros=bill, role="supplier")
            hour += rng.uniform(2, 30)


LOOKALIKES: dict[str, Writer] = {
    "holiday_purchase": _holiday_purchase,
    "new_landlord": _new_landlord,
    "house_move": _house_move,
    "car_purchase": _car_purchase,
    "builder_instalments": _builder_instalments,
    "student_new_account": _student_new_account,
    "salary_drained": _salary_drained,
    "bank_switch": _bank_switch,
    "shopping_spree": _shopping_spree,
    "app_purchases": _app_purchases,
    "trade_fair": _trade_fair,
    "club_treasurer": _club_treasurer,
    "cash_business": _cash_business,
}
