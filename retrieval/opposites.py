"""Words that say the opposite of each other: a sentence about what rose does not answer what fell.

A short list of everyday pairs, and the prefixes that negate a word.  What a question only asks the measure of ("how
long") says nothing yet, and an opposite that is denied ("never authorised") is none.
"""

import re

from retrieval.stemming import stem
from retrieval.text import terms, words
from retrieval.wordlists import STOPWORDS

_PAIRS = """
accept/reject accept/refuse active/inactive add/remove adult/child alive/dead allow/forbid allow/prevent allow/resist
always/never always/rarely ally/enemy ancestor/descendant ancient/modern approve/reject attack/defend attract/repel
before/after begin/end beginner/expert best/worst better/worse borrow/lend bottom/top build/destroy buy/sell cause/cure
closer/farther common/rare complex/simple conceal/reveal confirm/deny connect/disconnect credit/debit create/destroy
dark/light decline/grow decrease/increase defeat/victory defeat/win deposit/withdraw difficult/easy dissolve/form
domestic/foreign dry/wet earlier/later earliest/latest early/late ease/worsen east/west eastern/western easy/hard
emigrate/immigrate employee/employer empty/full encourage/discourage enemy/friend enter/leave exclude/include
export/import external/internal fail/succeed failure/success fall/rise false/true fast/slow female/male few/many
fewest/most final/first final/initial finish/start first/last former/latter freedom/slavery front/back
fraudulent/genuine
gain/loss gain/lose general/specific good/bad greater/less greatest/least greatest/smallest guilty/innocent
harmful/beneficial heaviest/lightest heavy/light hide/show high/low higher/lower highest/lowest hinder/help hold/release
hot/cold improve/worsen incoming/outgoing increase/reduce inferior/superior inside/outside join/leave junior/senior
large/small larger/smaller largest/least largest/smallest least/most left/right legal/illegal legitimate/fraudulent
less/more liberal/conservative long/short longer/shorter longest/shortest lose/win lower/raise lower/upper major/minor
majority/minority maximum/minimum men/women narrow/wide near/far negative/positive new/old newer/older newest/oldest
north/south northern/southern obtain/lose offensive/defensive old/young older/younger oldest/youngest open/closed
oppose/support parent/child part/whole payee/payer peace/war permanent/temporary permit/forbid predator/prey
private/public profit/loss protect/harm pull/push quick/slow quickest/slowest receive/send regain/lose request/refuse
retain/lose rich/poor richest/poorest rural/urban safe/dangerous same/different save/spend shrink/grow single/multiple
slowest/fastest strengthen/weaken strong/weak stronger/weaker student/teacher summer/winter together/apart unite/divide
up/down victim/offender visible/invisible won/lost
"""

_PREFIXES = ("un", "in", "im", "ir", "il", "non", "dis", "anti", "mis")

_MEASURE = re.compile(r"\bhow\s+\w+", re.IGNORECASE)
_DENIALS = """
not never no nor neither without cannot arent cant couldnt didnt doesnt dont hasnt havent isnt wasnt werent wont wouldnt
"""
_DENYING = frozenset(_DENIALS.split())
_REACH = 2
"""Words behind a denial that it may deny: `never authorised`, `not been authorised`."""

_OPPOSITES: dict[str, set[str]] = {}
for _pair in _PAIRS.split():
    _left, _right = (stem(word) for word in _pair.split("/"))
    _OPPOSITES.setdefault(_left, set()).add(_right)
    _OPPOSITES.setdefault(_right, set()).add(_left)


def opposed(question: str, sentence: str) -> list[str]:
    """Words of a question that a sentence does not hold, but whose opposite it does, in the question's order."""
    said = words(sentence)
    held = set(terms(sentence))
    stated = [word for place, word in enumerate(said) if not _DENYING & set(said[max(place - _REACH, 0) : place])]
    stated_terms = set(terms(" ".join(stated)))
    found = []
    for word in words(_MEASURE.sub(" ", question)):
        own = set(terms(word))
        if word in STOPWORDS or word in said or not own or own & held:
            continue
        if (
            any(_OPPOSITES.get(term, set()) & stated_terms for term in own)
            or _negated(word, set(stated))
            or _negated(stem(word), stated_terms)
        ):
            found.append(word)
    return found


def _negated(word: str, pool: set[str]) -> bool:
    """Whether the pool holds the word with a negating prefix more, or less."""
    for prefix in _PREFIXES:
        bare = word[len(prefix) :] if word.startswith(prefix) else ""
        if prefix + word in pool or (len(bare) > 3 and bare in pool):
            return True
    return False
