"""Settings: one table of name, type, default and help; the only module that reads the environment.

A value comes from, in this order: a command-line flag, an environment variable (FRAUDDESK_PORT=8000), the file
frauddesk.toml in the working directory (port = 8000), the default. An unknown or mistyped name stops the start.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

PREFIX = "FRAUDDESK_"
FILE_NAME = "frauddesk.toml"
# Read apart from the table: it names the file that the table's values come from.
CONFIG_VARIABLE = PREFIX + "CONFIG"
# Words in a setting's name whose value `doctor` and logs never show.
_SECRET_WORDS = ("password", "token", "secret")


class SettingsError(Exception):
    """A setting is unknown, mistyped or out of range; the message names it, its place and the fix."""


def _setting(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class Settings:
    """Everything that can be set. `help` of each field stands in README and in `frauddesk doctor`."""

    home: Path = _setting(Path("var"), "Folder of all state: databases, models, index, data, reports.")
    host: str = _setting("127.0.0.1", "Address that the desk listens on.")
    port: int = _setting(7860, "Port that the desk listens on.")
    tracking_uri: str = _setting("", "MLflow tracking and registry; empty: SQLite under `home`.")
    database_url: str = _setting("", "The desk's database as a SQLAlchemy URL; empty: SQLite under `home`.")
    chroma_url: str = _setting("", "Chroma server, such as http://chroma:8000; empty: embedded, under `home`.")
    embedding_model: str = _setting("", "Folder of a sentence-transformers model; empty: the packaged MiniLM.")
    llm: str = _setting("extractive", "Who writes the answers: `extractive`, or `ollama:MODEL`.")
    ollama_url: str = _setting("http://127.0.0.1:11434", "Address of the Ollama server.")
    ab_share: int = _setting(0, "Conversations in a hundred that a second configuration answers; 0: none.")
    ab_llm: str = _setting("", "Who writes the answers in it; empty: as `llm` says.")
    ab_passages: int = _setting(0, "Passages that its answers are taken from; 0: as many as in the first.")
    judge: str = _setting("", "Model that gives Ragas' metrics its verdicts, `ollama:MODEL`; empty: none does.")
    tracing: str = _setting(
        "off", "Whether each question becomes an MLflow trace and the prompt comes from its registry: `on` or `off`."
    )
    corpus: Path = _setting(Path(), "Folder of documents to index besides what the desk writes; empty: docs_corpus.")
    alert_budget: int = _setting(25, "Alerts a day that the team can work; sets the threshold of a new model.")
    alert_days: int = _setting(7, "Days at the end of the data that `up` scores into alerts.")
    simulated_rows: int = _setting(200_000, "Transactions that `up` simulates when no data are given.")
    simulated_days: int = _setting(90, "Days that the simulated transactions span.")
    seed: int = _setting(7, "Seed of the simulation and of training.")
    threshold: str = _setting("budget", "What sets a new model's threshold: `budget`, `cost` or `recall`.")
    wanted_recall: float = _setting(0.8, "Share of the fraud to find, where the threshold is set by `recall`.")
    false_positive_cost: float = _setting(50.0, "Cost of working one false alert, in the payments' currency.")
    missed_fraud_cost: str = _setting("amount", "Cost of one missed fraud: its `amount`, or a sum such as 500.")
    gate_recall: float = _setting(0.7, "Recall at the threshold that a model must reach to be promoted.")
    gate_f1: float = _setting(0.6, "F1 at the threshold that a model must reach to be promoted.")
    gate_rare_below: float = _setting(0.02, "Share of fraud below which the next two gates may stand for those two.")
    gate_average_precision: float = _setting(0.25, "Average precision that a model of rare fraud must reach.")
    gate_card_precision: float = _setting(0.02, "Card precision at 100 that a model of rare fraud must reach.")
    leakage_limit: float = _setting(0.9, "Average precision that no column may reach alone; training stops there.")
    rag_cron: str = _setting("0 2 * * *", "When the answers are measured: a cron line, UTC.")
    drift_cron: str = _setting("0 6 * * *", "When drift is checked: a cron line, UTC.")
    schedule_minutes: int = _setting(60, "Time limit of one scheduled measurement, in minutes.")
    schedule_retries: int = _setting(1, "How often a scheduled measurement that failed is tried again.")
    prefect_url: str = _setting("", "Prefect server's API, such as http://prefect:4200/api; empty: one is started.")
    session_hours: int = _setting(12, "Hours without use after which a sign-in ends.")
    ask_per_minute: int = _setting(60, "Questions to the API a minute, for each user or token; 0: no limit.")
    score_per_minute: int = _setting(60_000, "Scorings by the API a minute, for each user or token; 0: no limit.")
    api_per_minute: int = _setting(1_200, "Other requests to the API a minute, for each user or token; 0: no limit.")
    max_upload_mb: int = _setting(200, "Largest file that the page and the API accept, in megabytes.")
    log_level: str = _setting("WARNING", "Least severe log line written to stderr: DEBUG, INFO, WARNING, ERROR.")
    log_format: str = _setting("text", "Log lines for people, `text`, or one JSON object each, `json`.")

    def __post_init__(self) -> None:
        _require(0 < self.port < 65_536, "port", f"{self.port} is not between 1 and 65535")
        _require(self.log_level in ("DEBUG", "INFO", "WARNING", "ERROR"), "log_level", f"{self.log_level!r} unknown")
        _require(self.log_format in ("text", "json"), "log_format", f"{self.log_format!r} is neither text nor json")
        for name in ("ask_per_minute", "score_per_minute", "api_per_minute"):
            _require(getattr(self, name) >= 0, name, f"{getattr(self, name)} is below 0")
        for name in (
            "alert_budget",
            "alert_days",
            "simulated_rows",
            "simulated_days",
            "max_upload_mb",
            "session_hours",
            "schedule_minutes",
        ):
            _require(getattr(self, name) > 0, name, f"{getattr(self, name)} is not positive")
        _require(
            self.llm == "extractive" or (self.llm.startswith("ollama:") and len(self.llm) > len("ollama:")),
            "llm",
            f"{self.llm!r} is neither `extractive` nor `ollama:MODEL`",
        )
        _require(0 <= self.ab_share <= 100, "ab_share", f"{self.ab_share} is not between 0 and 100")
        _require(self.ab_passages >= 0, "ab_passages", f"{self.ab_passages} is below 0")
        _require(
            self.ab_llm in ("", "extractive")
            or (self.ab_llm.startswith("ollama:") and len(self.ab_llm) > len("ollama:")),
            "ab_llm",
            f"{self.ab_llm!r} is neither `extractive` nor `ollama:MODEL`",
        )
        _require(
            self.judge == "" or (self.judge.startswith("ollama:") and len(self.judge) > len("ollama:")),
            "judge",
            f"{self.judge!r} is not `ollama:MODEL`",
        )
        _require(
            self.threshold in ("budget", "cost", "recall"),
            "threshold",
            f"{self.threshold!r} is neither `budget`, `cost` nor `recall`",
        )
        for name in ("gate_recall", "gate_f1", "gate_rare_below", "gate_average_precision", "gate_card_precision"):
            _require(0 <= getattr(self, name) <= 1, name, f"{getattr(self, name):g} is not between 0 and 1")
        for name in ("wanted_recall", "leakage_limit"):
            _require(0 < getattr(self, name) <= 1, name, f"{getattr(self, name):g} is not above 0 and at most 1")
        _require(self.false_positive_cost > 0, "false_positive_cost", f"{self.false_positive_cost:g} is not positive")
        _require(
            self.missed_fraud_cost == "amount" or _is_positive(self.missed_fraud_cost),
            "missed_fraud_cost",
            f"{self.missed_fraud_cost!r} is neither `amount` nor a positive number",
        )
        _require(self.tracing in ("on", "off"), "tracing", f"{self.tracing!r} is neither `on` nor `off`")
        _require(self.schedule_retries >= 0, "schedule_retries", f"{self.schedule_retries} is below 0")
        for name in ("ollama_url", "chroma_url", "prefect_url"):
            url = getattr(self, name)
            _require(url == "" or _is_http(url), name, f"{url!r} is not an http:// or https:// address")

    @classmethod
    def load(
        cls, overrides: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None, file: Path | None = None
    ) -> Self:
        """Settings from flags, environment and file.

        Args:
            overrides: Values from the command line; None values are passed over.
            env: The environment; os.environ where None.
            file: The settings file; FRAUDDESK_CONFIG or ./frauddesk.toml where None.

        Raises:
            SettingsError: a setting is unknown, mistyped or out of range, or the file cannot be read.
        """
        env = os.environ if env is None else env
        values: dict[str, Any] = {}
        for place, given in (("file", _from_file(env, file)), ("environment", _from_environment(env))):
            for name, value in given.items():
                values[name] = _typed(cls, name, value, place)
        values |= {name: value for name, value in (overrides or {}).items() if value is not None}
        return cls(**values)

    @property
    def mlflow_uri(self) -> str:
        """Tracking URI in force."""
        return self.tracking_uri or f"sqlite:///{self.home.resolve()}/mlflow/mlflow.db"

    @property
    def mlflow_artifacts(self) -> str | None:
        """Where a local tracking store keeps its artifacts; None where a server decides."""
        if self.mlflow_uri.startswith(("http://", "https://")):
            return None
        return (self.home.resolve() / "mlflow" / "artifacts").as_uri()

    @property
    def desk_database(self) -> str:
        """SQLAlchemy URL of the desk's database in force."""
        return self.database_url or f"sqlite:///{self.home.resolve()}/desk.db"

    @property
    def index_path(self) -> Path:
        """Folder of the index."""
        return self.home / "index"

    @property
    def corpus_shipped(self) -> Path:
        """Folder of the documents that ship, or that the user named."""
        if self.corpus != Path():
            return self.corpus
        return Path(__file__).resolve().parent.parent / "docs_corpus"

    @property
    def corpus_written(self) -> Path:
        """Folder of the documents that training and closed cases write."""
        return self.home / "corpus"

    @property
    def transactions_path(self) -> Path:
        """The working transactions, which alerts and histories come from."""
        return self.home / "data" / "transactions.parquet"

    def shown(self) -> dict[str, str]:
        """Name and value of every setting, secrets and passwords in URLs masked."""
        return {name: mask_secrets(name, str(value)) for name, value in asdict(self).items()}

    @classmethod
    def table(cls) -> list[tuple[str, str, str]]:
        """Rows of (name, default, help), in the order of the class."""
        return [(f.name, "" if f.default in ("", Path()) else str(f.default), f.metadata["help"]) for f in fields(cls)]


