"""The typology that an alert looks most like, and the guide's passage that says so.

Three kinds of evidence are added: how near each guide is to the reasons in words, what the reasons themselves speak
for (their profile), and how the nearest closed cases ended. The shares are parts of that evidence, not probabilities.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.precedents import Searchable, opening, story_of
from app.records import CONFIRMED_FRAUD, Alert, Precedent, ReasonRecord, Scored, Typology, iso

COLLECTION = "typologies"
_PASSAGES = 30
_TEXT_WEIGHT, _PROFILE_WEIGHT, _CASES_WEIGHT = 1.0, 1.5, 1.0
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
    profile, words = reason_profile(case)
    profile = {name: weight for name, weight in profile.items() if name in guides}
    cases: dict[str, float] = {}
    for item in precedents:
        if item.outcome == CONFIRMED_FRAUD and item.typology in guides:
            cases[item.typology] = cases.get(item.typology, 0.0) + max(item.similarity, 0.0) + len(item.shared_accounts)
    evidence = {
        name: _TEXT_WEIGHT * text.get(name, 0.0)
        + _PROFILE_WEIGHT * _normal(profile).get(name, 0.0)
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


def reason_profile(case: Alert | Scored) -> tuple[dict[str, float], dict[str, str]]:
    """What the reasons speak for, by typology, and the words for the strongest of them.

    A reason counts by its effect on the score and only where it raises it. The signs are those that the guides give.
    """
    weights: dict[str, float] = {}
    words: dict[str, tuple[float, str]] = {}
    features = case.features
    for reason in case.reasons:
        if reason.effect <= 0:
            continue
        for name, factor in _signs(reason, case.amount, features):
            weight = factor * reason.effect
            weights[name] = weights.get(name, 0.0) + weight
            if weight > words.get(name, (0.0, ""))[0]:
                words[name] = (weight, reason.text)
    return weights, {name: text for name, (_, text) in words.items()}


def _signs(reason: ReasonRecord, amount: float, features: Mapping[str, float | None]) -> list[tuple[str, float]]:
    """Typologies that one reason speaks for, each with its weight."""
    name = reason.feature
    value = reason.value if reason.value is not None else float("nan")
    many_payers = (features.get("payee_others_30d") or 0.0) >= 3
    signs: list[tuple[str, float]] = []
    if name.startswith(("payee_others", "payee_fraud", "payee_since_fraud")):
        signs += [("mule_chain", 1.0)] if many_payers else [("mule_chain", 0.6), ("account_takeover", 0.3)]
    if name.startswith(("payer_ratio", "payer_median", "payer_large", "payer_since_large", "payer_sum", "payer_max")):
        signs += [("account_takeover", 0.7), ("social_engineering", 0.7)]
    if name.startswith("pair_") and value in (1.0,):
        signs += [("social_engineering", 0.8), ("account_takeover", 0.5)]
    if name.startswith(("payer_count_1d", "payer_since_last", "payer_others_1d")):
        signs += [("account_takeover", 0.8)] if amount > 50 else [("credential_testing", 1.2)]
    if name == "amount":
        if amount <= 10:
            signs.append(("credential_testing", 1.5))
        elif 7_000 <= amount < 10_000:
            signs.append(("structuring", 1.5))
        elif amount >= 1_000:
            signs += [("social_engineering", 0.4), ("account_takeover", 0.4)]
    if name in ("hour", "payer_hour_share"):
        signs.append(("account_takeover", 0.5))
    if name.startswith(("payee_ratio", "payee_count", "payee_mean", "payee_std", "payee_max")):
        signs.append(("merchant_collusion", 0.8))
    return signs


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
