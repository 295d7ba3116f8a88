"""Loaded by Python at its start where this folder is on the path: writes down every name looked up and place reached.

Python's own audit events tell of every look-up and connection of the process, whichever library asks for it.
"""

import json
import os
import sys
from pathlib import Path

if "WATCH_FILE" in os.environ:
    said = Path(os.environ["WATCH_FILE"]).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115  # while it runs

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
            said.write(json.dumps([event, str(args[0])]) + "\n")
        elif event == "socket.connect" and isinstance(args[1], tuple):
            said.write(json.dumps([event, str(args[1][0])]) + "\n")

    sys.addaudithook(hook)
