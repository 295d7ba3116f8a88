"""What the features are: their names, their order in the kernel's block, and which of them a model uses.

Every window ends strictly before the payment. Counts are numbers of payments, times are seconds, amounts are in the
schema's currency, shares lie in [0, 1]. Risk features count labels known by then: they end one label delay earlier.
"""

from dataclasses import dataclass
from hashlib import sha256
from json import dumps

from fraud_model.schema import DAY_SECONDS, TransactionSchema

FEATURE_VERSION = 2
"""Raised whenever a feature's meaning changes; models of another version are refused."""

WINDOW_DAYS: tuple[int, ...] = (1, 7, 30)
RISK_WINDOW_DAYS: tuple[int, ...] = (1, 7, 14, 30)
ALL = "all"


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes:
        name: Column name, such as `payer_mean_7d`.
        entity: payer, payee, pair, or row for what needs no history.
        kind: What is measured, such as `mean` or `since_last`.
        window: `1d`, `7d`, ..., `all`, or empty where there is no window.
    """

    name: str
    entity: str
    kind: str
    window: str = ""


_PER_WINDOW = ("count", "sum", "mean", "std", "max", "others", "ratio", "z")
_ONCE = ("ratio_max", "since_last", "since_first", "hour_share", "weekday_share")
_PAIR_ONCE = ("mean", "ratio", "since_last", "first")
_TYPICAL = (
    ("median", ""),
    ("median_ratio", ""),
    ("median_spreads", ""),
    ("large_count", "7d"),
    ("large_count", "14d"),
    ("large_share", "14d"),
    ("since_large", ""),
    ("largest_multiple", "7d"),
    ("largest_multiple", "14d"),
)
_RISK_ONCE = ("fraud_run", "fraud_run_age", "since_legitimate", "fraud_weighted")

# Every feature that the compiled loops can give; `windows.Plan` finds the loop by kind and window.
BLOCK: tuple[tuple[str, str], ...] = (
    *((kind, window) for window in (*(f"{days}d" for days in WINDOW_DAYS), ALL) for kind in _PER_WINDOW),
    *((kind, "") for kind in _ONCE),
    *(
        (kind, window)
        for window in (*(f"{days}d" for days in RISK_WINDOW_DAYS), ALL)
        for kind in ("fraud_count", "fraud_share")
    ),
    ("since_fraud", ""),
    *(("pair_count", window) for window in (*(f"{days}d" for days in WINDOW_DAYS), ALL)),
    *((f"pair_{kind}", "") for kind in _PAIR_ONCE),
    *((kind, window) for kind, window in _TYPICAL),
    *((kind, "") for kind in _RISK_ONCE),
)

# Which of them a model uses. Chosen for speed, memory and quality: on simulated cards and on simulated transfers, these
# find as much fraud as all.
_PAYER: dict[str, tuple[str, ...]] = {
    "count": ("1d", ALL),
    "sum": ("1d",),
    "max": ("7d",),
    "others": ("1d",),
    "std": ("30d",),
    "ratio": ("1d", "30d", ALL),
    "since_last": ("",),
    "hour_share": ("",),
    "median_ratio": ("",),
    "median_spreads": ("",),
    "large_count": ("7d",),
    "large_share": ("14d",),
    "since_large": ("",),
    "largest_multiple": ("7d", "14d"),
    "pair_since_last": ("",),
    "pair_first": ("",),
}
_PAYEE: dict[str, tuple[str, ...]] = {
    "count": ("1d", "7d", "30d"),
    "mean": ("30d",),
    "max": (ALL,),
    "std": ("30d",),
    "others": ("1d", "30d"),
    "ratio": ("30d",),
    "since_last": ("",),
    "since_first": ("",),
    "fraud_count": ("7d", ALL),
    "fraud_share": ("30d", ALL),
    "since_fraud": ("",),
    "fraud_run": ("",),
    "fraud_run_age": ("",),
    "since_legitimate": ("",),
    "fraud_weighted": ("",),
}


def _places(used: dict[str, tuple[str, ...]]) -> tuple[int, ...]:
    return tuple(place for place, (kind, window) in enumerate(BLOCK) if window in used.get(kind, ()))


PAYER_PLACES: tuple[int, ...] = _places(_PAYER)
PAYEE_PLACES: tuple[int, ...] = _places(_PAYEE)

ROW_FEATURES: tuple[Feature, ...] = (
    Feature("amount", "row", "amount"),
    Feature("hour", "row", "hour"),
    Feature("weekday", "row", "weekday"),
)


def _window_feature(role: str, place: int) -> Feature:
    kind, window = BLOCK[place]
    if kind.startswith("pair_"):
        kind, role = kind.removeprefix("pair_"), "pair"
    name = f"{role}_{kind}_{window}" if window else f"{role}_{kind}"
    return Feature(name, role, kind, window)


WINDOW_FEATURES: tuple[Feature, ...] = (
    *(_window_feature("payer", place) for place in PAYER_PLACES),
    *(_window_feature("payee", place) for place in PAYEE_PLACES),
)


def features_of(schema: TransactionSchema) -> tuple[Feature, ...]:
    """All the features for a schema, in column order: row, window, categorical, numeric."""
    return (
        *ROW_FEATURES,
        *WINDOW_FEATURES,
        *(Feature(column, "row", "categorical") for column in schema.categorical),
        *(Feature(column, "row", "numeric") for column in schema.numeric),
    )


def feature_names(schema: TransactionSchema) -> tuple[str, ...]:
    """Names of the feature columns for a schema, in order."""
    return tuple(feature.name for feature in features_of(schema))


def feature_fingerprint(schema: TransactionSchema) -> str:
    """SHA-256 over everything that gives a feature its meaning: definitions, windows, and the schema's roles.

    Two schemas that differ only in name, or in columns that no feature reads, have the same fingerprint.
    """
    meaning = {
        "version": FEATURE_VERSION,
        "names": feature_names(schema),
        "window_days": WINDOW_DAYS,
        "risk_window_days": RISK_WINDOW_DAYS,
        "time": [schema.time, schema.step_seconds, schema.origin, schema.first_step],
        "payer": schema.payer,
        "payee": schema.payee,
        "amount": [schema.amount, schema.currency],
        "label_delay_seconds": schema.label_delay_seconds,
        "day_seconds": DAY_SECONDS,
    }
    return sha256(dumps(meaning, sort_keys=True).encode()).hexdigest()
