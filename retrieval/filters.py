"""Which documents a search may see: `where` over metadata, and `as_of` over the times they became known."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from retrieval.documents import Metadata, parse_time
from retrieval.errors import InputError

NEVER_VISIBLE = 1e18
"""As the time from which a document may be seen: a case that is not closed."""

ALWAYS_VISIBLE = -1e18

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda held, asked: held > asked,
    "$gte": lambda held, asked: held >= asked,
    "$lt": lambda held, asked: held < asked,
    "$lte": lambda held, asked: held <= asked,
}


def visible_from(metadata: Metadata) -> float:
    """UTC epoch seconds after which a document may be seen by a search as of a time.

    That is the later of `closed` and `published`. A case (with a `case_id`) that is not closed is never visible to such
    a search; another document without either date always is.

    Raises:
        InputError: If one of the two is no time.
    """
    times = [
        parse_time(metadata[name], f"metadata {name}").timestamp()
        for name in ("closed", "published")
        if metadata.get(name)
    ]
    if metadata.get("case_id") and not metadata.get("closed"):
        return NEVER_VISIBLE
    return max(times, default=ALWAYS_VISIBLE)


def as_of_seconds(as_of: datetime | str | None) -> float | None:
    """A time to search as of, in UTC epoch seconds; None for now.

    Raises:
        InputError: If it is no time.
    """
    return None if as_of is None or as_of == "" else parse_time(as_of, "as_of").timestamp()


def restrict(
    where: Mapping[str, Any] | None, collections: Collection[str] | None, hidden_collections: Collection[str] = ()
) -> Mapping[str, Any] | None:
    """A filter that lets through, of what `where` does, only some collections.

    Args:
        where: The asker's own filter.
        collections: Those that the asker may see; None for all, and an empty one for none. A document without a
            collection is shown only to those who may see all.
        hidden_collections: Those that the asker may not see; a document without a collection is not among them.

    Raises:
        InputError: If one of them is one text instead of several.
    """
    parts: list[Mapping[str, Any]] = []
    if collections is not None:
        parts.append({"collection": {"$in": _names(collections, "collections")}})
    if hidden := _names(hidden_collections, "hidden_collections"):
        parts.append({"collection": {"$nin": hidden}})
    if where:
        parts.append(where)
    return parts[0] if len(parts) == 1 else {"$and": parts} if parts else where


def _names(given: Collection[str], argument: str) -> list[str]:
    if isinstance(given, str):
        raise InputError(f"{argument}: {given!r} is one text; give a list of names")
    return sorted(given)


def matches(metadata: Metadata, where: Mapping[str, Any]) -> bool:
    """Tell whether a document's metadata fit a filter.

    A filter is `{field: value}` or `{field: {operator: value}}` with the operators $eq, $ne, $in, $nin, $gt, $gte, $lt,
    $lte and $contains, joined by $and, $or and $not; several fields must all fit. A list field equals a value that it
    holds. Dotted names reach into mappings.

    Raises:
        InputError: If the filter has another shape.
    """
    for name, condition in where.items():
        if name in ("$and", "$or"):
            if not isinstance(condition, list | tuple) or not condition:
                raise InputError(f"where: {name} takes a list of filters")
            results = [matches(metadata, part) for part in condition]
            if not (all(results) if name == "$and" else any(results)):
                return False
        elif name == "$not":
            if matches(metadata, condition):
                return False
        elif name.startswith("$"):
            raise InputError(f"where: unknown operator {name}; known: $and, $or, $not")
        else:
            operators = condition if isinstance(condition, Mapping) else {"$eq": condition}
            held = _look_up(metadata, name)
            if not all(_holds(held, operator, asked, name) for operator, asked in operators.items()):
                return False
    return True


def _look_up(metadata: Metadata, name: str) -> Any:
    if name in metadata:
        return metadata[name]
    value: Any = metadata
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _holds(held: Any, operator: str, asked: Any, name: str) -> bool:
    values = held if isinstance(held, list) else [held]
    if operator in ("$eq", "$contains"):
        return asked in values or (operator == "$contains" and isinstance(held, str) and str(asked) in held)
    if operator == "$ne":
        return asked not in values
    if operator in ("$in", "$nin"):
        if not isinstance(asked, list | tuple | set):
            raise InputError(f"where: {operator} on {name} takes a list")
        return any(value in asked for value in values) == (operator == "$in")
    if operator in _COMPARISONS:
        compare = _COMPARISONS[operator]
        return any(_compare(compare, value, asked) for value in values if value is not None)
    raise InputError(
        f"where: unknown operator {operator} on {name}; known: $eq $ne $in $nin $gt $gte $lt $lte $contains"
    )


def _compare(compare: Callable[[Any, Any], bool], held: Any, asked: Any) -> bool:
    if isinstance(asked, datetime):
        try:
            return compare(parse_time(held, "metadata"), parse_time(asked, "where"))
        except InputError:
            return False
    try:
        return compare(held, asked)
    except TypeError:
        return False
