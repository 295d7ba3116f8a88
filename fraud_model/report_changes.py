"""The part of a run report that tells what changed since the champion, where it is better and worse, and what moved."""

from collections.abc import Mapping, Sequence
from typing import Any

from fraud_model.against import RECENT_DAYS, Against, ChampionCheck
from fraud_model.evaluation import Evaluation
from fraud_model.intervals import Comparison
from fraud_model.model_file import ModelDescription
from fraud_model.population import MOVED_ABOVE, WATCH_FROM
from fraud_model.preparation import Prepared, iso
from fraud_model.standing import DECIDING

_WORDS = {
    "average_precision": "Average precision",
    "precision_at_budget": "Precision at the alert budget",
    "recall_at_budget": "Recall at the alert budget",
}
_SHOWN_SHIFTS = 15
# Of each run they differ, and other sentences tell of them.
_NO_SETTING = ("trees", "train_days", "feature_fingerprint", "dataset_digest", "git_commit", "code_version")


def changes(
    version: str, check: ChampionCheck, prepared: Prepared, found: Evaluation, settings: Mapping[str, Any]
) -> list[str]:
    """Markdown lines on the comparison with the champion.

    Args:
        version: The new version.
        check: The comparison, or why there is none.
        prepared: The new version's data.
        found: What was measured of it.
        settings: Of its run, by name.
    """
    against = check.against
    if against is None:
        return [check.reason, ""]
    return [
        *_verdict(version, against),
        f"## What changed since version {against.version}",
        "",
        *_settings(version, against, settings),
        *_features(version, against, prepared),
        *_data(version, against.known, against.version, prepared, found),
        "",
        *_better_and_worse(version, against, found),
        *_why(version, against, prepared, found, settings),
    ]


def drift(check: ChampionCheck) -> list[str]:
    """Markdown lines on how far the training data have moved from the champion's reference sample."""
    against = check.against
    if against is None or not against.shifts:
        return []
    moved = [shift for shift in against.shifts if shift.psi > MOVED_ABOVE]
    watched = [shift for shift in against.shifts if WATCH_FROM <= shift.psi <= MOVED_ABOVE]
    furthest = ", ".join(f"{shift.feature} ({shift.psi:.2f})" for shift in moved[:5])
    lines = [
        "## Drift of the training data",
        "",
        f"The last {RECENT_DAYS} days of training are held against the reference sample of version {against.version} "
        f"(payments from {against.known.validated_from[:10]} until {against.known.validated_until[:10]}). Of "
        f"{len(against.shifts)} features {len(moved)} have moved (population stability index above {MOVED_ABOVE:g}), "
        f"{len(watched)} are to be watched ({WATCH_FROM:g} to {MOVED_ABOVE:g})."
        + (f" The furthest: {furthest}." if moved else ""),
        "",
        "Features that count everything since the first payment move by themselves while the history is short.",
        "",
        "| feature | index | verdict | median before | median now |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {shift.feature} | {shift.psi:.3f} | {shift.verdict} | {shift.before:.4g} | {shift.after:.4g} |"
        for shift in against.shifts[:_SHOWN_SHIFTS]
    ]
    return [*lines, ""]


def figure_words(metrics: Mapping[str, float], name: str) -> str:
    """A figure with its interval: 0.462 (95% interval 0.420 to 0.501)."""
    if name not in metrics:
        return "unknown"
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    ends = f" (95% interval {low:.3f} to {high:.3f})" if low is not None and high is not None else ""
    return f"{metrics[name]:.3f}{ends}"


def _verdict(version: str, against: Against) -> list[str]:
    pair = against.figures[DECIDING]
    text = (
        f"On these validation days the champion, version {against.version}, reaches an average precision of "
        f"{pair.champion:.3f} and version {version} {pair.challenger:.3f}: a difference of {pair.gain:+.3f}, 95% "
        f"interval {pair.low:+.3f} to {pair.high:+.3f}. Version {version} is {pair.verdict}, "
        f"{'within' if pair.verdict == 'level' else 'beyond'} chance."
    )
    if against.saw_rows:
        text += " The champion was trained on some of these days, so the comparison favours it."
    return [text, ""]


def _settings(version: str, against: Against, settings: Mapping[str, Any]) -> list[str]:
    listed = changed_settings(against.known, settings)
    text = "; ".join(listed) if listed else f"the same as in version {against.version}"
    return [f"- Settings of version {version}: {text}."]


def changed_settings(known: ModelDescription, settings: Mapping[str, Any]) -> list[str]:
    """What is set otherwise than in a stored model, in words; of an older model, as far as its settings were kept."""
    kept = known.details.get("settings")
    before = kept if kept is not None else {"seed": known.details.get("seed"), **known.details.get("parameters", {})}
    names = {*before, *settings} if kept is not None else {*before} & {*settings}
    listed = []
    for name in sorted(names - {*_NO_SETTING}):
        old, new = _plain(before.get(name, "not set")), _plain(settings.get(name, "not set"))
        if old != new:
            listed.append(f"{name.replace('_', ' ')} from {old} to {new}")
    return listed


def _plain(value: Any) -> str:
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value)


def _features(version: str, against: Against, prepared: Prepared) -> list[str]:
    before, after = against.known.feature_names, tuple(prepared.features.columns)
    added = [name for name in after if name not in before]
    gone = [name for name in before if name not in after]
    if not added and not gone:
        return [f"- Features: the same {len(after)} in versions {against.version} and {version}."]
    parts = [f"{len(added)} new ({', '.join(added)})" if added else "", f"{len(gone)} gone ({', '.join(gone)})"]
    return [f"- Features: {'; '.join(part for part in parts[: 2 if gone else 1] if part)}."]


