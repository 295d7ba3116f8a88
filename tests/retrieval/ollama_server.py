"""A small real HTTP server that speaks the published API of Ollama, and can misbehave in each way that it does."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Behaviour:
    """What the server does next."""

    answer: str = "A hold lasts 48 hours at most [1]."
    fault: str = ""
    prompt_tokens: int | None = 900
    models: tuple[str, ...] = ("llama3.2:latest",)
    requests: list[dict[str, Any]] = field(default_factory=list)
    obey: bool = False


class OllamaServer:
    def __init__(self) -> None:
        self.behaviour = Behaviour()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                models = [{"name": name, "model": name} for name in outer.behaviour.models]
                self._whole(200, {"models": models})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.behaviour.requests.append(body)
                self._chat(body, outer.behaviour)

            def _chat(self, body: dict[str, Any], how: Behaviour) -> None:
                fault = how.fault
                if fault == "fail_once":
                    how.fault = ""
                if fault in ("error_500", "fail_once"):
                    return self._whole(500, {"error": "llama runner process has terminated: out of memory"})
                if f"{body['model']}:latest" not in how.models:
                    return self._whole(404, {"error": f"model '{body['model']}' not found"})
                if fault == "not_ollama":
                    return self._raw(200, b"<html>It works!</html>", "text/html")
                self.send_response(200)
                self.send_header("Content-Type", "application/x-ndjson")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                text = body["messages"][-1]["content"] if how.obey else how.answer
                pieces = [] if fault == "empty" else [text[i : i + 12] for i in range(0, len(text), 12)]
                for number, piece in enumerate(pieces):
                    if fault == "slow" or (fault == "stalls" and number == 1):
                        time.sleep(3)
                    if fault == "cut" and number == 1:
                        self.close_connection = True
                        return self.connection.close()
                    if fault == "bad_json" and number == 1:
                        return self._chunk(b'{"model": "llama3.2", "message": {\n') or self._chunk(b"")
                    if fault == "error_inside" and number == 1:
                        return self._line({"error": "unexpected EOF"}) or self._chunk(b"")
                    self._line(
                        {"model": body["model"], "message": {"role": "assistant", "content": piece}, "done": False}
                    )
                end: dict[str, Any] = {"model": body["model"], "message": {"role": "assistant", "content": ""}}
                end |= {"done": True, "done_reason": "stop", "eval_count": len(pieces)}
                if how.prompt_tokens is not None:
                    end["prompt_eval_count"] = how.prompt_tokens
                self._line(end)
                self._chunk(b"")

            def _line(self, value: dict[str, Any]) -> None:
                self._chunk(json.dumps({"created_at": "2026-07-01T00:00:00Z"} | value).encode() + b"\n")

            def _chunk(self, data: bytes) -> None:
                try:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                except OSError:
                    self.close_connection = True

            def _whole(self, status: int, value: dict[str, Any]) -> None:
                self._raw(status, json.dumps(value).encode(), "application/json")

            def _raw(self, status: int, data: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
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
