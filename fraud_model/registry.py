"""Model versions: candidate, champion, previous, and an append-only history of who decided what and why.

    registry = Registry("sqlite:////abs/mlflow.db")
    registry.promote("3", by="m.ito", reason="finds 6 points more fraud at the same budget")

Aliases of the registered model `fraud-classifier` say which version serves. Every decision is also a run of the
experiment `fraud-desk-registry`, which nothing here ever changes or deletes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflow.exceptions import MlflowException

from fraud_model import history
from fraud_model.errors import InputError, ModelError, PromotionRefused
from fraud_model.gates import Gates
from fraud_model.history import HISTORY_EXPERIMENT, HistoryEntry
from fraud_model.model_file import StoredModel, read_model
from fraud_model.standing import Compared, Decision, Standing, standing_of
from fraud_model.tracking import MODEL_NAME, client, initialise, sqlite_path, store_lock

__all__ = ["HISTORY_EXPERIMENT", "HistoryEntry", "ModelVersionInfo", "Registry", "initialise"]

CHAMPION, CANDIDATE, PREVIOUS = "champion", "candidate", "previous"
COMPARED_TAG = "compared"
NOTHING = Decision()


# Copies of models that a server keeps, by store and address: a logged model never changes, and its digest is checked
# whenever it is read. The folders go with the process.
_COPIES: dict[tuple[str, str], "TemporaryDirectory[str]"] = {}


@dataclass(frozen=True)
class ModelVersionInfo:
    """One registered version.

    Attributes:
        version: Its number, as text.
        run_id: The training run.
        aliases: Of champion, candidate, previous.
        created: When it was registered, UTC.
        metrics: Figures on validation.
        tags: Digest of the model files and of the data, period of training.
        status: champion, candidate, previous, rejected, or archived.
        slice_metrics: Figures of parts of the validation rows, such as `by_type/TRANSFER/recall`.
    """

    version: str
    run_id: str
    aliases: tuple[str, ...]
    created: datetime
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    status: str = "archived"
    slice_metrics: Mapping[str, float] = field(default_factory=dict)


class Registry:
    """The registered versions of one tracking store.

    Methods raise ModelError where the store cannot be reached or a step is not possible, and InputError where a
    version, a person or a reason is missing.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri

    def versions(self) -> list[ModelVersionInfo]:
        """All versions, the newest first."""
        store = self._store()
        found = list(store.search_model_versions(f"name='{MODEL_NAME}'", max_results=10_000))
        aliases = self._aliases()
        infos = [self._info(entry, aliases) for entry in found]
        return sorted(infos, key=lambda info: int(info.version), reverse=True)

    def version(self, version: str) -> ModelVersionInfo:
        """One version by its number or alias."""
        aliases = self._aliases()
        number = aliases.get(str(version), str(version))
        if str(version) in (CHAMPION, CANDIDATE, PREVIOUS) and str(version) not in aliases:
            raise ModelError(f"there is no {version} model; train one and promote it")
        try:
            entry = self._store().get_model_version(MODEL_NAME, number)
        except MlflowException as error:
            known = ", ".join(info.version for info in self.versions()) or "none; train one first"
            raise InputError(f"no model version {version!r}; there are: {known}") from error
        return self._info(entry, aliases)

    def champion(self) -> ModelVersionInfo | None:
        """The version that serves; None where none was promoted yet."""
        return self.version(CHAMPION) if CHAMPION in self._aliases() else None

    def promote(
        self, version: str, by: str, reason: str, *, despite: str = "", gates: Gates | None = None
    ) -> ModelVersionInfo:
        """Make a version the champion; the champion until now becomes `previous`.

        While there is no champion any version may become it. From then on, a version must have reached its gates and
        have beaten the champion on the same later payments beyond the confidence interval.

        Args:
            version: Number or alias.
            by: Who decides.
            reason: Why.
            despite: Why it must be promoted although it would be refused; stands in the history beside what was
                overruled. Without effect where nothing stands against the version.
            gates: Least figures in force now; by default what was found at training.

        Raises:
            PromotionRefused: the version misses a gate, or was not shown to beat the champion.
            ModelError: the version was rejected, or its files do not load.
        """
        self._decided_by(by, reason)
        with store_lock(self.tracking_uri):
            info = self.version(version)
            if info.status == "rejected":
                raise ModelError(f"version {info.version} was rejected; train a new one instead")
            if info.status == CHAMPION:
                raise ModelError(f"version {info.version} is the champion already")
            self.open(info.version)
            standing = self._standing(info, gates)
            overruled = "; ".join(standing.problems)
            if overruled and not despite.strip():
                raise PromotionRefused(
                    f"version {info.version} is not promoted: {overruled}; train another, compare on later payments "
                    'with `frauddesk models compare`, or overrule this with --despite "WHY"'
                )
            decision = Decision(despite if overruled else "", overruled, standing.compared)
            return self._make_champion(
                info, "promoted despite refusal" if overruled else "promoted", by, reason, decision
            )

    def standing(self, version: str, gates: Gates | None = None) -> Standing:
        """Whether a version may be promoted, and what stands against it."""
        return self._standing(self.version(version), gates)

    def note_comparison(self, version: str, compared: Compared) -> None:
        """Keep what a version reached beside another on the same payments, in place of what was kept before."""
        self._store().set_model_version_tag(MODEL_NAME, self.version(version).version, COMPARED_TAG, compared.to_json())

    def reject(self, version: str, by: str, reason: str) -> ModelVersionInfo:
        """Say that a version must not become the champion."""
        self._decided_by(by, reason)
        with store_lock(self.tracking_uri):
            info = self.version(version)
            if info.status == CHAMPION:
                raise ModelError(f"version {info.version} is the champion; promote another or roll back first")
            store = self._store()
            for alias in info.aliases:
                store.delete_registered_model_alias(MODEL_NAME, alias)
            store.set_model_version_tag(MODEL_NAME, info.version, "rejected", "true")
            self._record("rejected", info, by, reason)
        return self.version(info.version)

    def rollback(self, by: str, reason: str) -> ModelVersionInfo:
        """Make the champion before this one the champion again."""
        self._decided_by(by, reason)
        with store_lock(self.tracking_uri):
            if PREVIOUS not in self._aliases():
                raise ModelError("there is no champion before this one to roll back to")
            info = self.version(PREVIOUS)
            self.open(info.version)
            return self._make_champion(info, "rolled back to", by, reason)

    def history(self) -> list[HistoryEntry]:
        """Every decision, the oldest first."""
        self._store()
        return history.read(self.tracking_uri)

    def open(self, version: str = CHAMPION) -> tuple[ModelVersionInfo, StoredModel]:
        """Read a version's files and check them.

        Raises:
            ModelError: there is no such version, or its files are missing, changed, or of other feature definitions.
        """
        info = self.version(version)
        store = self._store()
        source = store.get_model_version_download_uri(MODEL_NAME, info.version)
        folder = self._local(source, info.version)
        return info, read_model(folder / "artifacts", info.tags.get("digest"), f"version {info.version}")

    def register(
        self, source: str, run_id: str, model_id: str | None, tags: Mapping[str, str], passed: bool = True
    ) -> str:
        """Register a logged model as the next version and make it the candidate.

        One that did not pass its gates becomes the candidate only while there is no champion to protect.

        Returns:
            The version.
        """
        store = self._store()
        try:
            store.create_registered_model(MODEL_NAME, description="Fraud probability of one payment.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        entry = store.create_model_version(MODEL_NAME, source, run_id, tags=dict(tags), model_id=model_id)
        if passed or CHAMPION not in self._aliases():
            store.set_registered_model_alias(MODEL_NAME, CANDIDATE, entry.version)
        return str(entry.version)

    def _standing(self, info: ModelVersionInfo, gates: Gates | None) -> Standing:
        champion = self.champion()
        noted = info.tags.get("gates", "passed")
        missed = gates.failures(info.metrics) if gates else () if noted == "passed" else tuple(noted.split("; "))
        compared = Compared.from_json(info.tags.get(COMPARED_TAG, ""))
        beaten = champion is not None and compared is not None and compared.beats(champion.version)
        # Reading a model takes a while; whether the champion still loads matters only where it was not beaten.
        serves = champion is not None and (beaten or self._loads(champion.version))
        return standing_of(info.version, missed, champion.version if champion else "", serves, compared)

    def _loads(self, version: str) -> bool:
        try:
            self.open(version)
        except ModelError:
            return False
        return True

    def _make_champion(
        self, info: ModelVersionInfo, action: str, by: str, reason: str, decision: Decision = NOTHING
    ) -> ModelVersionInfo:
        store = self._store()
        aliases = self._aliases()
        replaced = aliases.get(CHAMPION, "")
        # The history first: a decision that is not written down does not happen.
        self._record(action, info, by, reason, replaced, decision)
        if replaced and replaced != info.version:
            store.set_registered_model_alias(MODEL_NAME, PREVIOUS, replaced)
        store.set_registered_model_alias(MODEL_NAME, CHAMPION, info.version)
        if aliases.get(CANDIDATE) == info.version:
            store.delete_registered_model_alias(MODEL_NAME, CANDIDATE)
        return self.version(info.version)

    def _record(
        self,
        action: str,
        info: ModelVersionInfo,
        by: str,
        reason: str,
        replaced: str = "",
        decision: Decision = NOTHING,
    ) -> None:
        if replaced:
            decision = replace(decision, replaced_metrics=self.version(replaced).metrics)
        history.append(
            self.tracking_uri,
            history.decided(action, info.version, by, reason, info.metrics, replaced, decision),
            info.run_id,
        )

    def _store(self) -> Any:
        try:
            return client(self.tracking_uri)
        except Exception as error:  # whatever the store's driver raises
            client.cache_clear()
            raise ModelError(f"tracking store {self.tracking_uri}: {str(error).splitlines()[0]}") from error

    def _aliases(self) -> dict[str, str]:
        try:
            # Searching versions returns none of their aliases; the registered model has them all.
            return {
                name: str(number) for name, number in self._store().get_registered_model(MODEL_NAME).aliases.items()
            }
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise ModelError(f"tracking store {self.tracking_uri}: {str(error).splitlines()[0]}") from error

    def _info(self, entry: Any, aliases: Mapping[str, str]) -> ModelVersionInfo:
        version = str(entry.version)
        mine = tuple(sorted(alias for alias, number in aliases.items() if number == version))
        status = next((alias for alias in (CHAMPION, CANDIDATE, PREVIOUS) if alias in mine), "archived")
        if entry.tags.get("rejected") == "true":
            status = "rejected"
        try:
            measured = self._store().get_run(entry.run_id).data.metrics
        except MlflowException:  # the run was deleted; the version still serves
            measured = {}
        metrics = {name: value for name, value in measured.items() if "/" not in name}
        parts = {name: value for name, value in measured.items() if "/" in name}
        created = datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC)
        return ModelVersionInfo(version, str(entry.run_id), mine, created, metrics, dict(entry.tags), status, parts)

    def _local(self, source: str, version: str) -> Path:
        """A version's folder: where it lies, or a copy of what the server keeps, for as long as this process lives."""
        address = urlsplit(source)
        if address.scheme in ("", "file"):
            return Path(unquote(address.path))
        from mlflow.artifacts import download_artifacts

        key = (self.tracking_uri, source)
        if key not in _COPIES:
            folder = TemporaryDirectory(prefix="fraud-model-")
            try:
                download_artifacts(artifact_uri=source, dst_path=folder.name, tracking_uri=self.tracking_uri)
            except (MlflowException, OSError) as error:
                folder.cleanup()
                raise ModelError(f"version {version}: {source} cannot be read: {str(error).splitlines()[0]}") from error
            _COPIES[key] = folder
        return Path(_COPIES[key].name) / Path(address.path).name

    @staticmethod
    def _decided_by(by: str, reason: str) -> None:
        if not by.strip():
            raise InputError("say who decides: --by NAME")
        if not reason.strip():
            raise InputError("say why: --reason TEXT; it stands in the history")


def store_exists(tracking_uri: str) -> bool:
    """Whether a SQLite store was created yet; True for servers, which only an attempt can tell."""
    path = sqlite_path(tracking_uri)
    return path is None or path.exists()
