"""Who is at work, and what each role may do.

    user = user_of(request)
    user.require("decide")

Without users the desk is in single-user mode: whoever opens it on this machine may do everything. A token narrows
what its user may do to the token's scopes, which are named as the actions are.
"""

import getpass
from dataclasses import dataclass
from typing import Any

from app import context

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
    """The user's role, or the token's scopes, do not allow this; HTTP 403."""


@dataclass(frozen=True)
class User:
    """Who is at work.

    Attributes:
        name: As it stands in decisions, history and audit.
        role: One of `ROLES`; empty in single-user mode, which may do everything.
        scopes: Actions that the token in use is for; None where no token is in use.
    """

    name: str
    role: str = ""
    scopes: frozenset[str] | None = None

    @property
    def single(self) -> bool:
        """Whether the desk has no users, so that this one may do everything."""
        return not self.role

    def may(self, action: str) -> bool:
        """Whether the user may do something of `ACTIONS`."""
        allowed = not self.role or self.role in ACTIONS[action]
        return allowed and (self.scopes is None or action in self.scopes)

    def require(self, action: str) -> None:
        """Refuse what the user may not do.

        Raises:
            ForbiddenError: the role or the token does not allow it; names what does.
        """
        if self.role and self.role not in ACTIONS[action]:
            roles = " or ".join(sorted(ACTIONS[action]))
            raise ForbiddenError(f"{self.name} is signed in as {self.role}; this takes the role {roles}")
        if not self.may(action):
            raise ForbiddenError(f"this token has no scope {action!r}; make one with --scopes {action}")

    @property
    def hidden_collections(self) -> frozenset[str]:
        """Collections that this user does not see."""
        return HIDDEN_COLLECTIONS.get(self.role, frozenset())


def local_user() -> User:
    """Whoever works at a desk without users: the user of this machine."""
    try:
        return User(getpass.getuser())
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return User("local")


def user_of(request: Any) -> User:
    """Who sent a request.

    Args:
        request: A Starlette or Gradio request; None within the desk itself.

    Raises:
        ForbiddenError: a request that did not come through the desk's own door.
    """
    if request is None:
        return local_user()
    state = getattr(request, "state", None)
    user = getattr(state, "user", None)
    if not isinstance(user, User):
        raise ForbiddenError("nobody is signed in")
    # An event of the page runs outside the request that brought it: what it logs and audits belongs to that one.
    context.request_id.set(str(getattr(state, "request_id", "")))
    context.address.set(str(getattr(state, "address", "")))
    context.user_name.set(user.name)
    return user
