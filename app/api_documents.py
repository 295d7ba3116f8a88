"""Routes of the documents: what is indexed, search, upload, removal, bringing the index up to date."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Path, Query, UploadFile

from app.access import User
from app.access_api import allowed
from app.api_models import PROBLEMS, ProblemBody
from app.api_talk_models import (
    DocumentHitsBody,
    DocumentListBody,
    RemovedBody,
    SyncBody,
    UploadBody,
)
from app.desk import Desk
from app.library import SyncState, short_path
from app.visible import visible_collections
from retrieval.documents import COLLECTIONS

_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemBody, "description": "Nothing was uploaded under this id."}
}
_INDEX: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemBody, "description": "Another document has this name, or the index must be rebuilt first."}
}
_UPLOAD: dict[int | str, dict[str, Any]] = _INDEX | {
    413: {"model": ProblemBody, "description": "The file is larger than the desk accepts."},
    415: {"model": ProblemBody, "description": "The desk reads no such files."},
    507: {"model": ProblemBody, "description": "The disk is full; nothing was kept."},
}


def router(desk: Desk) -> APIRouter:
    """The routes, working on a desk."""
    routes = APIRouter(prefix="/api/documents", tags=["documents"], responses=PROBLEMS)
    _reading(routes, desk)
    _writing(routes, desk)
    return routes


def _reading(routes: APIRouter, desk: Desk) -> None:
    @routes.get("", summary="What is indexed", response_model=DocumentListBody, responses=_INDEX)
    def listed(
        user: Annotated[User, allowed("read")],
        collection: Annotated[str, Query(max_length=100, description="Only this one.")] = "",
        offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to pass over.")] = 0,
        limit: Annotated[int, Query(ge=1, le=500, description="How many at most.")] = 50,
    ) -> dict[str, Any]:
        """Documents by id, of the collections that your role sees."""
        listing = desk.library.listing(user)
        seen = visible_collections(desk.index, user)
        wanted = seen if not collection else frozenset({collection}) & (frozenset(listing.collections))
        ids = desk.index.document_ids(collections=wanted)
        removable = {entry.document_id for entry in listing.uploads}
        return {
            "items": [_document(desk, name, removable, seen) for name in ids[offset : offset + limit]],
            "total": len(ids),
            "offset": offset,
            "limit": limit,
            "collections": [{"name": name, "documents": n} for name, n in sorted(listing.collections.items())],
            "last_sync": listing.last_sync,
            "version": listing.version,
            "failures": [{"source": source, "reason": reason} for source, reason in listing.failures],
        }

    @routes.get("/search", summary="Search the documents", response_model=DocumentHitsBody, responses=_INDEX)
    def search(
        user: Annotated[User, allowed("read")],
        q: Annotated[str, Query(min_length=1, max_length=400, description="Words, a case id, an account.")],
        k: Annotated[int, Query(ge=1, le=100, description="Passages to return.")] = 10,
        as_of: Annotated[str | None, Query(max_length=40, description="Only what was known by then.")] = None,
    ) -> dict[str, Any]:
        """The passages nearest to a query, best first, of the collections that your role sees."""
        hits = desk.index.search(q, k, as_of, collections=visible_collections(desk.index, user))
        return {"hits": [hit.to_dict() | {"source": short_path(hit.source)} for hit in hits]}

    @routes.get("/sync", summary="How far the sync is", response_model=SyncBody)
    def sync_state(user: Annotated[User, allowed("documents")]) -> dict[str, Any]:
        del user
        return _sync_body(desk.library.sync_state)


def _writing(routes: APIRouter, desk: Desk) -> None:
    @routes.post("", summary="Upload a document", response_model=UploadBody, status_code=201, responses=_UPLOAD)
    def upload(
        user: Annotated[User, allowed("documents")],
        file: Annotated[UploadFile, File(description="Markdown, text, PDF, Word, HTML, CSV or JSON lines.")],
        collection: Annotated[str, Form(description=f"One of {', '.join(COLLECTIONS)}.", max_length=100)],
    ) -> dict[str, Any]:
        """Indexed at once. The same name again replaces what was uploaded before."""
        made = desk.library.upload(user, collection, file.filename, file.file)
        failures = [{"source": short_path(entry.source), "reason": entry.reason} for entry in made.failures]
        return {
            "document_id": made.document_id,
            "documents": list(made.documents),
            "added": made.added,
            "updated": made.updated,
            "failures": failures,
        }

    @routes.post("/sync", summary="Bring the index up to date", response_model=SyncBody, status_code=202)
    def sync(user: Annotated[User, allowed("documents")]) -> dict[str, Any]:
        """Reads every folder of documents; `GET /api/documents/sync` tells how far it is."""
        return _sync_body(desk.library.start_sync(user))

    @routes.delete(
        "/{document_id:path}", summary="Remove an uploaded document", response_model=RemovedBody,
        responses=_NOT_FOUND | _INDEX,
    )  # fmt: skip
    def remove(
        document_id: Annotated[str, Path(max_length=200, description="Such as policies/holds.")],
        user: Annotated[User, allowed("documents")],
    ) -> dict[str, Any]:
        """File, passages, vectors and keywords; `retrievable` counts what a search would still find: 0."""
        return vars(desk.library.remove(user, document_id))


def _document(desk: Desk, name: str, removable: set[str], seen: frozenset[str] | None) -> dict[str, Any]:
    found = desk.index.document(name, collections=seen)
    fields = {} if found is None else found.metadata
    return {
        "id": name,
        "title": name if found is None else found.title,
        "collection": str(fields.get("collection", "")),
        "source": "" if found is None else short_path(found.source),
        "dated": str(fields.get("closed") or fields.get("published") or ""),
        "removable": name in removable,
    }


def _sync_body(state: SyncState) -> dict[str, Any]:
    report = state.report
    counts = {} if report is None else {n: getattr(report, n) for n in ("added", "updated", "deleted", "unchanged")}
    return {
        "running": state.running,
        "stage": state.stage,
        "done": state.done,
        "total": state.total,
        "message": state.message,
        "problem": state.problem,
        "report": counts or None,
        "failures": [
            {"source": short_path(entry.source), "reason": entry.reason} for entry in (report.failed if report else ())
        ],
    }
