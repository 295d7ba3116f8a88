"""The judge: a language model on an Ollama server that Ragas' metrics ask for verdicts, within limits.

    judge = Judge.parse("ollama:llama3.1:8b", url="http://127.0.0.1:11434")
    found = await Faithfulness(llm=OllamaJudge(judge)).ascore(user_input=..., response=..., retrieved_contexts=[...])

Every call has a time limit, is tried again where another try can help, and is counted. A verdict that is no verdict
(not JSON of the schema asked for, neither 0 nor 1) is a failure, not a nought.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel, ValidationError
from ragas.llms.base import InstructorBaseRagasLLM

from eval.errors import EvalError, EvalInputError

OLLAMA_URL = "http://127.0.0.1:11434"
_CONNECT_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 30.0
# Fewer characters than this come on one token in English and JSON: an estimate on the safe side.
_CHARACTERS_A_TOKEN = 3
_VERDICTS = ("verdict", "attributed", "noncommittal")

Reply = TypeVar("Reply", bound=BaseModel)


class JudgeUnavailable(EvalError):
    """The judge cannot be used at all: no server, or no such model on it."""


class JudgeFailure(EvalError):
    """The judge gave no verdict on one point."""


@dataclass(frozen=True)
class Judge:
    """Who judges, and within which limits.

    Attributes:
        model: Name on the Ollama server.
        url: Address of the server.
        seed: Given to the model with each call; the temperature is 0.
        concurrency: Calls under way at once.
        call_seconds: Longest time of one call.
        total_seconds: Longest time of all judging; what is left then counts as failed.
        retries: Further tries of one call.
        pause_seconds: Before the first further try; doubled for each one after.
        give_up_seconds: After so long without any server at the address, the rest counts as failed without being asked.
        context_tokens: Length of the model's context; its server's default would cut prompts without a word.
        reply_tokens: Longest reply.
    """

    model: str
    url: str = OLLAMA_URL
    seed: int = 0
    concurrency: int = 2
    call_seconds: float = 120.0
    total_seconds: float = 8 * 3600.0
    retries: int = 2
    pause_seconds: float = 0.5
    give_up_seconds: float = 60.0
    context_tokens: int = 8192
    reply_tokens: int = 1024

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EvalInputError(f"judge's address {self.url!r}: write it like {OLLAMA_URL}")
        if not self.model.strip():
            raise EvalInputError("the judge has no model; write ollama:MODEL, such as ollama:llama3.1")
        if self.concurrency < 1 or self.retries < 0 or min(self.call_seconds, self.total_seconds) <= 0:
            raise EvalInputError("the judge's limits: concurrency and seconds above 0, retries 0 or more")

    @classmethod
    def parse(cls, judge: str, url: str | None = None, **limits: Any) -> Self:
        """A judge from `ollama:MODEL`.

        Raises:
            EvalInputError: it is not of that form, or a limit is out of range.
        """
        kind, _, model = judge.partition(":")
        if kind != "ollama" or not model:
            raise EvalInputError(f"judge {judge!r}: write ollama:MODEL, such as ollama:llama3.1")
        return cls(model, (url or OLLAMA_URL).rstrip("/"), **limits)

    def params(self) -> dict[str, Any]:
        """What of it decides the verdicts, for the run in MLflow; a password in the address is left out."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        place = f"{host}:{parts.port}" if parts.port else host
        return {
            "judge": f"ollama:{self.model}",
            "judge_url": urlunsplit((parts.scheme, place, parts.path, "", "")),
            "judge_seed": self.seed,
            "judge_temperature": 0,
            "judge_context_tokens": self.context_tokens,
            "judge_retries_allowed": self.retries,
        }


def find_model(judge: Judge) -> str:
    """Digest of the judge's model on its server, by which one knows whether two runs had the same judge.

    Raises:
        JudgeUnavailable: no answer, or no such model; says what to do.
    """
    import httpx

    try:
        answer = httpx.get(f"{judge.url}/api/tags", timeout=_CONNECT_SECONDS, trust_env=False)
        answer.raise_for_status()
        models = {str(entry["name"]): str(entry.get("digest") or "") for entry in answer.json()["models"]}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as problem:
        raise JudgeUnavailable(
            f"the judge at {judge.url} does not answer as Ollama does ({type(problem).__name__}); start it with "
            "`ollama serve`, or correct the address"
        ) from problem
    for name in (judge.model, f"{judge.model}:latest"):
        if name in models:
            return models[name][:12]
    raise JudgeUnavailable(
        f"the judge at {judge.url} has no model {judge.model} (it has {', '.join(sorted(models)) or 'none'}); run "
        f"`ollama pull {judge.model}`"
    )


@dataclass
class JudgeUsage:
    """What judging has cost so far: calls made, tries after a failure, tokens as the server reports them."""

    calls: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    seconds: float = 0.0

    def metrics(self) -> dict[str, float]:
        """The same by stable name."""
        return {
            "judge_calls": float(self.calls),
            "judge_retries": float(self.retries),
            "judge_prompt_tokens": float(self.prompt_tokens),
            "judge_reply_tokens": float(self.reply_tokens),
            "judge_seconds": self.seconds,
        }


