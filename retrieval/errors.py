"""Errors of retrieval. Each message names the file, setting or lock concerned, and the fix."""


class RetrievalError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(RetrievalError):
    """The caller's input is wrong: a path, a filter, a date, a document."""


class IndexLocked(RetrievalError):
    """Another process is writing this index; only one may."""


class IndexMismatch(RetrievalError):
    """The index on disk was built with another embedding model, chunking or format."""


class ModelUnavailable(RetrievalError):
    """An embedding or chat model cannot be loaded or reached."""
