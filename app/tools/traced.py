"""The trace of an answer that figures gave alone: the question, a span for each tool; masked by the tracer."""

import time
from collections.abc import Sequence
from typing import Any

from app.tools.records import ToolResult
from retrieval.tracing import Step, Tracer


def trace_figures(tracer: Tracer | None, question: str, outputs: dict[str, Any], timed: Sequence["Timed"]) -> str:
    """Hands the trace over and returns its id; empty where tracing is off.

    Args:
        tracer: Sends it; None where tracing is off.
        question: As asked.
        outputs: What was answered.
        timed: The tools' results, each with its time.
    """
    if tracer is None:
        return ""
    begun = timed[0][0] if timed else time.time_ns()
    spans = [
        Step(result.tool, "TOOL", first, last, dict(result.arguments), result.to_dict(), result.problem)
        for first, last, result in timed
    ]
    whole = Step("question", "CHAIN", begun, time.time_ns(), {"question": question}, outputs)
    return tracer.record(whole, spans)


Timed = tuple[int, int, ToolResult]
"""When a tool began and ended, in nanoseconds since 1970 UTC, and what it gave."""
