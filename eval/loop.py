"""Asynchronous work in an event loop of its own, so that it may be called from inside a running one."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any


def in_own_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run to the end in a thread of its own; what it raises is raised here.

    Ragas' blocking calls may not be made where a loop runs already, and none of it under uvloop.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            # Named, so that a policy installed by the server (uvloop, which Ragas refuses) does not decide.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(work())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="ragas", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