def silence_telemetry() -> None:
    """Switch off every library's reports to its makers, whatever the user's environment says.

    Call before the libraries are imported: most read these variables at import. What each of them looks up when left
    alone was seen by watching name look-ups.
    """
    os.environ.update(
        {
            "DO_NOT_TRACK": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "RAGAS_DO_NOT_TRACK": "true",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "ANONYMIZED_TELEMETRY": "False",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "LANGCHAIN_TRACING_V2": "false",
            "LANGSMITH_TRACING": "false",
            "MLFLOW_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            # Standard output belongs to results: with --json, to one object and nothing else.
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        }
    )
    # A tracking server that is down must cost seconds, not minutes; whoever set these knows better.
    for name, value in {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_ASYNC_TRACE_LOGGING_RETRY_TIMEOUT": "5",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "GIT_PYTHON_REFRESH": "quiet",
        "TOKENIZERS_PARALLELISM": "false",
        # OpenMP threads that wait by spinning steal the cores from whatever else runs: with busy cores, fitting the
        # champion took fourteen times as long. Threads that never spin are woken late, and take half as long again on
        # idle cores: with the GNU runtime, they spin for some microseconds first.
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "2000",
    }.items():
        os.environ.setdefault(name, value)


def use_prefect(home: Path, url: str) -> None:
    """Point Prefect, in this process and those it starts, to its own folder under the home and to a server.

    Args:
        home: FRAUDDESK_HOME in force.
        url: The server's API; empty for the server itself.
    """
    folder = home.resolve() / "prefect"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "FRAUDDESK_HOME": str(home.resolve()),
            "PREFECT_HOME": str(folder),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder}/prefect.db",
            "PREFECT_API_URL": url,
            # Without its server Prefect would start a hidden one, whose schedules nobody sees.
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_CLI_PROMPT": "false",
        }
    )


