"""Where a question says that its answer stands: "what does the policy say about …" asks the policies about the rest.

The words that name the source are about no passage, so that searching for them only hides the ones that answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SOURCES = {
    r"(?:hold(?:ing)? )?polic(?:y|ies)|rules?": "policies",
    r"(?:typology )?guides?|typolog(?:y|ies)|guidelines?": "typologies",
    r"(?:run|model|training) reports?": "run_reports",
}
_LEAST_WORDS = 2


@dataclass(frozen=True)
class Scope:
    """What is asked, and of which documents."""

    question: str
    where: Mapping[str, Any]


def scope_of(question: str) -> Scope | None:
    """The scope that a question names; None where it names none."""
    for source, collection in _SOURCES.items():
        match = re.fullmatch(
            rf"\s*what\s+(?:does|do|did)\s+(?:the|our|your|its)?\s*(?:{source})\s+(?:say|state|tell us|require)s?"
            r"\s+(?:about|on|regarding|when it comes to|for)\s+(.+?)[\s?.!]*",
            question,
            re.IGNORECASE,
        )
        if match and len(match[1].split()) >= _LEAST_WORDS:
            return Scope(match[1], {"collection": collection})
    return None
