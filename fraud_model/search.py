"""Search for LightGBM settings with Optuna, within a time limit, on prequential folds inside the training period.

A study is named by what it depends on: data, features, period, seed. Killed, the same search goes on where it was;
done, it is not done again. The limit is for all its trials together, however often it was started.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
from filelock import FileLock, Timeout

from fraud_model.candidates import DEFAULTS, MOST_TREES, cores, payee_parts
from fraud_model.definitions import feature_names
from fraud_model.errors import InputError
from fraud_model.folds import Fold
from fraud_model.learners import Recipe
from fraud_model.metrics import average_precision
from fraud_model.preparation import Prepared
from fraud_model.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    import optuna

_PATIENCE = 30
_FEW_ROWS = 50_000
_FIRST_TRIALS = 5  # before any is given up early
_VERSION = 3  # raised where trials are fitted or judged in another way, so that those of before are not taken up


@dataclass(frozen=True)
class Trial:
    """One set of settings.

    Attributes:
        number: In the study, from 0.
        state: complete, pruned (given up after a bad fold) or cut (by the time limit).
        params: LightGBM settings.
        folds: Average precision of the folds that were done.
        seconds: How long it took.
    """

    number: int
    state: str
    params: dict[str, Any]
    folds: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        recipe: LightGBM with the best settings; with its defaults where nothing was better.
        best: Mean average precision of the best settings.
        default: The same of the default settings.
        trials: Complete and given up, of all starts.
        resumed: Trials that were there before this start.
        seconds: All trials together.
    """

    recipe: Recipe
    best: float
    default: float
    trials: int
    resumed: int
    seconds: float

    def lines(self) -> list[str]:
        """Markdown lines for the report."""
        found = (
            f"better settings, mean average precision {self.best:.3f} against {self.default:.3f} of the defaults: "
            + ", ".join(f"{name} {_short(value)}" for name, value in self.recipe.params.items())
            if self.recipe.params
            else f"nothing better than the default settings, mean average precision {self.default:.3f}"
        )
        return [
            f"A search of {self.trials} trials in {self.seconds:.0f} s on folds inside the training period found "
            f"{found}."
        ]


def search(
    prepared: Prepared,
    folds: Sequence[Fold],
    seconds: float,
    storage: Path,
    dataset_digest: str,
    seed: int,
    progress: ProgressCallback | None = None,
    done: Callable[[Trial], None] | None = None,
) -> SearchResult:
    """Search, or go on with a search that was cut short.

    Args:
        prepared: For features, labels and times.
        folds: Inside the training period.
        seconds: Time limit of all trials together.
        storage: SQLite file that keeps the trials; made where absent.
        dataset_digest: Of the data; part of the study's name.
        seed: Of sampler and trees; part of the study's name.
        progress: Told after each trial.
        done: Called with each trial of this start.

    Raises:
        InputError: the limit is not positive, or another process is searching in the same storage.
    """
    if not seconds > 0:
        raise InputError(f"the time to search must be above 0 seconds, not {seconds:g}")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(storage.with_name(storage.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{storage}: another process is searching; wait for it, or train without search") from error
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{storage.resolve()}",
            study_name=study_name(prepared, folds, dataset_digest, seed),
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_FIRST_TRIALS),
        )
        for left in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(left.number, state=optuna.trial.TrialState.FAIL)  # of a process that was killed
        return _run(study, _Objective(prepared, folds, seed), seconds, seed, progress, done)
    finally:
        lock.release()


def study_name(prepared: Prepared, folds: Sequence[Fold], dataset_digest: str, seed: int) -> str:
    """The name that the same search has again."""
    from fraud_model.definitions import feature_fingerprint

    periods = [(fold.test_start, fold.test_end, fold.train.size) for fold in folds]
    parts = (dataset_digest, feature_fingerprint(prepared.schema), periods, seed, _VERSION)
    return f"lightgbm-{sha256(repr(parts).encode()).hexdigest()[:24]}-seed-{seed}"