def mask_secrets(name: str, value: str) -> str:
    """The value, or asterisks where the name or a URL's password says that it is secret."""
    if any(word in name for word in _SECRET_WORDS):
        return "****" if value else ""
    password = urlsplit(value).password if "://" in value else None
    return value.replace(f":{password}@", ":****@") if password else value


def _from_environment(env: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in env.items()
        if name.startswith(PREFIX) and name != CONFIG_VARIABLE
    }


def _from_file(env: Mapping[str, str], file: Path | None) -> dict[str, Any]:
    named = file or (Path(env[CONFIG_VARIABLE]) if CONFIG_VARIABLE in env else None)
    path = named or Path(FILE_NAME)
    if named is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path} is not valid TOML: {error}") from error


def _typed(cls: type[Settings], name: str, value: Any, place: str) -> Any:
    """The value in its field's type."""
    known = {f.name: f.type for f in fields(cls)}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
        raise SettingsError(f"setting {name} ({place}) is unknown{hint}")
    wanted = known[name]
    if wanted is int:
        try:
            if isinstance(value, bool | float):
                raise ValueError
            return int(value)
        except ValueError as error:
            raise SettingsError(f"setting {name} ({place}): {value!r} is not a whole number") from error
    if wanted is float:
        try:
            if isinstance(value, bool):
                raise ValueError
            return float(value)
        except ValueError as error:
            raise SettingsError(f"setting {name} ({place}): {value!r} is not a number") from error
    if name == "missed_fraud_cost" and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}"
    if not isinstance(value, str):
        raise SettingsError(f"setting {name} ({place}): {value!r} is not text; put it in quotes")
    return Path(value).expanduser() if wanted is Path else value.strip()


def _require(fine: bool, name: str, problem: str) -> None:
    if not fine:
        raise SettingsError(f"setting {name}: {problem}")


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def _is_http(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
