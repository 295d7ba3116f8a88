"""The page's scripts and styles, from memory: a browser that is new asks for some sixty at once.

They are files of the page's framework. In most of their names stands a digest of their content: those a browser may
keep for good, since a new version of the framework brings new names.
"""

import re
from pathlib import Path

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = "/assets/"
_NAME = re.compile(r"[\w-][\w.-]*\.(?:js|css)", re.ASCII)
_WITH_DIGEST = re.compile(r".+-[\w-]{8}\.\w+", re.ASCII)
_KINDS = {".js": "text/javascript", ".css": "text/css"}
_KEPT_FOR_GOOD = "private, max-age=31536000, immutable"


class PageAssets:
    """Middleware that answers for the framework's scripts and styles; everything else is passed on.

    Args:
        app: What is behind it.
        folder: Where they are. Each is read when it is first asked for, and kept.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self.app = app
        self.folder = folder
        self._kept: dict[str, Response] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        found = None
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(_PREFIX):
            found = self._asset(scope["path"].removeprefix(_PREFIX))
        await (self.app if found is None else found)(scope, receive, send)

    def _asset(self, name: str) -> Response | None:
        kept = self._kept.get(name)
        if kept is None and _NAME.fullmatch(name):
            try:
                content = (self.folder / name).read_bytes()
            except OSError:  # the framework says that it is not there
                return None
            keep = _KEPT_FOR_GOOD if _WITH_DIGEST.fullmatch(name) else "no-cache"
            kept = Response(content, media_type=_KINDS[Path(name).suffix], headers={"Cache-Control": keep})
            self._kept[name] = kept
        return kept
