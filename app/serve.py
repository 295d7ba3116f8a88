"""Serving the desk: a free port, one process a home, the web server."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.failures import DeskRunning, NoUsers, PortInUse
from app.settings import Settings

LOCK_NAME = "desk.lock"
_OWN_ADDRESSES = ("127.0.0.1", "localhost", "::1")


def require_free_port(settings: Settings) -> None:
    """Say at once that the port is taken, before minutes of work.

    Raises:
        PortInUse: another program listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise PortInUse(
                f"cannot listen on {settings.host}:{settings.port}: {reason}; "
                f"give another with --port {min(settings.port + 1, 65_535)} or FRAUDDESK_PORT"
            ) from error


def require_users(settings: Settings) -> None:
    """Refuse to listen where others could come in, unless they have to sign in.

    Raises:
        NoUsers: the address is not this machine's own and nobody was made a user yet; says what to run.
    """
    if settings.host in _OWN_ADDRESSES or _has_users(settings):
        return
    raise NoUsers(
        f"host {settings.host} lets others on the network in, and this desk has no users yet; "
        "make one with `frauddesk users add NAME --role lead`, or leave the host at 127.0.0.1"
    )


def _has_users(settings: Settings) -> bool:
    from app.store import Store

    if not settings.database_url and not (settings.home / "desk.db").exists():
        return False
    store = Store(settings.desk_database)
    try:
        return store.users.any()
    finally:
        store.close()


@contextmanager
def hold_home(settings: Settings, command: str) -> Iterator[None]:
    """Be the one process that writes this home's index and alerts.

    Two writers on one embedded Chroma corrupt it silently, so the second is refused. The operating system frees the
    lock when its process dies, however it dies.

    Raises:
        DeskRunning: another process holds the home; names it.
    """
    from filelock import FileLock, Timeout

    settings.home.mkdir(parents=True, exist_ok=True)
    path = settings.home / LOCK_NAME
    holder = path.with_suffix(".json")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise DeskRunning(
            f"{_holder(holder)} is using {settings.home}; end it first, or set FRAUDDESK_HOME to another folder"
        ) from error
    try:
        holder.write_text(json.dumps({"pid": os.getpid(), "command": command}), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return f"`{values['command']}` (process {values['pid']})"
    except (OSError, ValueError, KeyError, TypeError):
        # The holder is between taking the lock and writing its name.
        return "another process"


def run_server(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until interrupted; `say` is told where to click once requests are answered."""
    import uvicorn

    from app.api import create_app

    require_users(settings)

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                say(f"Open http://{settings.host}:{settings.port}  (Ctrl-C ends it)")

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # Ctrl-C is how the desk is ended: nothing to raise once it has shut down.
            with super().capture_signals():
                yield
                self._captured_signals.clear()

    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        # Its lines go where all others go; requests are logged by the desk itself, with their ids.
        log_config=None,
        log_level=settings.log_level.lower(),
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    Announcing(config).run()
