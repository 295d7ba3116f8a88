"""Which collections of documents a user may see: a hidden one is not found, not counted, not cited."""

from app.access import User
from retrieval import Index


def visible_collections(index: Index, user: User) -> frozenset[str] | None:
    """The collections that a user may see; None for all of them.

    A document that belongs to no collection is shown only to those who may see all.
    """
    hidden = user.hidden_collections
    if not hidden:
        return None
    return frozenset(index.status().collections) - hidden - {"other"}