@dataclass
class _Patience:
    """When to stop asking at all; times of the monotonic clock."""

    ends: float
    give_up_seconds: float
    gone_since: float | None = None

    def check(self) -> None:
        now = time.monotonic()
        if self.gone_since is not None and now - self.gone_since > self.give_up_seconds:
            raise JudgeFailure(f"not asked any more: no judge for {self.give_up_seconds:g} s")
        if now > self.ends:
            raise JudgeFailure("the time limit of all judging was reached")


class OllamaJudge(InstructorBaseRagasLLM):
    """The language model that Ragas' metrics call. Belongs to one event loop."""

    def __init__(self, judge: Judge) -> None:
        """Prepare; nothing is connected yet."""
        import httpx
        from langchain_ollama import ChatOllama

        self.judge = judge
        self.usage = JudgeUsage()
        self._patience = _Patience(time.monotonic() + judge.total_seconds, judge.give_up_seconds)
        self._chat = ChatOllama(
            model=judge.model,
            base_url=judge.url,
            temperature=0,
            seed=judge.seed,
            num_ctx=judge.context_tokens,
            num_predict=judge.reply_tokens,
            # An address given for the judge is meant; a proxy of the environment is not.
            client_kwargs={
                "timeout": httpx.Timeout(judge.call_seconds, connect=_CONNECT_SECONDS),
                "trust_env": False,
            },
        )

    def generate(self, prompt: str, response_model: type[Reply]) -> Reply:
        """Not for a running loop; Ragas' metrics call `agenerate`."""
        return asyncio.run(self.agenerate(prompt, response_model))

    async def agenerate(self, prompt: str, response_model: type[Reply]) -> Reply:
        """The judge's reply to a prompt, in the form asked for.

        Raises:
            JudgeFailure: after all tries, with the reason of the last one.
        """
        room = self.judge.context_tokens - self.judge.reply_tokens
        if len(prompt) > room * _CHARACTERS_A_TOKEN:
            raise JudgeFailure(f"the prompt of {len(prompt)} characters does not fit the judge's context")
        messages: list[BaseMessage] = [HumanMessage(prompt)]
        for attempt in range(self.judge.retries + 1):
            self._patience.check()
            if attempt:
                self.usage.retries += 1
                await asyncio.sleep(min(self.judge.pause_seconds * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS))
            try:
                said = await self._call(messages, response_model)
                self._patience.gone_since = None
            except Exception as problem:
                reason, again = self._explain(problem)
                if not again or attempt == self.judge.retries:
                    raise JudgeFailure(reason) from problem
                continue
            try:
                return read_reply(said, response_model)
            except JudgeFailure as problem:
                if attempt == self.judge.retries:
                    raise
                # The same prompt would bring the same reply: the model is deterministic.
                complaint = f"That cannot be used: {problem}. Reply again with the JSON asked for and nothing else."
                messages = [messages[0], AIMessage(said), HumanMessage(complaint)]
        raise AssertionError("every try either returns or raises")

    async def _call(self, messages: list[BaseMessage], response_model: type[BaseModel]) -> str:
        self.usage.calls += 1
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self.judge.call_seconds):
                reply = await self._chat.ainvoke(messages, format=response_model.model_json_schema())
        finally:
            self.usage.seconds += time.monotonic() - begun
        counted = reply.usage_metadata
        if counted is not None:
            self.usage.prompt_tokens += counted.get("input_tokens") or 0
            self.usage.reply_tokens += counted.get("output_tokens") or 0
        return str(reply.text)

    def _explain(self, problem: Exception) -> tuple[str, bool]:
        """One line on a failed call, and whether another try can help."""
        import httpx
        import ollama

        if isinstance(problem, ollama.ResponseError):
            again = problem.status_code >= 500 or problem.status_code in (-1, 408, 429)
            return f"the judge failed ({problem.status_code}: {' '.join(str(problem.error).split())[:200]})", again
        if isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout | ConnectionError):
            self._patience.gone_since = self._patience.gone_since or time.monotonic()
            return f"no judge at {self.judge.url}", True
        if isinstance(problem, TimeoutError | httpx.TimeoutException):
            return f"the judge gave no answer within {self.judge.call_seconds:g} s", True
        name = f"{type(problem).__name__}: {' '.join(str(problem).split())[:200]}"
        return f"the judge broke off ({name})", True


def read_reply(said: str, response_model: type[Reply]) -> Reply:
    """A reply in its form.

    Raises:
        JudgeFailure: it is not JSON, lacks a field, or a verdict is neither 0 nor 1.
    """
    text = said.strip()
    # Models that are told to reply in JSON like to fence it.
    if text.startswith("```"):
        text = text.strip("`").removeprefix("json").strip()
    try:
        reply = response_model.model_validate_json(text)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise JudgeFailure(f"not as asked ({where + ': ' if where else ''}{first['msg']})") from problem
    _check_verdicts(reply.model_dump())
    return reply


def _check_verdicts(value: Any) -> None:
    if isinstance(value, dict):
        for name, entry in value.items():
            if name in _VERDICTS and entry not in (0, 1):
                raise JudgeFailure(f"{name} is {json.dumps(entry)}, neither 0 nor 1")
            if name == "question" and not str(entry).strip():
                raise JudgeFailure("the question is empty")
            _check_verdicts(entry)
    elif isinstance(value, list):
        for entry in value:
            _check_verdicts(entry)
