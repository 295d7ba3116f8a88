"""Tools of the assistant: figures about payments, accounts, models, drift and the queue, chosen from the question."""

from app.tools.payments import CaseFacts
from app.tools.records import Figure, FigureTable, ToolCall, ToolError, ToolResult
from app.tools.rules import Context, plan
from app.tools.toolbox import TOOLS, Toolbox

__all__ = [
    "TOOLS",
    "CaseFacts",
    "Context",
    "Figure",
    "FigureTable",
    "ToolCall",
    "ToolError",
    "ToolResult",
    "Toolbox",
    "plan",
]
