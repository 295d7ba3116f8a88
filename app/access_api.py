"""Who may use a route of the API, as a dependency that its OpenAPI document shows.

@routes.get("/alerts")
def alerts(user: Annotated[User, allowed("read")]) -> ...
"""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from app.access import ACTIONS, User, user_of
from app.guard import COOKIE

_TOKEN = HTTPBearer(
    scheme_name="token",
    auto_error=False,
    description=f"Made by `frauddesk users token NAME --scopes S --days N`. Scopes: {', '.join(ACTIONS)}.",
)
_SESSION = APIKeyCookie(name=COOKIE, scheme_name="session", auto_error=False, description="Set by signing in.")


def allowed(action: str) -> Any:
    """The user who sent the request, where role and token allow an action of `app.access.ACTIONS`; else 403."""
    if action not in ACTIONS:
        raise ValueError(f"there is no action {action!r}")

    async def check(
        request: Request,
        _token: Annotated[Any, Security(_TOKEN)] = None,
        _session: Annotated[Any, Security(_SESSION)] = None,
    ) -> User:
        user = user_of(request)
        user.require(action)
        return user

    return Depends(check)
