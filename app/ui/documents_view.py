"""What page Documents shows: the state of the index, uploads, a sync on its way, passages found."""

from collections.abc import Sequence
from typing import Any

from app.library import Listing, SyncState, short_path
from app.tools.records import counted
from app.ui import format as show
from app.ui.ask_view import flowing
from app.uploaded import UploadedDocument
from retrieval import Hit, ReadFailure

_FAILURES_SHOWN = 20


def status_view(listing: Listing, may_sync: bool) -> str:
    """What the index holds, by collection."""
    button = "<button type='button' class='fd-button' data-sync>Sync now</button>" if may_sync else ""
    if not listing.documents:
        return (
            show.empty_state("No documents yet", "Nothing is indexed.", "frauddesk index sync")
            + f"<div class='fd-sync-line'>{button}</div>"
        )
    largest = max(listing.collections.values())
    rows = "".join(
        f"<div><dt>{show.plain_name(name or 'other')}<span class='fd-share' aria-hidden='true'>"
        f"<b style='width:{count / largest * 100:.0f}%'></b></span></dt><dd>{count:,}</dd></div>"
        for name, count in sorted(listing.collections.items())
    )
    passages = (
        "" if listing.passages is None else f"<div><dt>Passages</dt><dd class='fd-big'>{listing.passages:,}</dd></div>"
    )
    size = "" if listing.bytes is None else f"<div><dt>Size</dt><dd>{listing.bytes / 1e6:.1f} MB</dd></div>"
    sound = (
        "✓ all parts of the index agree"
        if listing.consistent
        else "▲ the parts of the index differ; run frauddesk index rebuild"
    )
    return (
        "<section class='fd-card'><h3>Indexed</h3><dl class='fd-figures'><div><dt>Documents</dt><dd class='fd-big'>"
        f"{listing.documents:,}</dd></div>{passages}</dl><dl class='fd-rows'>{rows}"
        f"<div><dt>Last sync</dt><dd>{show.moment(listing.last_sync)} UTC</dd></div>{size}</dl>"
        f"<div class='fd-sync-line'><span class='fd-soft'>{sound}</span>{button}</div>"
        f"{failures_view(listing.failures)}</section>"
    )


def failures_view(failures: Sequence[tuple[str, str]]) -> str:
    """Files that could not be read, each with its reason."""
    if not failures:
        return ""
    listed = "".join(
        f"<li><span class='fd-id'>{show.text(source)}</span><br>{show.text(why)}</li>"
        for source, why in failures[:_FAILURES_SHOWN]
    )
    more = f"<p class='fd-soft'>{len(failures) - _FAILURES_SHOWN:,} more</p>" if len(failures) > _FAILURES_SHOWN else ""
    return f"<h3 class='fd-after'>Could not be read</h3><ul class='fd-list'>{listed}</ul>{more}"


def sync_view(state: SyncState) -> str:
    """How far a sync is, or what it did."""
    if state.problem:
        return f"<div class='fd-note' role='alert'>The sync failed: {show.text(state.problem)}</div>"
    if state.running:
        share = f" value='{state.done}' max='{state.total}'" if state.total else ""
        of = f" of {state.total:,}" if state.total else ""
        return (
            "<section class='fd-card' role='status'><h3>Sync</h3>"
            f"<progress class='fd-progress'{share} aria-label='Sync'></progress>"
            f"<p class='fd-soft'>{show.sentence(state.stage)}: {state.done:,}{of} documents. "
            f"{show.sentence(state.message)}</p></section>"
        )
    report = state.report
    if report is None:
        return ""
    counts = ", ".join(f"{getattr(report, name):,} {name}" for name in ("added", "updated", "deleted", "unchanged"))
    failed = tuple((short_path(entry.source), entry.reason) for entry in report.failed)
    return (
        f"<section class='fd-card' role='status'><h3>Last sync</h3><p class='fd-soft'>✓ {counts}, in "
        f"{report.seconds:.1f} s.</p>{failures_view(failed)}</section>"
    )


def uploads_view(uploads: Sequence[UploadedDocument], may_remove: bool) -> str:
    """What was uploaded at the desk."""
    if not uploads:
        return ""
    rows = "".join(_upload(entry, may_remove) for entry in uploads)
    return f"<section class='fd-card'><h3>Uploaded here</h3><ul class='fd-uploads'>{rows}</ul></section>"


def _upload(entry: UploadedDocument, may_remove: bool) -> str:
    key = show.text(entry.document_id)
    button = (
        f"<button type='button' class='fd-button' data-remove='{key}' aria-label='Remove {key}'>Remove</button>"
        if may_remove
        else ""
    )
    return (
        f"<li><div><span class='fd-id'>{key}</span><p class='fd-soft'>{show.text(entry.analyst)}, "
        f"{show.moment(entry.at)} UTC · {entry.bytes / 1000:,.1f} kB</p></div>{button}</li>"
    )


def outcome_view(said: str, *, bad: bool = False, failures: Sequence[ReadFailure] = ()) -> str:
    """What became of an upload or a removal."""
    mark, role = ("▲", "alert") if bad else ("✓", "status")
    kind = "fd-problem" if bad else "fd-good"
    listed = failures_view(tuple((short_path(entry.source), entry.reason) for entry in failures))
    return f"<p class='{kind}' role='{role}'><i aria-hidden='true'>{mark}</i> {show.text(said)}</p>{listed}"


def hits_view(hits: Sequence[Hit], query: str) -> str:
    """Passages found, best first."""
    if not hits:
        return show.empty_state("Nothing found", f"No passage fits “{query[:80]}”.")
    listed = "".join(_hit(hit) for hit in hits)
    return f"<p class='fd-soft'>{counted(len(hits), 'passage')}, best first</p><ol class='fd-hits'>{listed}</ol>"


def _hit(hit: Any) -> str:
    collection = show.plain_name(str(hit.metadata.get("collection", "")))
    heading = f"<span class='fd-soft'>{show.text(hit.heading)}</span>" if hit.heading else ""
    dated = hit.metadata.get("closed") or hit.metadata.get("published")
    outcome = str(hit.metadata.get("outcome") or "")
    ended = f" · {show.plain_name(outcome)}" if outcome else ""
    return (
        f"<li><header><strong>{show.text(hit.title)}</strong><span class='fd-tag'>{collection}</span>{heading}</header>"
        f"<p>{flowing(hit.text)}</p><p class='fd-soft'><span class='fd-id'>{show.text(hit.document_id)}</span>"
        f"{f' · {show.day(dated)}' if dated else ''}{ended}</p></li>"
    )
