"""A small real HTTP server that speaks Ollama's chat API with tools: it asks for the tools that it is told to."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Manner:
    """What the model does next.

    Attributes:
        calls: Tool calls as (name, arguments), given to a request that offers tools.
        told: What it says of the tools' results, and to any other request.
        tools: Whether it can call tools at all.
        seconds: How long it takes over each request.
        requests: Every request's body.
    """

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    told: str = "NOT IN THE DOCUMENTS"
    tools: bool = True
    seconds: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)


class ToolServer:
    """Serves until `stop`; `manner` may be changed at any time."""

    def __init__(self) -> None:
        self.manner = Manner()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._send(200, {"models": [{"name": "llama3.2:latest", "model": "llama3.2:latest"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                manner = outer.manner
                manner.requests.append(body)
                time.sleep(manner.seconds)
                if body.get("tools") and not manner.tools:
                    return self._send(400, {"error": f"{body['model']} does not support tools"})
                message: dict[str, Any] = {"role": "assistant", "content": manner.told}
                if body.get("tools"):
                    calls = [{"function": {"name": name, "arguments": given}} for name, given in manner.calls]
                    message = {"role": "assistant", "content": "", "tool_calls": calls}
                end = {"done": True, "done_reason": "stop", "prompt_eval_count": 2_000, "eval_count": 5}
                stamp = {"model": body["model"], "created_at": "2026-07-01T00:00:00Z"}
                self._send(200, stamp | {"message": message} | end)

            def _send(self, status: int, value: dict[str, Any]) -> None:
                data = json.dumps(value).encode() + b"\n"
                self.send_response(status)
                self.send_header("Content-Type", "application/x-ndjson")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