def _data(version: str, known: ModelDescription, champion: str, prepared: Prepared, found: Evaluation) -> list[str]:
    split, metrics = prepared.split, found.metrics
    lines = [
        f"- Training period: version {champion} from {known.trained_from[:10]} until {known.trained_until[:10]}, "
        f"version {version} from {iso(split.train_start)[:10]} until {iso(split.train_end)[:10]}."
    ]
    for name, words in (("train_rows", "Training payments"), ("train_frauds", "Frauds in training")):
        if name in known.metrics:
            lines.append(
                f"- {words}: {known.metrics[name]:,.0f} in version {champion}, "
                f"{metrics[name]:,.0f} in version {version}."
            )
    if "base_rate" in known.metrics:
        lines.append(
            f"- Share of fraud on the validation days: {known.metrics['base_rate']:.4f} in version {champion}, "
            f"{metrics['base_rate']:.4f} in version {version}. Precision rises and falls with it."
        )
    return lines


def _better_and_worse(version: str, against: Against, found: Evaluation) -> list[str]:
    named = _names(found)
    lines = [
        f"## Where version {version} is better and worse than version {against.version}",
        "",
        f"Both scored the same {found.labels.size:,} validation payments with {int(found.labels.sum()):,} frauds, and "
        f"each alerts on its {against.alerts:,} highest scores ({against.alerts / against.days:,.0f} a day).",
        "",
    ]
    lines += [f"- {_moved(words, version, against, against.figures[name])}" for name, words in _WORDS.items()]
    own = [
        f"{words.lower()} {against.known.metrics[name]:.3f}"
        for name, words in _WORDS.items()
        if name in against.known.metrics
    ]
    if own:
        lines.append(
            f"- In its own training run, on payments from {against.known.validated_from[:10]} until "
            f"{against.known.validated_until[:10]}, version {against.version} was measured with {', '.join(own)}."
        )
    told = _telling(version, against, named)
    lines += told or ["- In no part of the payments is either version better beyond chance."]
    lines += ["", f"| part | figure | version {against.version} | version {version} | difference | 95% interval | |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for part, pairs in [("all payments", against.figures), *((named.get(k, k), v) for k, v in against.slices.items())]:
        lines += [_row(part, name, pair) for name, pair in pairs.items() if pair.low == pair.low]
    return [*lines, ""]


def _why(
    version: str, against: Against, prepared: Prepared, found: Evaluation, settings: Mapping[str, Any]
) -> list[str]:
    """One paragraph with all that can have moved precision, so that the question finds one answer."""
    known, before = against.known, against.version
    pair = against.figures["precision_at_budget"]
    differs = [f"version {version} was trained until {iso(prepared.split.train_end)[:10]}, version {before} until "
               f"{known.trained_until[:10]}"]  # fmt: skip
    if "train_frauds" in known.metrics:
        more = found.metrics["train_frauds"] - known.metrics["train_frauds"]
        differs.append(f"it learned from {abs(more):,.0f} {'more' if more >= 0 else 'fewer'} frauds")
    listed = changed_settings(known, settings)
    differs.append(f"settings changed: {'; '.join(listed)}" if listed else "the settings are the same")
    same = known.feature_names == tuple(prepared.features.columns)
    differs.append("the features are the same" if same else "the features are others")
    parts = [(pairs["precision_at_budget"], key) for key, pairs in against.slices.items()]
    parts = [(found_pair, key) for found_pair, key in parts if found_pair.gain == found_pair.gain]
    most = max(parts, key=lambda part: abs(part[0].gain), default=None)
    text = (
        f"{_moved(_WORDS['precision_at_budget'], version, against, pair)} What differs between the versions: "
        f"{', '.join(differs)}."
    )
    if most is not None:
        text += (
            f" Among the parts of the payments it changed most for {_names(found).get(most[1], most[1])}, from "
            f"{most[0].champion:.3f} to {most[0].challenger:.3f}."
        )
    return [f"## Why precision changed between version {before} and version {version}", "", text, ""]


def _names(found: Evaluation) -> dict[str, str]:
    return {row.key: f"{row.by} {row.name}" for row in found.slices}


def _telling(version: str, against: Against, named: Mapping[str, str]) -> Sequence[str]:
    """A sentence for each part of the payments where the versions differ beyond chance in a figure."""
    return [
        f"- For {named.get(key, key)}: {_moved(_WORDS[name], version, against, pair)}"
        for key, pairs in against.slices.items()
        for name, pair in pairs.items()
        if pair.verdict != "level"
    ]


def _moved(words: str, version: str, against: Against, pair: Comparison) -> str:
    way = "rose" if pair.gain > 0 else "fell" if pair.gain < 0 else "stayed"
    span = (
        f"{way} from {pair.champion:.3f} in version {against.version} to {pair.challenger:.3f} in version {version}"
        if pair.gain
        else f"stayed at {pair.champion:.3f} in versions {against.version} and {version}"
    )
    chance = "within chance" if pair.verdict == "level" else "beyond chance"
    return f"{words} {span} (difference {pair.gain:+.3f}, 95% interval {pair.low:+.3f} to {pair.high:+.3f}, {chance})."


def _row(part: str, name: str, pair: Comparison) -> str:
    return (
        f"| {part} | {name.replace('_', ' ')} | {pair.champion:.3f} | {pair.challenger:.3f} | {pair.gain:+.3f} "
        f"| {pair.low:+.3f} to {pair.high:+.3f} | {pair.verdict} |"
    )
