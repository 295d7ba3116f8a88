"""What can go wrong between the desk and its database."""


class StoreError(Exception):
    """The desk's database cannot be opened, or holds what it should not."""


class NotFoundError(StoreError):
    """There is no such alert, conversation or message."""


class ConflictError(StoreError):
    """The alert is no longer in a state that allows this; somebody else was quicker."""


class InvalidDecisionError(StoreError):
    """A decision, reason code, view or narrative that cannot be stored as it is."""
