"""A small real HTTP server that speaks Ollama's API as a judge: scripted verdicts, and calls that fail on a rhythm."""

import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "judge:latest"


@dataclass
class Script:
    """What the judge says.

    Attributes:
        verdicts: Of each statement of an answer or reference, in order; repeated where there are more.
        useful: Of each passage for the reference answer, in order; repeated where there are more.
        attributed: Of each claim of the reference answer to the passages.
        statements: What an answer or a reference is taken apart into.
        question: What the answer is said to answer.
        fail_every: Every so many calls one fails; 0 for none.
        fault: How: error_500, not_json, bad_verdict, too_few, slow, cut.
        requests: All that was asked.
    """

    verdicts: tuple[int, ...] = (1, 1, 0, 1)
    useful: tuple[int, ...] = (1, 0)
    attributed: tuple[int, ...] = (1, 0)
    statements: tuple[str, ...] = ("First.", "Second.", "Third.", "Fourth.")
    question: str = "holds?"
    noncommittal: int = 0
    fail_every: int = 0
    fault: str = "error_500"
    requests: list[dict[str, Any]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    failed: int = 0


class JudgeServer:
    """Serves on a free port of this machine until `stop`."""

    def __init__(self) -> None:
        self.script = Script()
        self._guard = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._whole(200, {"models": [{"name": MODEL, "model": MODEL, "digest": "0123456789abcdef"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._guard:
                    script = outer.script
                    script.requests.append(body)
                    fails = bool(script.fail_every) and len(script.requests) % script.fail_every == 0
                    script.failed += fails
                    reply = outer.reply(body)
                fault = script.fault if fails else ""
                if fault == "error_500":
                    return self._whole(500, {"error": "llama runner process has terminated"})
                if fault == "not_json":
                    reply = "I would say that it is faithful."
                if fault == "bad_verdict":
                    reply = re.sub(r'"(verdict|attributed|noncommittal)": \d', r'"\1": 7', reply)
                if fault == "too_few":
                    reply = re.sub(r', \{"statement".*\}(?=\])', "", reply)
                if fault == "slow":
                    time.sleep(1.0)
                self._stream(reply, cut=fault == "cut")

            def _stream(self, reply: str, cut: bool) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/x-ndjson")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                half = len(reply) // 2
                self._line({"message": {"role": "assistant", "content": reply[:half]}, "done": False})
                if cut:
                    self.close_connection = True
                    return self.connection.close()
                self._line({"message": {"role": "assistant", "content": reply[half:]}, "done": False})
                end = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
                self._line({**end, "prompt_eval_count": 100, "eval_count": 10})
                self._send(b"0\r\n\r\n")

            def _line(self, value: dict[str, Any]) -> None:
                value = {"model": MODEL, "created_at": "2026-07-01T00:00:00Z", **value}
                data = json.dumps(value).encode() + b"\n"
                self._send(b"%x\r\n%s\r\n" % (len(data), data))

            def _send(self, data: bytes) -> None:
                try:
                    self.wfile.write(data)
                    self.wfile.flush()
                except OSError:
                    self.close_connection = True

            def _whole(self, status: int, value: dict[str, Any]) -> None:
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self._send(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def reply(self, body: dict[str, Any]) -> str:
        """What the script says to a prompt, chosen by the form that the prompt asks for."""
        script, form = self.script, str(body["format"]["title"])
        prompt = next(message["content"] for message in body["messages"] if message["role"] == "user")
        given = json.loads(prompt[prompt.rindex("\ninput: ") + len("\ninput: ") : prompt.rindex("\nOutput: ")])
        if form == "StatementGeneratorOutput":
            return json.dumps({"statements": script.statements})
        if form == "ClaimDecompositionOutput":
            return json.dumps({"claims": script.statements})
        if form == "NLIStatementOutput":
            verdicts = [
                {"statement": text, "reason": "read", "verdict": script.verdicts[n % len(script.verdicts)]}
                for n, text in enumerate(given["statements"])
            ]
            return json.dumps({"statements": verdicts})
        if form == "AnswerRelevanceOutput":
            return json.dumps({"question": script.question, "noncommittal": script.noncommittal})
        if form == "ContextPrecisionOutput":
            place = script.seen[given["question"]]
            script.seen[given["question"]] += 1
            return json.dumps({"reason": "read", "verdict": script.useful[place % len(script.useful)]})
        if form == "ContextRecallOutput":
            found = [
                {"statement": f"Claim {n}", "reason": "read", "attributed": v} for n, v in enumerate(script.attributed)
            ]
            return json.dumps({"classifications": found})
        raise AssertionError(f"no script for {form}")
