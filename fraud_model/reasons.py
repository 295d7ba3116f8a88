"""A feature and its value in an analyst's words: "amount is 14 times this payer's 30-day mean"."""

from collections.abc import Mapping
from dataclasses import dataclass

from fraud_model.definitions import Feature, features_of
from fraud_model.schema import DAY_SECONDS, TransactionSchema

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OTHER = {"payer": "payee", "payee": "payer"}
_BY = {"payer": "of this payer", "payee": "to this payee"}
_WHO = {"payer": "this payer", "payee": "this payee", "pair": "this payer and payee"}


@dataclass(frozen=True)
class Reason:
    """One contribution to a score.

    Attributes:
        feature: Name of the feature.
        value: Its value; NaN where there is none.
        effect: What it adds to the score, in log-odds; positive raises suspicion.
        text: The same in words.
    """

    feature: str
    value: float
    effect: float
    text: str


def describe(feature: str, value: float, row: Mapping[str, float], schema: TransactionSchema) -> str:
    """A feature's value in words.

    Args:
        feature: Name of a feature of `schema`.
        value: Its value, NaN where there is none.
        row: All the features of the transaction, for context.
        schema: For currency and categories.

    Raises:
        KeyError: the schema has no such feature.
    """
    known = {item.name: item for item in features_of(schema)}[feature]
    missing = value is None or value != value
    if known.entity == "row":
        return _own(known, value, missing, schema)
    who = _WHO[known.entity]
    if missing:
        return _without(known, who)
    return _history(known, float(value), row, who, schema)


def money(amount: float, currency: str) -> str:
    """An amount with its currency, such as `EUR 1,234.50`."""
    return f"{currency} {amount:,.2f}"


