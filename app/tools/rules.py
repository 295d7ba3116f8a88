"""Which tools a question asks for, by rules over the question alone; nothing that a document says is ever read here.

plan("Why was T00012345 flagged?", known)  # [ToolCall("payment_score", {"transaction_id": "T00012345"})]
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.tools.models import metric_asked
from app.tools.records import ToolCall

MOST_CALLS = 4
"""Tools that one question may start."""

_TOKEN = re.compile(r"[A-Za-z0-9][\w-]{3,}")
# A bare number is an id only where the question says so: "over 10,000" is an amount.
_NAMED_PAYMENT = re.compile(r"\b(?:transaction|payment|id|#)\s*(?:no\.?|number)?\s*#?(\d{3,})\b", re.IGNORECASE)
_NAMED_ACCOUNT = re.compile(
    r"\b(payee|payer|account|customer|terminal|merchant|beneficiary|card)\s*(?:no\.?|number)?\s*#?([A-Z]{0,4}\d{1,})\b",
    re.IGNORECASE,
)
_LOOKS_LIKE_PAYMENT = re.compile(r"[Tt]\d{6,}")
_LOOKS_LIKE_ACCOUNT = re.compile(r"[CM]\d{3,}")
_RUN = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_NAMED_RUN = re.compile(r"\brun\s+(?:id\s+)?([0-9a-f]{6,32})\b", re.IGNORECASE)
_VERSION = re.compile(r"\bv(?:ersion)?\s?(\d{1,4})\b|\b(champion|candidate|challenger|previous)\b", re.IGNORECASE)
_VERSION_LIST = re.compile(r"\bversions?\s+(\d{1,4})\s+(?:and|to|with|vs\.?|against|or)\s+(\d{1,4})\b", re.IGNORECASE)

_THIS = r"\b(?:this|that|these|the)\s+(?:\w+\s+)?(?:payment|transaction|transfer|alert|case|one)\b"
_AT_HAND = re.compile(_THIS + r"|\bthis\b|\bit\b|^\s*why\s+(?:flagged|so high)", re.IGNORECASE)
_WHY = re.compile(
    r"\b(?:flag(?:ged)?|scor(?:e|ed|es)|risk(?:y)?|suspicious|contribut\w+|reasons?|raise[ds]?|why\b.*\balert(?:ed)?)\b",
    re.IGNORECASE,
)
_SIMILAR = re.compile(
    r"\b(?:cases?|precedents?|ones?)\s+(?:like|similar|comparable|near)|\b(?:similar|comparable|nearest|like)\s+"
    r"(?:\w+\s+)?(?:cases?|payments?|precedents?|alerts?)|\bprecedents?\b|\bseen\s+(?:\w+\s+)?like\s+(?:this|it)\b",
    re.IGNORECASE,
)
_PARTY = re.compile(r"\b(payee|beneficiary|recipient|receiver|merchant|payer|sender|customer|account)\b", re.IGNORECASE)
_PAYER_WORDS = frozenset(("payer", "sender", "customer"))
_SEEN = re.compile(
    r"\b(?:seen|see|known?|before|histor\w+|earlier|previous(?:ly)?|first time|last time|how often|ever|in the past|"
    r"new|how many (?:payments|times|transfers|transactions|payers|payees)|been (?:paid|flagged))\b",
    re.IGNORECASE,
)
_DRIFT = re.compile(
    r"\bdrift(?:s|ed|ing)?\b|\b(?:current|present|last|latest)\b.*\bstability index\b|"
    r"\bmodel\b.*\bstill (?:fit|valid|good)\b",
    re.IGNORECASE,
)
_QUEUE = re.compile(
    r"\bhow many\s+(?:\w+\s+){0,2}alerts?\b|\bhow (?:long|full|big|large)\b.*\b(?:queue|backlog)\b|"
    r"\b(?:state|size|figures)\s+of\s+(?:the|our|my)\s+(?:queue|backlog)\b|\b(?:in|what is in) the queue now\b|"
    r"\balert counts?\b",
    re.IGNORECASE,
)
# How many alerts a team can work is a rule of the house, not a figure of the queue.
_BUDGET = re.compile(r"\bbudget\b|\b(?:a|per|each|every) day\b", re.IGNORECASE)
_CHANGE = re.compile(
    r"\b(?:chang\w*|drop\w*|f[ae]ll\w*|ros?e|rise\w*|improv\w*|wors\w*|better|differ\w*|compar\w*|versus|vs\.?|"
    r"between|against|up|down|increas\w*|decreas\w*|gain\w*|lost|lose\w*)\b",
    re.IGNORECASE,
)
_METRIC = re.compile(
    r"\b(?:precision|recall|auc|average precision|threshold|calibration|figures?|metrics?|perform\w*|accura\w+|"
    r"trained|good|version)\b",
    re.IGNORECASE,
)
# Who asks what is written asks the documents: figures beside it would only distract.
_WRITTEN = re.compile(
    r"\b(?:polic(?:y|ies)|guides?|guidelines?|procedures?|rules?|typolog(?:y|ies)|governance|documents?|allowed|"
    r"should|must|may we|do we need|what is an?|what are|define[ds]?|definition)\b",
    re.IGNORECASE,
)


class Known(Protocol):
    """What is known by id at the desk."""

    def payment(self, word: str) -> bool:
        """Whether this is the id of a payment."""
        ...

    def account(self, word: str) -> bool:
        """Whether this is a payer or payee."""
        ...


@dataclass(frozen=True)
class Context:
    """What a question may mean by "this": the payment at hand, from the case beside it or from the talk before it."""

    transaction_id: str = ""


def plan(question: str, known: Known, context: Context | None = None) -> list[ToolCall]:
    """The tools that a question asks for, at most `MOST_CALLS`, the most telling first.

    Args:
        question: As asked.
        known: Tells ids from other words.
        context: What "this" means.
    """
    context = context or Context()
    written = _WRITTEN.search(question) is not None
    named = payments_named(question, known)
    accounts = [account for account in accounts_named(question, known) if account not in named]
    calls: list[ToolCall] = []
    at_hand = named[0] if named else _at_hand(question, context)
    calls += _about_accounts(question, accounts, at_hand, explicit=bool(named), written=written)
    calls += _about_payments(question, named, at_hand, calls, written)
    calls += _about_models(question, written)
    if _DRIFT.search(question) and not written:
        calls.append(ToolCall("drift_state"))
    if _QUEUE.search(question) and not _BUDGET.search(question) and not written and not calls:
        calls.append(ToolCall("queue_figures"))
    return calls[:MOST_CALLS]


def payments_named(question: str, known: Known) -> list[str]:
    """Ids of payments in a question, also one that is not known but looks like one."""
    numbers = _NAMED_PAYMENT.findall(question)
    words = [word for word in _TOKEN.findall(question) if any(c.isdigit() for c in word) and not word.isdigit()]
    found = [
        word for word in dict.fromkeys([*words, *(word.upper() for word in words), *numbers]) if known.payment(word)
    ]
    if found:
        return list(dict.fromkeys(found))
    return list(dict.fromkeys(word.upper() for word in words if _LOOKS_LIKE_PAYMENT.fullmatch(word)))


def accounts_named(question: str, known: Known) -> list[str]:
    """Accounts in a question: those that look like one, or that are named as payee, payer or account."""
    looks = [word for word in _TOKEN.findall(question) if _LOOKS_LIKE_ACCOUNT.fullmatch(word)]
    said = [match[1] for match in _NAMED_ACCOUNT.findall(question)]
    others = [
        w for w in _TOKEN.findall(question) if any(c.isdigit() for c in w) and not w.isdigit() and known.account(w)
    ]
    return list(dict.fromkeys([*looks, *(word for word in said if known.account(word) or word.isdigit()), *others]))


def _at_hand(question: str, context: Context) -> str:
    meant = _AT_HAND.search(question) or _PARTY.search(question) or _SIMILAR.search(question) or _WHY.search(question)
    return context.transaction_id if meant else ""


def _about_accounts(
    question: str, accounts: Sequence[str], at_hand: str, *, explicit: bool, written: bool
) -> list[ToolCall]:
    party = _PARTY.search(question)
    role = _role(party[1]) if party else ""
    if accounts:
        given = {"transaction_id": at_hand} if explicit and at_hand else {}
        asked = _SEEN.search(question) is not None and not written
        return [ToolCall("account_history", {"account": name, "role": role, **given}, asked) for name in accounts[:2]]
    if party is None or not role or not _SEEN.search(question) or _SIMILAR.search(question):
        return []
    if at_hand and (explicit or not written):
        return [ToolCall("account_history", {"account": "", "role": role, "transaction_id": at_hand})]
    return []


def _role(word: str) -> str:
    low = word.lower()
    return "payer" if low in _PAYER_WORDS else "" if low == "account" else "payee"


def _about_payments(
    question: str, named: Sequence[str], at_hand: str, calls: Sequence[ToolCall], written: bool
) -> list[ToolCall]:
    if _SIMILAR.search(question) and at_hand:
        found = [ToolCall("similar_cases", {"transaction_id": at_hand})]
        why = re.search(r"\bwhy\b|\bscore\b|\bflagged\b", question, re.IGNORECASE)
        return ([ToolCall("payment_score", {"transaction_id": at_hand})] if why else []) + found
    if named:
        asked = _WHY.search(question) is not None and not written
        if calls and not asked:
            return []
        return [ToolCall("payment_score", {"transaction_id": name}, asked) for name in named[:2]]
    if at_hand and not calls and not written and _WHY.search(question) and not _METRIC_ONLY.search(question):
        return [ToolCall("payment_score", {"transaction_id": at_hand})]
    return []


# "Why did precision change in this version?" is about models even where a payment is at hand.
_METRIC_ONLY = re.compile(r"\b(?:precision|recall|auc|version|drift\w*|model v?\d+)\b", re.IGNORECASE)


def _about_models(question: str, written: bool) -> list[ToolCall]:
    runs = list(dict.fromkeys([*_RUN.findall(question), *_NAMED_RUN.findall(question)]))
    versions = _versions(question)
    metric = metric_asked(question)
    if len(runs) >= 2 and all(len(run) == 32 for run in runs[:2]):
        return [ToolCall("compare_models", {"first": runs[0], "second": runs[1], "metric": metric})]
    if runs:
        return [ToolCall("run_figures", {"run_id": run.lower()}) for run in runs[:2]]
    if len(versions) >= 2:
        first, second = versions[:2]
        return [ToolCall("compare_models", {"first": first, "second": second, "metric": metric})]
    if versions and not written:
        only = versions[0]
        if only.isdigit() and _CHANGE.search(question) and int(only) > 1:
            before = str(int(only) - 1)
            return [ToolCall("compare_models", {"first": before, "second": only, "metric": metric})]
        if only.isdigit() or _METRIC.search(question):
            return [ToolCall("model_figures", {"version": only})]
    return []


def _versions(question: str) -> list[str]:
    found = [number or name.lower() for number, name in _VERSION.findall(question)]
    found += [number for pair in _VERSION_LIST.findall(question) for number in pair]
    # "the previous one" may mean a payment; as an alias it counts only beside a model.
    about_models = re.search(r"\b(?:model|version|champion|candidate|challenger|precision|recall)\b", question, re.I)
    named = ["candidate" if name == "challenger" else name for name in found]
    kept = [name for name in named if name != "previous" or about_models]
    return list(dict.fromkeys(kept))
