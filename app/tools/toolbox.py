"""The tools by name: what each takes, checked, and what it does. Every tool only reads.

    Toolbox(desk).run(ToolCall("drift_state"), user)

The same table serves the rules and, as LangChain tools, a chat model.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import message_of
from app.tools import accounts, models, monitor, payments
from app.tools.payments import CaseFacts
from app.tools.records import ToolCall, ToolError, ToolResult

if TYPE_CHECKING:
    from app.access import User
    from app.desk import Desk

log = logging.getLogger(__name__)

_NAME = r"^[\w .:/#+-]{1,200}$"


class _Arguments(BaseModel):
    """What every tool's arguments share: nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class PaymentArguments(_Arguments):
    """One payment."""

    transaction_id: str = Field(pattern=_NAME, description="Id of the payment, such as T00012345.")


class AccountArguments(_Arguments):
    """An account, or the payer or payee of a payment."""

    account: str = Field("", max_length=200, description="The account; empty for that of the payment at hand.")
    role: Literal["", "payer", "payee"] = Field("", description="Which side of the payment is meant.")
    transaction_id: str = Field("", max_length=200, description="The payment at hand, if there is one.")


class CompareArguments(_Arguments):
    """Two model versions or two runs."""

    first: str = Field(pattern=r"^(?:v?\d{1,6}|champion|candidate|previous|[0-9a-f]{32})$", description="The earlier.")
    second: str = Field(pattern=r"^(?:v?\d{1,6}|champion|candidate|previous|[0-9a-f]{32})$", description="The later.")
    metric: str = Field("precision_at_budget", pattern=r"^\w{1,60}$", description="The figure that is asked about.")


class VersionArguments(_Arguments):
    """One model version."""

    version: str = Field("champion", pattern=r"^(?:v?\d{1,6}|champion|candidate|previous)$", description="Which one.")


class RunArguments(_Arguments):
    """One MLflow run."""

    run_id: str = Field(pattern=r"^[0-9a-f]{6,32}$", description="Its id, or the beginning of it.")


class NoArguments(_Arguments):
    """Nothing."""


@dataclass(frozen=True)
class Tool:
    """One tool: for whom it is (`about`), what it takes, what it does."""

    name: str
    about: str
    arguments: type[_Arguments]
    work: Callable[..., ToolResult | tuple[ToolResult, CaseFacts]]
    step: str


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "payment_score",
            "Why a payment was flagged: its fraud score, threshold and the contributions behind it.",
            PaymentArguments,
            payments.payment_score,
            "Looking up the score of {transaction_id}",
        ),
        Tool(
            "similar_cases",
            "Closed cases most like a payment, and how each ended.",
            PaymentArguments,
            payments.similar_cases,
            "Looking for closed cases like {transaction_id}",
        ),
        Tool(
            "account_history",
            "Whether a payer or payee was seen before: how often, amounts, first and last time, fraud, decisions.",
            AccountArguments,
            accounts.account_history,
            "Looking up the history of {account_words}",
        ),
        Tool(
            "compare_models",
            "Figures of two model versions or runs side by side, and why they differ.",
            CompareArguments,
            models.compare_models,
            "Comparing {first} with {second}",
        ),
        Tool(
            "model_figures",
            "Precision, recall, threshold and other figures of one model version.",
            VersionArguments,
            models.model_figures,
            "Reading the figures of version {version}",
        ),
        Tool(
            "run_figures",
            "Figures of one MLflow run by its id.",
            RunArguments,
            models.run_figures,
            "Reading run {run_id}",
        ),
        Tool(
            "drift_state",
            "Whether the model is drifting: the last drift check's verdict and columns.",
            NoArguments,
            monitor.drift_state,
            "Reading the last drift check",
        ),
        Tool(
            "queue_figures",
            "How many alerts are open, waiting and decided at this desk.",
            NoArguments,
            monitor.queue_figures,
            "Counting the alerts",
        ),
    )
}


class Toolbox:
    """Runs tools for a user.

    Args:
        desk: The parts that the tools read.
    """

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk

    def run(self, call: ToolCall, user: "User", as_of: datetime | None = None) -> tuple[ToolResult, CaseFacts | None]:
        """Runs one tool; a failure is a result with its reason, so that the rest of the answer goes on.

        Args:
            call: Which tool with which arguments.
            user: Who asks.
            as_of: Only what was known by then, for the tools that look back.

        Returns:
            The figures, and with `payment_score` all that is known of the payment.
        """
        tool = TOOLS[call.tool]
        try:
            arguments = checked(call)
            if tool.name == "account_history" and as_of is not None:
                arguments["as_of"] = as_of
            found = tool.work(self._desk, user, **arguments)
        except ToolError as error:
            return self._failed(call, str(error)), None
        except Exception as error:
            log.warning("tool %s: %s", call.tool, error)
            return self._failed(call, message_of(error)), None
        return found if isinstance(found, tuple) else (found, None)

    def _failed(self, call: ToolCall, reason: str) -> ToolResult:
        return ToolResult(call.tool, dict(call.arguments), step_of(call), problem=reason)


def checked(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call as its tool takes them.

    Raises:
        ToolError: there is no such tool, or an argument is missing, unknown or malformed; names it.
    """
    tool = TOOLS.get(call.tool)
    if tool is None:
        raise ToolError(f"There is no tool {call.tool}.")
    try:
        return tool.arguments.model_validate(dict(call.arguments)).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise ToolError(f"{call.tool}: {where}: {first['msg']}.") from error


def step_of(call: ToolCall) -> str:
    """What a call does, in words for the page."""
    given: Mapping[str, str] = call.arguments
    role = given.get("role") or "account"
    at_hand = f"the {role} of {given.get('transaction_id')}" if given.get("transaction_id") else "the account"
    words = {"account_words": given.get("account") or at_hand}
    return TOOLS[call.tool].step.format_map(_Blank({**given, **words}))


class _Blank(dict[str, str]):
    """Formats what is missing as nothing."""

    def __missing__(self, key: str) -> str:
        return ""
