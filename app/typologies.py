"""The typology that an alert looks most like, and the guide's passage that says so.

Three kinds of evidence are added: how near each guide is to the reasons in words, which of the guides' signs the frozen
features show, and how the nearest closed cases ended. The signs weigh most: reasons in words resemble each other across
typologies. The shares are parts of that evidence, not probabilities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.precedents import Searchable, opening, story_of
from app.records import CONFIRMED_FRAUD, Alert, Precedent, Scored, Typology, iso

COLLECTION = "typologies"
_PASSAGES = 30
_TEXT_WEIGHT, _SIGNS_WEIGHT, _CASES_WEIGHT = 0.5, 2.0, 0.5
_HOUR, _ANY = 3_600.0, float("inf")


@dataclass(frozen=True)
class _Sign:
    """A sign that a guide gives: features within ranges `[low, high)`, on kinds of payment that contain a word."""

    typology: str
    weight: float
    words: str
    ranges: tuple[tuple[str, float, float], ...]
    kinds: tuple[str, ...] = ()


_MOVED = ("transfer", "cash_out", "debit")
_BOUGHT = ("payment", "purchase", "card")
# Amounts in the payment's currency, times in seconds, counts of payments or accounts, as the guides put them.
_SIGNS = (
    _Sign("structuring", 3.0, "the amount stays just below 10,000", (("amount", 7_000, 10_000),)),
    _Sign(
        "structuring", 1.0, "large amounts again and again within a day",
        (("amount", 5_000, 10_000), ("payer_sum_1d", 5_000, _ANY)),
    ),
    _Sign("credential_testing", 2.0, "a tiny amount, as used to try an instrument out", (("amount", 0, 10),)),
    _Sign(
        "credential_testing", 1.5, "small payments in quick succession",
        (("amount", 0, 60), ("payer_count_1d", 3, _ANY), ("payer_since_last", 0, 4 * _HOUR)),
    ),
    _Sign(
        "credential_testing", 1.5, "a purchase soon after a series of others",
        (("payer_count_1d", 4, _ANY), ("payer_since_last", 0, 6 * _HOUR)), _BOUGHT,
    ),
    _Sign(
        "merchant_collusion", 2.0, "far above what this payee usually takes, from many payers",
        (("payee_ratio_30d", 1.4, _ANY), ("payee_others_30d", 4, _ANY), ("amount", 10, _ANY)), _BOUGHT,
    ),
    _Sign("merchant_collusion", 1.0, "a purchase, and no burst of payments before it",
          (("amount", 10, _ANY), ("payer_count_1d", 0, 2)), _BOUGHT),
    _Sign("mule_chain", 2.0, "the payee receives from many unrelated payers",
          (("payee_others_30d", 8, _ANY), ("amount", 50, 7_000)), _MOVED),
    _Sign("mule_chain", 1.5, "several payers pay the payee on one day",
          (("payee_others_1d", 2, _ANY), ("amount", 50, 7_000)), _MOVED),
    _Sign(
        "account_takeover", 2.5, "the payer's payments follow each other within hours, each large",
        (("payer_count_1d", 2, _ANY), ("payer_since_last", 0, 5 * _HOUR), ("amount", 50, _ANY)), _MOVED,
    ),
    _Sign("account_takeover", 1.0, "several payees on one day", (("payer_others_1d", 2, _ANY), ("amount", 50, _ANY)),
          _MOVED),
    _Sign("account_takeover", 0.5, "paid between midnight and six", (("hour", 0, 6), ("amount", 50, _ANY)), _MOVED),
    _Sign(
        "social_engineering", 2.5, "again to the same new payee, 14 to 50 hours after the payment before",
        (("pair_first", 0, 0.5), ("pair_since_last", 12 * _HOUR, 60 * _HOUR), ("amount", 50, _ANY)), ("transfer",),
    ),
    _Sign("social_engineering", 1.0, "large for this payer, with time to think between payments",
          (("payer_median_ratio", 8, _ANY), ("payer_since_last", 8 * _HOUR, _ANY)), ("transfer",)),
)  # fmt: skip
# The text evidence of a guide is how far its cosine stands above this one, which any two texts about payments reach.
_ORDINARY_COSINE = 0.25


def find_typology(index: Searchable, case: Alert | Scored, precedents: Sequence[Precedent]) -> Typology | None:
    """The likely typology; None where no guide is indexed.

    Args:
        index: The index of documents; guides published after the payment are not seen.
        case: The payment.
        precedents: The closed cases found for it.
    """
    guides = _guides(index, case)
    if not guides:
        return None
    text = _normal({name: max(float(hit.similarity) - _ORDINARY_COSINE, 0.0) for name, hit in guides.items()})
    profile, words = sign_profile(case)
    profile = {name: weight for name, weight in profile.items() if name in guides}
    cases: dict[str, float] = {}
    for item in precedents:
        if item.outcome == CONFIRMED_FRAUD and item.typology in guides:
            cases[item.typology] = cases.get(item.typology, 0.0) + max(item.similarity, 0.0) + len(item.shared_accounts)
    evidence = {
        name: _TEXT_WEIGHT * text.get(name, 0.0)
        + _SIGNS_WEIGHT * _normal(profile).get(name, 0.0)
        + _CASES_WEIGHT * _normal(cases).get(name, 0.0)
        for name in guides
    }
    best = max(sorted(evidence), key=lambda name: evidence[name])
    total = sum(evidence.values())
    hit = guides[best]
    quote = opening(hit.text)
    why = [words[best]] if best in words else []
    near = sum(item.typology == best and item.outcome == CONFIRMED_FRAUD for item in precedents)
    if near:
        why.append(f"{near} of {len(precedents)} nearest closed cases ended so")
    if not why:
        why.append("the guide's words are the nearest to the reasons")
    return Typology(
        name=best,
        title=hit.title,
        share=round(evidence[best] / total, 4) if total else 0.0,
        why="; ".join(why),
        document_id=hit.document_id,
        source=hit.source,
        quote=quote,
        start=hit.start,
        end=hit.start + len(quote),
    )


def sign_profile(case: Alert | Scored) -> tuple[dict[str, float], dict[str, str]]:
    """What the frozen features speak for, by typology, and the strongest sign of each in words."""
    kind = str(case.transaction.get("type") or "").lower()
    weights: dict[str, float] = {}
    words: dict[str, tuple[float, str]] = {}
    for sign in _SIGNS:
        if sign.kinds and kind and not any(part in kind for part in sign.kinds):
            continue
        values = [case.amount if name == "amount" else case.features.get(name) for name, _, _ in sign.ranges]
        if not all(
            value is not None and low <= value < high for value, (_, low, high) in zip(values, sign.ranges, strict=True)
        ):
            continue
        weights[sign.typology] = weights.get(sign.typology, 0.0) + sign.weight
        if sign.weight > words.get(sign.typology, (0.0, ""))[0]:
            words[sign.typology] = (sign.weight, sign.words)
    return weights, {name: text for name, (_, text) in words.items()}


def _guides(index: Searchable, case: Alert | Scored) -> dict[str, Any]:
    """The nearest passage of each guide, by typology."""
    found: dict[str, Any] = {}
    where = {"collection": COLLECTION}
    for hit in index.search(story_of(case), k=_PASSAGES, as_of=iso(case.event_time), where=where):
        name = str(hit.metadata.get("typology") or "")
        if name and (name not in found or hit.similarity > found[name].similarity):
            found[name] = hit
    return found


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()} if total > 0 else {}
