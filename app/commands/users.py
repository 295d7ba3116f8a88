"""`users` and `audit`: who may work at the desk, and what was read and changed."""

import csv
import getpass
import sys
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.console import emit, note, start, table

if TYPE_CHECKING:
    from app.store import Store

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Name = Annotated[str, typer.Argument(help="Name of the user.")]
Role = Annotated[str, typer.Option(help="analyst, lead, engineer or auditor.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")]

_MINUTE = "%Y-%m-%d %H:%M"


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Users of the desk and their tokens for the API.", no_args_is_help=True)
    group.command("add")(add)
    group.command("list")(list_users)
    group.command("role")(role)
    group.command("password")(password)
    group.command("disable")(disable)
    group.command("enable")(enable)
    group.command("token")(token)
    group.command("tokens")(tokens)
    group.command("revoke")(revoke)
    cli.add_typer(group, name="users")
    cli.command("audit")(audit)


def add(name: Name, role: Role, password_stdin: FromStdin = False, as_json: Json = False) -> None:
    """Add a user; the password is asked for, never an argument.

    The desk takes sign-ins from its first user on, a serving one within two seconds.
    """
    store = _store()
    store.users.check(name, role)
    account = store.users.add(name, role, _password(password_stdin), getpass.getuser())
    emit(_plain(account), f"{account.name} may sign in as {account.role}", as_json)


def list_users(as_json: Json = False) -> None:
    """Every user, by name."""
    accounts = _store().users.listed()
    rows = [[a.name, a.role, f"{a.created_at:{_MINUTE}}", "disabled" if a.disabled_at else ""] for a in accounts]
    text = table(["name", "role", "since (UTC)", ""], rows) if rows else "no users: the desk is in single-user mode"
    emit({"users": [_plain(account) for account in accounts]}, text, as_json)


def role(name: Name, role: Annotated[str, typer.Argument(help="analyst, lead, engineer or auditor.")]) -> None:
    """Give a user another role; it holds within two seconds."""
    _store().users.set_role(name, role, getpass.getuser())
    note(f"{name} is {role} now")


def password(name: Name, password_stdin: FromStdin = False) -> None:
    """Give a user another password; ends every session of theirs."""
    store = _store()
    store.users.account(name)
    store.users.set_password(name, _password(password_stdin), getpass.getuser())
    note(f"{name} has another password and is signed out everywhere")


def disable(name: Name) -> None:
    """Keep a user out: sessions end, tokens are revoked. What they did stays."""
    _store().users.disable(name, getpass.getuser())
    note(f"{name} is signed out everywhere and may not sign in; frauddesk users enable {name} lets them in again")


def enable(name: Name) -> None:
    """Let a disabled user sign in again; their tokens stay revoked."""
    _store().users.enable(name, getpass.getuser())
    note(f"{name} may sign in again")


def token(
    name: Name,
    scopes: Annotated[str, typer.Option(help="What it is for, separated by commas: read, ask, score, ...")],
    days: Annotated[int, typer.Option(help="Days until it ends.")] = 30,
    as_json: Json = False,
) -> None:
    """Make a token for the API; it is shown once."""
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    secret = _store().users.tokens.make(name, wanted, days, getpass.getuser())
    note("Send it as `Authorization: Bearer TOKEN`. It is not kept and cannot be shown again.")
    emit({"token": secret, "user": name, "scopes": wanted, "days": days}, secret, as_json)


def tokens(as_json: Json = False) -> None:
    """Every token without its secret, the latest first."""
    listed = _store().users.tokens.listed()
    rows = [
        [t.id, t.user, ",".join(t.scopes), f"{t.expires_at:{_MINUTE}}", _moment(t.used_at), _moment(t.revoked_at)]
        for t in listed
    ]
    header = ["id", "user", "scopes", "ends (UTC)", "last used", "revoked"]
    emit({"tokens": [_plain(item) for item in listed]}, table(header, rows) if rows else "no tokens", as_json)


def revoke(token_id: Annotated[int, typer.Argument(help="Its id, as `users tokens` shows it.")]) -> None:
    """End a token."""
    _store().users.tokens.revoke(token_id, getpass.getuser())
    note(f"token {token_id} is revoked")


def audit(
    who: Annotated[str, typer.Option(help="Only what this user did.")] = "",
    action: Annotated[str, typer.Option(help="Only this, such as read or decide.")] = "",
    subject: Annotated[str, typer.Option(help="Only on this, such as 'alert 7'.")] = "",
    since: Annotated[datetime | None, typer.Option(help="From this UTC time on.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this UTC time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Lines at most.")] = 200,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Json = False,
) -> None:
    """The audit trail, the latest line first."""
    from app.audit import AuditFilter

    entries = _store().trail.entries(AuditFilter(who, action, subject, since, until), limit=limit).items
    rows = [[e.id, f"{e.at:%Y-%m-%dT%H:%M:%SZ}", e.who, e.action, e.subject, _details(e.detail)] for e in entries]
    header = ["id", "when (UTC)", "who", "action", "subject", "detail"]
    if as_csv:
        csv.writer(sys.stdout).writerows([header, *([_cell(value) for value in row] for row in rows)])
        return
    text = table(header, rows) if rows else "nothing recorded that fits"
    emit({"entries": [_plain(entry) for entry in entries]}, text, as_json)


def _store() -> "Store":
    settings = start()
    from app.store import Store

    return Store(settings.desk_database)


def _password(from_stdin: bool) -> str:
    from app.users import UserError

    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UserError("there is no terminal to ask for the password; pipe it in with --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _plain(record: Any) -> dict[str, Any]:
    values = asdict(record)
    return {name: f"{v:%Y-%m-%dT%H:%M:%SZ}" if isinstance(v, datetime) else v for name, v in values.items()}


def _moment(time: datetime | None) -> str:
    return "" if time is None else f"{time:{_MINUTE}}"


def _cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _details(detail: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in detail.items())
