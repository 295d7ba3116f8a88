"""When an entity pays: time since its last and first payment, and its habits of hour and weekday."""

import numpy as np

from fraud_model.kernel.compiled import DAY, HOUR, MISSING_CENTS, Array, compiled

HABIT_KINDS = ("since_last", "since_first", "hour_share", "weekday_share")
"""What `habits` writes, in the order of its `where`."""


@compiled
def row_features(amounts: Array, times: Array, wanted: Array, columns: Array) -> None:
    """Amount, hour in [0, 24) and weekday in [0, 7) from Monday, UTC, as the first three columns."""
    for at in range(wanted.size):
        now = times[wanted[at]]
        columns[0, at] = amounts[wanted[at]]
        columns[1, at] = (now // HOUR) % 24
        columns[2, at] = (now // DAY + 3) % 7  # 1970-01-01 was a Thursday


@compiled
def habits(
    times: Array, cents: Array, bounds: Array, wanted: Array, until: Array, where: Array, columns: Array
) -> None:
    """Seconds since the last and the first payment; shares of payments near this hour, and on this weekday.

    Args:
        times: Seconds, shape (places,), int64.
        cents: Amounts, shape (places,), int64; MISSING_CENTS where there is none.
        bounds: Where each entity starts, and its end, shape (entities + 1,), int64.
        wanted: Places, shape (wanted,), int32.
        until: The first place of each one's own second, shape (wanted,), int32.
        where: Row of `columns` for each of HABIT_KINDS, shape (4,), int64; -1 for what is not wanted.
        columns: Written in place, shape (features, wanted), float32.
    """
    last_at, first_at, hour_at, weekday_at = where
    hours = np.empty(24, np.int64)
    weekdays = np.empty(7, np.int64)
    at = 0
    for entity in range(bounds.size - 1):
        stop = bounds[entity + 1]
        place = bounds[entity]
        hours[:] = 0
        weekdays[:] = 0
        count, first, last = 0, 0, 0
        while at < wanted.size and wanted[at] < stop:
            while place < until[at]:
                if cents[place] != MISSING_CENTS:
                    last = times[place]
                    if count == 0:
                        first = last
                    count += 1
                    if hour_at >= 0:
                        hours[(last // HOUR) % 24] += 1
                    if weekday_at >= 0:
                        weekdays[(last // DAY + 3) % 7] += 1
                place += 1
            now = times[wanted[at]]
            if last_at >= 0:
                columns[last_at, at] = now - last if count > 0 else np.nan
            if first_at >= 0:
                columns[first_at, at] = now - first if count > 0 else np.nan
            if hour_at >= 0:
                hour = (now // HOUR) % 24
                near = hours[(hour + 23) % 24] + hours[hour] + hours[(hour + 1) % 24]
                columns[hour_at, at] = near / count if count > 0 else np.nan
            if weekday_at >= 0:
                columns[weekday_at, at] = weekdays[(now // DAY + 3) % 7] / count if count > 0 else np.nan
            at += 1
