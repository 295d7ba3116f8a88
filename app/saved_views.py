"""Filters of the queue that a user keeps under a name."""

from typing import Any

from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import IntegrityError

from app import tables
from app.store_errors import InvalidDecisionError

MOST = 30
"""Views that one user may keep."""
_LONGEST_NAME = 60


class SavedViews:
    """The saved views in the desk's database.

    Args:
        engine: The desk's database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def save(self, owner: str, name: str, wanted: dict[str, Any]) -> None:
        """Keeps a view; one of the same name is replaced.

        Raises:
            InvalidDecisionError: the name is empty or too long, or there are too many views.
        """
        name = " ".join(name.split())
        if not name or len(name) > _LONGEST_NAME:
            raise InvalidDecisionError(f"a view needs a name of 1 to {_LONGEST_NAME} characters")
        views = tables.saved_views
        values = {"owner": owner, "name": name, "wanted": wanted}
        for _ in range(2):
            try:
                with self.engine.begin() as connection:
                    mine = (views.c.owner == owner) & (views.c.name == name)
                    connection.execute(delete(views).where(mine))
                    kept = list(connection.scalars(select(views.c.id).where(views.c.owner == owner)))
                    if len(kept) >= MOST:
                        raise InvalidDecisionError(f"there are {MOST} saved views already; delete one first")
                    connection.execute(views.insert().values(**values))
                    return
            except IntegrityError:
                # A second tab saved the same name in between; the later one stands.
                continue

    def of(self, owner: str) -> dict[str, dict[str, Any]]:
        """A user's views by name, in alphabetical order."""
        views = tables.saved_views.c
        query = select(views.name, views.wanted).where(views.owner == owner).order_by(views.name)
        with self.engine.connect() as connection:
            return {str(name): dict(wanted) for name, wanted in connection.execute(query)}

    def delete(self, owner: str, name: str) -> None:
        """Forgets a view; one that is not there is no error."""
        views = tables.saved_views
        with self.engine.begin() as connection:
            connection.execute(delete(views).where(views.c.owner == owner, views.c.name == name))
