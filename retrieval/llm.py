"""The two chat models behind one interface: the built-in extractive answerer, and Ollama by LangChain's client."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from retrieval.errors import InputError, ModelUnavailable

OLLAMA_URL = "http://127.0.0.1:11434"

CONTEXT_TOKENS = 8192
"""Asked of Ollama for each question; its own default would cut the evidence without a word."""

SELECTION = "fraud_desk_selection"
"""Key under which the answer chain hands the extractive answerer the sentences that it has scored."""


class ExtractiveChatModel(BaseChatModel):
    """Answers with the best sentences of the evidence, word for word, each with the number of its passage.

    It needs no weights: the sentences were scored by the chain, which attaches them to the last message. Given a
    prompt without them it says that it has no evidence.
    """

    @property
    def _llm_type(self) -> str:
        return "extractive"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = " ".join(_selected(messages))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for place, sentence in enumerate(_selected(messages)):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f" {sentence}" if place else sentence))


def _selected(messages: Sequence[BaseMessage]) -> list[str]:
    from retrieval.prompts import REFUSAL

    chosen = messages[-1].additional_kwargs.get(SELECTION) if messages else None
    return [f"{entry['text']} [{entry['number']}]" for entry in chosen] if chosen else [REFUSAL]


@dataclass(frozen=True)
class OllamaSettings:
    """How Ollama is asked.

    Attributes:
        model: Its name there, such as `llama3.2`.
        url: The server's address.
        connect_seconds: Longest wait for a connection.
        first_token_seconds: Longest wait for each piece of an answer; for the first, a model may have to load.
        total_seconds: Longest time for a whole answer.
        retries: Further tries after a failure before the first piece, with growing pauses.
    """

    model: str
    url: str = OLLAMA_URL
    connect_seconds: float = 2.0
    first_token_seconds: float = 60.0
    total_seconds: float = 180.0
    retries: int = 1


def make_chat_model(llm: str, ollama_url: str | None = None) -> tuple[BaseChatModel | None, OllamaSettings | None]:
    """Read the setting `llm`.

    Returns:
        The extractive model and None, or None and the settings of Ollama.

    Raises:
        InputError: If it is neither `extractive` nor `ollama:MODEL`, or the address is malformed.
    """
    if llm == "extractive":
        return ExtractiveChatModel(), None
    kind, _, model = llm.partition(":")
    if kind != "ollama" or not model:
        raise InputError(f"llm {llm!r}: write extractive, or ollama:MODEL such as ollama:llama3.2")
    url = ollama_url or OLLAMA_URL
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"ollama_url {url!r}: write it like {OLLAMA_URL}")
    return None, OllamaSettings(model, url.rstrip("/"))


def ollama_chat_model(settings: OllamaSettings) -> BaseChatModel:
    """LangChain's client for Ollama with our limits; connects at the first question."""
    import httpx
    from langchain_ollama import ChatOllama

    limit = httpx.Timeout(settings.first_token_seconds, connect=settings.connect_seconds)
    return ChatOllama(
        model=settings.model,
        base_url=settings.url,
        temperature=0,
        num_ctx=CONTEXT_TOKENS,
        num_predict=400,
        client_kwargs={"timeout": limit},
    )


@dataclass
class Usage:
    """What a chat model told about its last answer; filled while it streams.

    Attributes:
        prompt_tokens: Tokens of the prompt that the server says it read; None where it does not say.
        completion_tokens: Tokens that it says it wrote; None where it does not say.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def stream_ollama(
    model: BaseChatModel, settings: OllamaSettings, messages: list[BaseMessage], usage: Usage
) -> Iterator[str]:
    """Pieces of an answer from Ollama, within its time limits.

    Tries again only while nothing has been said yet, and only where another try can help.

    Raises:
        ModelUnavailable: With one line that says what is wrong at which address and what to do.
    """
    begun = time.monotonic()
    for attempt in range(settings.retries + 1):
        said = False
        try:
            for chunk in model.stream(messages):
                if time.monotonic() - begun > settings.total_seconds:
                    raise TimeoutError
                if isinstance(chunk, AIMessageChunk) and chunk.usage_metadata:
                    usage.prompt_tokens = chunk.usage_metadata.get("input_tokens")
                    usage.completion_tokens = chunk.usage_metadata.get("output_tokens")
                if piece := str(chunk.text):
                    said = True
                    yield piece
            return
        except GeneratorExit:
            raise
        except Exception as problem:
            reason, again = _explain(problem, settings)
            spent = time.monotonic() - begun
            if said or not again or attempt == settings.retries or spent > settings.total_seconds / 2:
                raise ModelUnavailable(reason) from problem
            time.sleep(0.5 * 2**attempt)


def _explain(problem: Exception, settings: OllamaSettings) -> tuple[str, bool]:
    """One line on a failure, and whether another try can help."""
    import httpx
    import ollama

    place = f"Ollama at {settings.url}"
    if isinstance(problem, ollama.ResponseError):
        if problem.status_code == 404:
            return f"{place} has no model {settings.model}; run `ollama pull {settings.model}`", False
        again = problem.status_code >= 500 or problem.status_code == 429
        return f"{place} failed ({_one_line(problem.error)}); see the log of `ollama serve`", again
    if isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout | ConnectionError):
        return f"{place} does not answer; start it with `ollama serve`, or correct the address", True
    if isinstance(problem, httpx.TimeoutException | TimeoutError):
        return f"{place} took too long for {settings.model}; try a smaller model", False
    if isinstance(problem, httpx.RemoteProtocolError | httpx.ReadError):
        return f"{place} broke off its answer; see the log of `ollama serve`", True
    if isinstance(problem, json.JSONDecodeError | ValueError | KeyError | TypeError):
        return f"{place} sent something that is no answer; is another service on that address?", False
    return f"{place} failed ({type(problem).__name__}: {_one_line(str(problem))})", False


@dataclass(frozen=True)
class Health:
    """Whether Ollama can answer.

    Attributes:
        ok: True if the server answers and has the model.
        detail: What was found.
        fix: What to do; empty if nothing.
    """

    ok: bool
    detail: str
    fix: str = ""


def ollama_health(url: str | None, model: str) -> Health:
    """Ask the server for its models, within two seconds."""
    import httpx

    address = (url or OLLAMA_URL).rstrip("/")
    try:
        answer = httpx.get(f"{address}/api/tags", timeout=2, trust_env=False)
        answer.raise_for_status()
        names = [str(entry["name"]) for entry in answer.json()["models"]]
    except (httpx.ConnectError, httpx.ConnectTimeout):
        fix = "start it with `ollama serve`; from inside a container use http://host.docker.internal:11434"
        return Health(False, f"no answer at {address}", fix)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as problem:
        return Health(False, f"{address} does not speak Ollama's API ({type(problem).__name__})", "correct the address")
    wanted = {model, f"{model}:latest"}
    if not wanted & set(names):
        return Health(False, f"model {model} is not there; it has {', '.join(names) or 'none'}", f"ollama pull {model}")
    return Health(True, f"reachable, model {model} is there")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