def duration(seconds: float) -> str:
    """A time span in the unit that a person would use."""
    for length, unit in ((DAY_SECONDS, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"


def _own(feature: Feature, value: float, missing: bool, schema: TransactionSchema) -> str:
    if missing:
        return f"{feature.name} is missing or was not seen in training"
    if feature.kind == "amount":
        return f"amount is {money(value, schema.currency)}"
    if feature.kind == "hour":
        return f"paid in the hour from {int(value):02d}:00 UTC"
    if feature.kind == "weekday":
        return f"paid on a {_WEEKDAYS[int(value)]}"
    if feature.kind == "categorical":
        values = schema.categories.get(feature.name, ())
        shown = values[int(value)] if 0 <= int(value) < len(values) else f"category {int(value)}"
        return f"{feature.name} is {shown}"
    return f"{feature.name} is {value:,.6g}"


def _without(feature: Feature, who: str) -> str:
    """What it means that there is no value."""
    kind, inside, by = feature.kind, _in_window(feature.window), _BY.get(feature.entity, "")
    if kind in ("fraud_run_age", "fraud_run_least"):
        return f"{who} is in no run of fraud: its latest known label is legitimate, or none is known"
    if kind == "since_legitimate":
        return f"no payment at {who} is known to be legitimate yet"
    if kind in ("since_large", "largest_multiple"):
        return f"no payment {by}{inside} was far above the usual amount"
    if kind == "fraud_share":
        return f"no label of {who}'s payments is known{_before_delay(feature.window)}"
    if kind == "since_fraud":
        return f"no known fraud at {who} so far"
    if feature.entity == "pair":
        return "first payment from this payer to this payee"
    if kind in ("std", "z", "median_spreads"):
        return f"too few payments {by}{inside} to tell what is usual"
    return f"first payment {by}{inside}"


def _history(feature: Feature, value: float, row: Mapping[str, float], who: str, schema: TransactionSchema) -> str:
    inside = _in_window(feature.window)
    kind = feature.kind
    by = _BY.get(feature.entity, "")
    if feature.entity == "pair":
        return _pair(kind, value, inside, schema)
    if kind in ("count", "others") and value == 0:
        return f"no other payment {by}{inside}"
    if kind == "others":
        return f"{_number(value, f'different {_OTHER[feature.entity]}')} of {who}{inside}"
    if kind in ("ratio", "ratio_max", "median_ratio"):
        return f"amount is {_times(value)} {_usual(feature, who)}"
    if kind in ("z", "median_spreads"):
        if value == 0:
            return f"amount is exactly {_usual(feature, who)}"
        far = f"{abs(value):.1f} {'standard deviations' if kind == 'z' else 'interquartile ranges'}"
        return f"amount is {far} {'above' if value > 0 else 'below'} {_usual(feature, who)}"
    if kind in ("large_count", "large_share", "since_large", "largest_multiple"):
        return _large(kind, value, who, by, inside)
    if kind.startswith("fraud") or kind in ("since_fraud", "since_legitimate"):
        return _labels(feature, value, who, schema)
    cash = money(value, schema.currency)
    texts = {
        "count": f"{_number(value, 'earlier payment')} {by}{inside}",
        "sum": f"{who}'s payments{inside} add up to {cash}" if value else f"no other payment {by}{inside}",
        "mean": f"{_usual(feature, who)} is {cash}",
        "std": f"{who}'s amounts{inside} differ by {cash} as a rule"
        if value
        else f"{who}'s amounts{inside} were all the same",
        "max": f"{who}'s largest payment{inside} was {cash}",
        "median": f"{_usual(feature, who)} is {cash}",
        "since_last": f"{duration(value)} after the last payment {by}",
        "since_first": f"the first payment {by} was {duration(value)} before",
        "hour_share": f"{_share(value)} of {who}'s payments fall within an hour of this time of day",
        "weekday_share": f"{_share(value)} of {who}'s payments fall on this day of the week",
    }
    # A kind without a sentence of its own is still told: its name and value.
    return texts.get(kind, f"{who}: {kind.replace('_', ' ')}{inside} is {value:,.4g}")


def _usual(feature: Feature, who: str) -> str:
    """What an amount is compared with."""
    if feature.kind.startswith("median"):
        return f"the median of {who}'s recent payments"
    if feature.kind == "ratio_max":
        return f"{who}'s largest payment so far"
    return f"{who}'s mean so far" if feature.window in ("all", "") else f"{who}'s {feature.window[:-1]}-day mean"


def _pair(kind: str, value: float, inside: str, schema: TransactionSchema) -> str:
    if kind == "first":
        return "first payment from this payer to this payee" if value else "this payer has paid this payee before"
    if kind == "count":
        earlier = _number(value, "earlier payment") if value else "no other payment"
        return f"{earlier} from this payer to this payee{inside}"
    if kind == "ratio":
        return f"amount is {_times(value)} the mean of this payer's payments to this payee"
    if kind == "mean":
        return f"the mean of this payer's payments to this payee is {money(value, schema.currency)}"
    return f"{duration(value)} after this payer's last payment to this payee"


def _large(kind: str, value: float, who: str, by: str, inside: str) -> str:
    if kind == "since_large":
        return f"{duration(value)} after a payment {by} far above the usual amount"
    if kind == "largest_multiple":
        if value <= 1:
            return f"no payment {by}{inside} was above the usual amount"
        return f"{who}'s most unusual payment{inside} was {_times(value)} the median before it"
    if value == 0:
        return f"no payment {by}{inside} was far above the usual amount"
    if kind == "large_count":
        were = "was" if value == 1 else "were"
        return f"{_number(value, 'payment')} {by}{inside} {were} far above the usual amount"
    return f"{_share(value)} of {who}'s payments{inside} were far above the usual amount"


def _labels(feature: Feature, value: float, who: str, schema: TransactionSchema) -> str:
    kind, inside = feature.kind, _before_delay(feature.window)
    if kind == "fraud_run":
        if value == 0:
            return f"{who} is in no run of fraud: its latest known label is legitimate, or none is known"
        if value == 1:
            return f"the latest payment at {who} whose label is known was fraud"
        return f"the latest {value:.0f} payments at {who} whose labels are known were all fraud"
    if kind == "fraud_count":
        frauds = "no known fraud" if value == 0 else _number(value, "known fraud")
        return f"{frauds} at {who}{inside}"
    if kind == "fraud_share":
        share = f"{_share(value)} of {who}'s payments{inside}"
        return f"{share} were fraud" if value else f"no known fraud at {who}{inside}"
    texts = {
        "fraud_run_age": f"an unbroken run of known fraud at {who} began {duration(value)} before",
        "fraud_run_least": f"the least of the latest run of frauds at {who} was {money(value, schema.currency)}",
        "since_legitimate": f"the last payment at {who} known to be legitimate was {duration(value)} before",
        "fraud_weighted": f"about {_share(value)} of {who}'s latest payments with known labels were fraud",
        "since_fraud": f"the last known fraud at {who} was {duration(value)} before",
    }
    return texts.get(kind, f"{who}: {kind.replace('_', ' ')}{inside} is {value:,.4g}")


def _in_window(window: str) -> str:
    if window in ("all", ""):
        return " so far"
    return " in the last day" if window == "1d" else f" in the last {window[:-1]} days"


def _before_delay(window: str) -> str:
    """Labels arrive late: their windows end where labels are complete."""
    if window in ("all", ""):
        return " so far"
    days = "day" if window == "1d" else f"{window[:-1]} days"
    return f" in the last {days} with complete labels"


def _times(value: float) -> str:
    if value < 0.095:
        return f"{value:.0%} of"
    return f"{value:,.0f} times" if value >= 9.5 else f"{value:.1f} times"


def _share(value: float) -> str:
    """A share in percent, with one decimal where it is small."""
    if value in (0, 1):
        return "all" if value else "none"
    if value < 0.001:
        return "less than 0.1%"
    return f"{value:.1%}" if value < 0.1 else f"{value:.0%}"


def _number(value: float, noun: str) -> str:
    return f"{value:,.0f} {noun}" + ("" if value == 1 else "s")
