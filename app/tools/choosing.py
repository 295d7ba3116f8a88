"""Tools chosen by a chat model: real tool calls through LangChain, over the question alone.

The model sees the question and what each tool is for, never a passage of a document. What it asks for is checked like
anything from outside: known tools, checked arguments, and no payment, account, version or run that neither the question
nor the case at hand names. A model without tool support is remembered as such, and the rules choose instead.
"""

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool

from app.tools.records import ToolCall, ToolError, ToolResult
from app.tools.rules import MOST_CALLS, Context
from app.tools.toolbox import TOOLS, checked
from retrieval.errors import ModelUnavailable
from retrieval.llm import OllamaSettings, Usage, make_chat_model, ollama_chat_model, stream_ollama
from retrieval.masking import mask

log = logging.getLogger(__name__)

_CHOOSE = (
    "You help fraud analysts. Choose the tools whose figures the question asks for, with ids copied from it exactly. "
    "Call no tool where the question asks what a policy, a guide or a case note says."
)
_TELL = (
    "Answer the question in one to three short sentences from the tools' results alone. Copy every figure, date and id "
    "exactly as it stands there. Add no figure of your own."
)
_FREE = frozenset(("", "payer", "payee", "champion", "candidate", "previous", "precision_at_budget"))
"""Argument values that name nothing."""


class ModelChooser:
    """Asks one chat model of Ollama which tools to use, and to tell what they gave.

    Args:
        llm: `ollama:MODEL`; with anything else every question is left to the rules.
        url: Ollama's address.
    """

    def __init__(self, llm: str, url: str) -> None:
        self._settings: OllamaSettings | None = make_chat_model(llm, url)[1] if llm.startswith("ollama:") else None
        self._model: Any = None
        self.supported = self._settings is not None

    def choose(self, question: str, context: Context) -> tuple[list[ToolCall], str]:
        """The tools that the model asks for.

        Returns:
            Checked calls (none where the rules have to choose), and a notice where the model cannot call tools.
        """
        if not self.supported:
            return [], ""
        try:
            reply = self._chat().bind_tools(_tools()).invoke(_asked(question, context))
        except Exception as error:
            if _without_tools(error):
                self.supported = False
                name = self._settings.model if self._settings else ""
                return [], f"{name} cannot call tools; the tools were chosen by rules."
            # A server that does not answer is told about once, by the answer itself.
            log.warning("choosing tools: %s", error)
            return [], ""
        return grounded(getattr(reply, "tool_calls", []), question, context), ""

    def tell(self, question: str, results: Sequence[ToolResult]) -> str:
        """What the model says of the tools' figures, unchecked; empty where it cannot be asked."""
        if not self.supported or self._settings is None or not results:
            return ""
        calls = [
            {"name": result.tool, "args": dict(result.arguments), "id": f"call-{place}"}
            for place, result in enumerate(results)
        ]
        messages: list[BaseMessage] = [SystemMessage(_TELL), HumanMessage(mask(question).text)]
        messages.append(AIMessage("", tool_calls=calls))
        messages += [
            ToolMessage(f"{result.title}. {result.text}", tool_call_id=f"call-{place}")
            for place, result in enumerate(results)
        ]
        try:
            return "".join(stream_ollama(self._chat(), self._settings, messages, Usage()))
        except ModelUnavailable as error:
            log.warning("telling figures: %s", error)
            return ""

    def _chat(self) -> Any:
        if self._model is None and self._settings is not None:
            self._model = ollama_chat_model(self._settings)
        return self._model


def grounded(asked: Sequence[Any], question: str, context: Context) -> list[ToolCall]:
    """The calls among those a model asked for that are sound: known, well formed, naming only what was named."""
    calls: list[ToolCall] = []
    said = f"{question} {context.transaction_id}".lower()
    words = set(re.findall(r"[\w.:/-]+", said)) | set(re.findall(r"\d+", said))
    for entry in asked:
        arguments = {
            str(name): str(value) for name, value in dict(entry.get("args") or {}).items() if value is not None
        }
        call = ToolCall(str(entry.get("name") or ""), arguments)
        try:
            values = checked(call)
        except ToolError as error:
            log.info("a tool call was refused: %s", error)
            continue
        if call.tool == "account_history" and not values["transaction_id"] and not values["account"]:
            arguments["transaction_id"] = context.transaction_id
        named = [str(value).lower() for name, value in values.items() if name != "metric"]
        invented = [value for value in named if value not in _FREE and value.removeprefix("v") not in words | _v(words)]
        if invented:
            log.info("a tool call was refused: %s names %s, which the question does not", call.tool, invented)
            continue
        if call not in calls:
            calls.append(call)
    return calls[:MOST_CALLS]


def _v(words: set[str]) -> set[str]:
    """Versions as digits: v2 in a question names 2."""
    return {word[1:] for word in words if re.fullmatch(r"v\d+", word)}


def _asked(question: str, context: Context) -> list[BaseMessage]:
    at_hand = f"\nThe payment at hand: {context.transaction_id}" if context.transaction_id else ""
    return [SystemMessage(_CHOOSE), HumanMessage(f"{mask(question).text}{at_hand}")]


def _tools() -> list[BaseTool]:
    return [
        StructuredTool.from_function(
            func=_described(tool.about), name=tool.name, description=tool.about, args_schema=tool.arguments
        )
        for tool in TOOLS.values()
    ]


def _described(about: str) -> Callable[..., str]:
    def describe(**_arguments: str) -> str:
        # Calls are run by the toolbox once they are checked, never by the chain.
        return about

    return describe


def _without_tools(error: Exception) -> bool:
    text = str(error).lower()
    return "tool" in text and ("support" in text or "not" in text)
