"""The prompt in MLflow's prompt registry: whoever holds the alias there decides what the chat model is told.

The registry is a convenience, never a condition: while it cannot be reached, or holds a prompt that cannot be filled
in, the last good prompt stays, at first the one in the files.
"""

import logging
import threading
import time

from retrieval.prompts import Prompt, default_prompt

logger = logging.getLogger(__name__)

NAME = "fraud-desk-answer"
ALIAS = "production"

REFRESH_SECONDS = 60.0
"""How long a prompt is used before the alias is looked up again, beside the answers."""

FIRST_WAIT_SECONDS = 3.0
"""Longest wait of the first question for the registry."""


class PromptRegistry:
    """The prompt behind an alias, kept fresh in the background. Safe to share between threads."""

    def __init__(self, tracking_uri: str, name: str = NAME, alias: str = ALIAS) -> None:
        """Prepare; nothing is connected yet.

        Args:
            tracking_uri: MLflow's address; no global state of MLflow is read or changed.
            name: The prompt's name there; registered from the files if it is not there.
            alias: Which version of it.
        """
        self._uri, self._name, self._alias = tracking_uri, name, alias
        self._prompt = default_prompt()
        self._lock = threading.Lock()
        self._looked = 0.0
        self._worker: threading.Thread | None = None

    def current(self) -> Prompt:
        """The prompt to use now; waits for the registry at the first call only."""
        with self._lock:
            first = self._looked == 0.0
            due = time.monotonic() - self._looked > REFRESH_SECONDS
            if (first or due) and (self._worker is None or not self._worker.is_alive()):
                self._looked = time.monotonic()
                self._worker = threading.Thread(target=self._look_up, name="prompt registry", daemon=True)
                self._worker.start()
            worker = self._worker
        if first and worker is not None:
            worker.join(FIRST_WAIT_SECONDS)
        return self._prompt

    def refresh(self) -> Prompt:
        """Look the alias up at once; the last good prompt where that fails."""
        self._looked = time.monotonic()
        self._look_up()
        return self._prompt

    def _look_up(self) -> None:
        try:
            self._prompt = load_prompt(self._uri, self._name, self._alias)
        except Exception as problem:
            logger.warning("prompt registry at %s: %s; using prompt %s", self._uri, problem, self._prompt.version)


def load_prompt(tracking_uri: str, name: str = NAME, alias: str = ALIAS) -> Prompt:
    """Read the prompt behind an alias; where there is no such prompt, register the one in the files under it.

    Raises:
        InputError: If the registered prompt cannot be filled in.
        mlflow.exceptions.MlflowException: If the registry cannot be reached or refuses.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    try:
        found = client.get_prompt_version_by_alias(name, alias)
    except MlflowException as problem:
        if problem.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"):
            raise
        found = None
    if found is None:
        shipped = default_prompt()
        template = [
            {"role": "system", "content": _to_registry(shipped.system)},
            {"role": "user", "content": _to_registry(shipped.user)},
        ]
        found = client.register_prompt(name, template, commit_message="The prompt that ships with the desk")
        client.set_prompt_alias(name, alias, int(found.version))
    origin = f"{name}/{found.version}"
    if isinstance(found.template, str):
        return Prompt(default_prompt().system, _from_registry(found.template), origin)
    said = {str(part["role"]): str(part["content"]) for part in found.template}
    return Prompt(_from_registry(said.get("system", "")), _from_registry(said.get("user", "")), origin)


def _to_registry(text: str) -> str:
    """MLflow writes fields with two braces."""
    return text.replace("{question}", "{{question}}").replace("{evidence}", "{{evidence}}")


def _from_registry(text: str) -> str:
    for name in ("question", "evidence"):
        text = text.replace("{{" + name + "}}", "{" + name + "}").replace("{{ " + name + " }}", "{" + name + "}")
    return text
