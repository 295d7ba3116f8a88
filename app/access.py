"""Who is at work, and what each role may do.

    user = user_of(request)
    user.require("decide")

Without users the desk is in single-user mode: whoever opens it on this machine may do everything.
"""

import getpass
from dataclasses import dataclass
from typing import Any

ROLES: dict[str, str] = {
    "analyst": "works the queue: claims, decides, asks, scores",
    "lead": "an analyst who also promotes models and adds documents",
    "engineer": "trains, promotes and rolls back models; sees no case notes",
    "auditor": "reads everything, the audit trail included; changes nothing",
}
ACTIONS: dict[str, frozenset[str]] = {
    "read": frozenset(ROLES),
    "ask": frozenset(ROLES),
    "decide": frozenset({"analyst", "lead"}),
    "score": frozenset({"analyst", "lead", "engineer"}),
    "feedback": frozenset({"analyst", "lead", "engineer"}),
    "documents": frozenset({"lead", "engineer"}),
    "promote": frozenset({"lead", "engineer"}),
    "retrain": frozenset({"engineer"}),
    "audit": frozenset({"lead", "auditor"}),
}
"""What can be done, and the roles that may."""

HIDDEN_COLLECTIONS: dict[str, frozenset[str]] = {"engineer": frozenset({"case_notes"})}
"""Collections of documents that a role does not see: not found, not counted, not cited."""


class ForbiddenError(Exception):
    """The user's role does not allow this; HTTP 403."""


@dataclass(frozen=True)
class User:
    """Who is at work.

    Attributes:
        name: As it stands in decisions, history and audit.
        role: One of `ROLES`; empty in single-user mode, which may do everything.
    """

    name: str
    role: str = ""

    def may(self, action: str) -> bool:
        """Whether the user may do something of `ACTIONS`."""
        return not self.role or self.role in ACTIONS[action]

    def require(self, action: str) -> None:
        """Refuse what the user may not do.

        Raises:
            ForbiddenError: the role does not allow it; names the roles that do.
        """
        if not self.may(action):
            roles = " or ".join(sorted(ACTIONS[action]))
            raise ForbiddenError(f"{self.name} is signed in as {self.role}; this takes the role {roles}")

    @property
    def hidden_collections(self) -> frozenset[str]:
        """Collections that this user does not see."""
        return HIDDEN_COLLECTIONS.get(self.role, frozenset())


def local_user() -> User:
    """Whoever works at a desk without users: the user of this machine."""
    return User(getpass.getuser())


def user_of(request: Any) -> User:
    """Who sent a request.

    Args:
        request: A Starlette or Gradio request; None within the desk itself.
    """
    user = getattr(getattr(request, "state", None), "user", None)
    return user if isinstance(user, User) else local_user()
