"""MLflow clients and experiments, without touching MLflow's global state.

Every call names its store, so two desks in one process, or a test beside a desk, do not disturb each other.
"""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from fraud_model.errors import ModelError

MODEL_NAME = "fraud-classifier"
_SQLITE = "sqlite:///"
_ROOT_TAG = "fraud_desk.artifact_root"
_LOCK_SECONDS = 120


def initialise(tracking_uri: str, artifact_root: str | Path | None = None) -> None:
    """Make a tracking store ready: its tables, and where its artifacts go. Does nothing the second time.

    Two processes creating one SQLite store at once would crash; a lock beside the file lets the second one wait.

    Args:
        tracking_uri: Such as `sqlite:////abs/mlflow.db` or `http://host:5000`.
        artifact_root: Folder or URI for artifacts of new experiments. By default `artifacts` beside the SQLite file,
            or whatever the server decides.

    Raises:
        ModelError: the store cannot be created or reached.
    """
    for noisy in ("mlflow.store.db.utils", "alembic", "alembic.runtime.migration"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        with store_lock(tracking_uri):
            _create_whole(tracking_uri)
            store = client(tracking_uri)
            if artifact_root is not None:
                root = str(artifact_root) if "://" in str(artifact_root) else Path(artifact_root).resolve().as_uri()
                default = store.get_experiment("0")
                if default.tags.get(_ROOT_TAG) != root:
                    store.set_experiment_tag("0", _ROOT_TAG, root)
    except (MlflowException, OSError) as error:
        client.cache_clear()
        raise ModelError(f"tracking store {tracking_uri}: {_first_line(error)}") from error
    except Exception as error:  # SQLAlchemy's own errors: unreadable file, full disk, wrong password
        client.cache_clear()
        raise ModelError(f"tracking store {tracking_uri}: {_first_line(error)}") from error


def _create_whole(tracking_uri: str) -> None:
    """Make a new SQLite store beside its place and move it there once all its tables are made.

    A creation cut short (full disk, power) would leave tables half migrated, which MLflow refuses for ever after.
    """
    path = sqlite_path(tracking_uri)
    if path is None or path.exists():
        return
    fresh = path.with_name(path.name + ".new")
    for rest in path.parent.glob(fresh.name + "*"):
        rest.unlink()
    try:
        MlflowClient(tracking_uri=f"{_SQLITE}{fresh}").search_experiments(max_results=1)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@lru_cache(maxsize=8)
def client(tracking_uri: str) -> MlflowClient:
    """A client of one store, for tracking and registry."""
    path = sqlite_path(tracking_uri)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    opened = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    opened.search_experiments(max_results=1)  # opens the database, which creates its tables
    return opened


def experiment_id(tracking_uri: str, name: str) -> str:
    """The id of an experiment, created where absent.

    Raises:
        ModelError: an experiment of that name was deleted and not restored.
    """
    store = client(tracking_uri)
    found = store.get_experiment_by_name(name)
    if found is None:
        try:
            return store.create_experiment(name, artifact_location=_artifact_location(tracking_uri, name))
        except MlflowException:  # another process was quicker
            found = store.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise ModelError(
            f"experiment {name} was deleted; restore it: mlflow experiments restore -x {found.experiment_id}"
        )
    return str(found.experiment_id)


def store_lock(tracking_uri: str) -> Any:
    """A lock shared by all processes that use one SQLite store; nothing where the store is a server."""
    from contextlib import nullcontext

    path = sqlite_path(tracking_uri)
    if path is None:
        return nullcontext()
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(path.name + ".lock"), timeout=_LOCK_SECONDS)


def sqlite_path(tracking_uri: str) -> Path | None:
    """The file of a SQLite store; None for any other."""
    return Path(tracking_uri.removeprefix(_SQLITE)) if tracking_uri.startswith(_SQLITE) else None


def _artifact_location(tracking_uri: str, name: str) -> str | None:
    root = client(tracking_uri).get_experiment("0").tags.get(_ROOT_TAG)
    path = sqlite_path(tracking_uri)
    if root is None and path is not None:
        root = (path.resolve().parent / "artifacts").as_uri()
    return f"{root}/{name}" if root is not None else None


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
