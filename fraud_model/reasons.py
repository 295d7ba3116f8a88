"""A feature and its value in an analyst's words: "amount is 14 times this payer's 30-day mean"."""

from collections.abc import Mapping
from dataclasses import dataclass

from fraud_model.definitions import Feature, features_of
from fraud_model.schema import DAY_SECONDS, TransactionSchema

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
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
    return f"{seconds:.0f} seconds"


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
    if feature.kind in ("fraud_run_age", "since_legitimate"):
        what = "unbroken run of frauds" if feature.kind == "fraud_run_age" else "payment known to be legitimate"
        return f"no {what} at {who} so far"
    if feature.kind == "since_large":
        return f"no payment of {who} so far was far above the median"
    if feature.kind in ("fraud_share", "since_fraud"):
        return f"no known fraud at {who}{_in_window(feature.window)}"
    if feature.entity == "pair":
        return "no earlier payment from this payer to this payee"
    if feature.kind in ("std", "z", "median_spreads"):
        return f"too few payments of {who}{_in_window(feature.window)} to tell what is usual"
    return f"no earlier payments of {who}{_in_window(feature.window)}"


def _history(feature: Feature, value: float, row: Mapping[str, float], who: str, schema: TransactionSchema) -> str:
    window, inside = _period(feature.window), _in_window(feature.window)
    cash = money(value, schema.currency)
    kind = feature.kind
    if kind == "count" and feature.entity == "pair":
        return f"{_number(value, 'earlier payment')} from this payer to this payee{inside}"
    if kind == "others":
        other = "payee" if feature.entity == "payer" else "payer"
        return f"{_number(value, f'different {other}')} of {who}{inside}"
    if kind == "ratio" and feature.entity == "pair":
        return f"amount is {_times(value)} the mean of this payer's payments to this payee"
    if kind == "first":
        return "first payment from this payer to this payee" if value else "this payer has paid this payee before"
    if kind == "z":
        side = "above" if value >= 0 else "below"
        return f"amount is {abs(value):.1f} deviations {side} {who}'s {window} mean"
    texts = {
        "count": f"{_number(value, 'payment')} of {who}{inside}",
        "sum": f"payments of {who}{inside} total {cash}",
        "mean": f"{who}'s {window} mean is {cash}",
        "std": f"{who}'s amounts vary by {cash}{inside}",
        "max": f"{who}'s largest payment{inside} was {cash}",
        "ratio": f"amount is {_times(value)} {who}'s {window} mean",
        "ratio_max": f"amount is {_times(value)} {who}'s largest payment so far",
        "median": f"the median of {who}'s recent payments is {cash}",
        "median_ratio": f"amount is {_times(value)} the median of {who}'s recent payments",
        "median_spreads": f"amount is {abs(value):.1f} interquartile ranges {'above' if value >= 0 else 'below'} "
        f"the median of {who}'s recent payments",
        "largest_multiple": f"{who}'s most unusual payment{inside} was {_times(value)} the median before it",
        "large_count": f"{_number(value, 'payment')} of {who}{inside} far above the median",
        "large_share": f"{value:.0%} of {who}'s payments{inside} were far above the median",
        "since_large": f"{duration(value)} after the last payment of {who} far above the median",
        "fraud_run": f"the last {_number(value, 'payment')} at {who} with known labels "
        f"{'was' if value == 1 else 'were all'} fraud"
        if value
        else f"the last payment at {who} with a known label was legitimate, or none is known",
        "fraud_run_age": f"an unbroken run of known fraud at {who} began {duration(value)} before",
        "since_legitimate": f"the last payment at {who} known to be legitimate was {duration(value)} before",
        "fraud_weighted": f"{value:.1%} recent risk at {who}: known fraud, the latest counting most",
        "since_last": f"{duration(value)} after the last payment of {who}"
        if feature.entity != "pair"
        else f"{duration(value)} after this payer's last payment to this payee",
        "since_first": f"{who} was first seen {duration(value)} before",
        "hour_share": f"{value:.0%} of {who}'s payments fall within an hour of this time of day",
        "weekday_share": f"{value:.0%} of {who}'s payments fall on this weekday",
        "fraud_count": f"{_number(value, 'known fraud')} at {who}{_before_delay(feature.window)}",
        "fraud_share": f"{value:.1%} of {who}'s payments{_before_delay(feature.window)} were fraud",
        "since_fraud": f"the last known fraud at {who} was {duration(value)} before",
    }
    return texts[kind]


def _period(window: str) -> str:
    return "all-time" if window in ("all", "") else f"{window[:-1]}-day"


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
    return f"{value:.0f} times" if value >= 9.5 else f"{value:.1f} times"


def _number(value: float, noun: str) -> str:
    return f"{value:.0f} {noun}" + ("" if value == 1 else "s")