def _run(
    study: "optuna.Study",
    objective: "_Objective",
    seconds: float,
    seed: int,
    progress: ProgressCallback | None,
    done: Callable[[Trial], None] | None,
) -> SearchResult:
    import optuna

    before = _finished(study)
    spent = sum(_seconds(trial) for trial in before)
    if not before:
        study.enqueue_trial(_within_ranges(DEFAULTS), user_attrs={"default": True})
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(before))
    started = time.monotonic()

    def after(_: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
        if done is not None:
            done(_trial(trial))
        if progress is not None:
            passed = int(spent + time.monotonic() - started)
            best = f"best {study.best_value:.3f}" if _complete(study) else ""
            progress(Progress("searching settings", min(passed, int(seconds)), int(seconds), best))

    while (left := seconds - spent - (time.monotonic() - started)) > 0 or not _complete(study):
        # One default trial is always finished, so that there is something to compare with.
        objective.deadline = time.monotonic() + left if _complete(study) else float("inf")
        study.optimize(objective, n_trials=1, callbacks=[after])
    complete = _complete(study)
    default = next((trial for trial in complete if trial.user_attrs.get("default")), complete[0])
    better = study.best_trial.number != default.number
    everything = _finished(study)
    return SearchResult(
        recipe=Recipe(params=dict(study.best_params)) if better else Recipe(),
        best=float(study.best_value),
        default=float(default.value or 0.0),
        trials=len(everything),
        resumed=len(before),
        seconds=sum(_seconds(trial) for trial in everything),
    )


class _Objective:
    """Mean average precision over the folds; the binned rows of each fold are kept from trial to trial."""

    def __init__(self, prepared: Prepared, folds: Sequence[Fold], seed: int) -> None:
        self.deadline = float("inf")
        self._seed = seed
        # On few rows, threads wait for each other longer than they work.
        self._threads = cores() if max(fold.train.size for fold in folds) >= _FEW_ROWS else 1
        schema = prepared.schema
        names = list(feature_names(schema))
        payees = prepared.payees
        self._folds = []
        for fold in folds:
            labels = prepared.labels
            unseen = payee_parts(payees[fold.train]) == 0
            sets: dict[str, lgb.Dataset] = {}
            for name, rows in (("fit", fold.train[~unseen]), ("stop", fold.train[unseen])):
                sets[name] = lgb.Dataset(
                    prepared.features.iloc[rows].to_numpy(np.float32),
                    labels[rows].astype(np.int8),
                    feature_name=names,
                    categorical_feature=list(schema.categorical),
                    reference=sets.get("fit"),
                    free_raw_data=False,
                    params={"feature_pre_filter": False, "verbosity": -1},
                )
            test = prepared.features.iloc[fold.test].to_numpy(np.float32)
            self._folds.append((sets["fit"], sets["stop"], test, labels[fold.test]))

    def __call__(self, trial: "optuna.Trial") -> float:
        """Fit and judge one set of settings, fold by fold."""
        import optuna

        params = _suggest(trial)
        found: list[float] = []
        for step, (fit, stop, test, labels) in enumerate(self._folds):
            try:
                booster = lgb.train(
                    {
                        "objective": "binary",
                        "metric": "binary_logloss",
                        "seed": self._seed,
                        "deterministic": True,
                        "force_row_wise": True,
                        "num_threads": self._threads,
                        "verbosity": -1,
                        "feature_pre_filter": False,
                        **DEFAULTS,
                        **params,
                    },
                    fit,
                    num_boost_round=MOST_TREES,
                    valid_sets=[stop],
                    callbacks=[lgb.early_stopping(_PATIENCE, verbose=False), self._stop_in_time],
                )
            except _OutOfTimeError as error:
                trial.set_user_attr("cut", True)
                raise optuna.TrialPruned from error
            scores = np.asarray(booster.predict(test, raw_score=True))
            found.append(average_precision(labels, scores))
            trial.set_user_attr("folds", found)
            trial.report(float(np.mean(found)), step)
            if step + 1 < len(self._folds) and trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(found))

    def _stop_in_time(self, _: Any) -> None:
        if time.monotonic() > self.deadline:
            raise _OutOfTimeError


class _OutOfTimeError(Exception):
    """The time limit passed while trees were grown."""


_RANGES: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0.02, 0.2, True),
    "num_leaves": (7, 63, True),
    "min_child_samples": (10, 300, True),
    "colsample_bytree": (0.3, 1.0, False),
    "subsample": (0.5, 1.0, False),
    "reg_lambda": (0.1, 30.0, True),
}
"""Least and most of each setting, and whether steps are by factors."""


def _suggest(trial: "optuna.Trial") -> dict[str, Any]:
    return {
        name: trial.suggest_int(name, int(low), int(high), log=log)
        if isinstance(low, int)
        else trial.suggest_float(name, low, high, log=log)
        for name, (low, high, log) in _RANGES.items()
    }


def _within_ranges(params: dict[str, Any]) -> dict[str, Any]:
    return {name: type(params[name])(np.clip(params[name], *_RANGES[name][:2])) for name in _RANGES if name in params}


def _finished(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    import optuna

    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return study.get_trials(deepcopy=False, states=states)


def _complete(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    import optuna

    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def _seconds(trial: "optuna.trial.FrozenTrial") -> float:
    return trial.duration.total_seconds() if trial.duration is not None else 0.0


def _trial(trial: "optuna.trial.FrozenTrial") -> Trial:
    state = "cut" if trial.user_attrs.get("cut") else trial.state.name.lower()
    return Trial(trial.number, state, dict(trial.params), tuple(trial.user_attrs.get("folds", ())), _seconds(trial))


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
