"""What labels say about an entity: known fraud in a window, its share, and how the latest labels run.

A label counts once it is older than the label delay, whether its payment has an amount or not.
"""

import numpy as np

from fraud_model.kernel.compiled import DAY, Array, compiled

RISK_HALF_LIFE = 7.0 * DAY
"""Age in seconds at which a label counts half in the weighted share of fraud."""
PRIOR_RISK = 0.02
"""Share of fraud that one imagined payment brings to the weighted share, so that few labels prove little."""

LABEL_KINDS = ("fraud_count", "fraud_share")
"""What `window_labels` writes, in the order of its `where`."""
LATEST_KINDS = ("since_fraud", "fraud_run", "fraud_run_age", "since_legitimate", "fraud_weighted")
"""What `latest_labels` writes, in the order of its `where`."""


@compiled
def running_labels(labels: Array) -> Array:
    """Labels and labels of fraud before each place, shape (places, 2), int32, running on over entities.

    Args:
        labels: 1 fraud, 0 legitimate, -1 unknown, shape (places,), int8.
    """
    counts = np.empty((labels.size, 2), np.int32)
    known, fraud = 0, 0
    for place in range(labels.size):
        counts[place, 0] = known
        counts[place, 1] = fraud
        if labels[place] >= 0:
            known += 1
            fraud += labels[place]
    return counts


@compiled
def window_labels(counts: Array, since: Array, matured: Array, where: Array, columns: Array) -> None:
    """Number and share of known fraud in [since, matured).

    Args:
        counts: See `running_labels`.
        since: First place of each window, shape (wanted,), int32.
        matured: First place whose label is not yet known.
        where: Row of `columns` for each of LABEL_KINDS, shape (2,), int64; -1 for what is not wanted.
        columns: Written in place, shape (features, wanted), float32.
    """
    count_at, share_at = where
    for at in range(since.size):
        known = counts[matured[at], 0] - counts[since[at], 0]
        fraud = counts[matured[at], 1] - counts[since[at], 1]
        if count_at >= 0:
            columns[count_at, at] = fraud
        if share_at >= 0:
            columns[share_at, at] = fraud / known if known > 0 else np.nan


@compiled
def latest_labels(
    times: Array, labels: Array, bounds: Array, wanted: Array, matured: Array, where: Array, columns: Array
) -> None:
    """Time since fraud, length and age of the unbroken run of fraud, time since a legitimate one, weighted share.

    Args:
        times: Seconds, shape (places,), int64.
        labels: 1 fraud, 0 legitimate, -1 unknown, shape (places,), int8.
        bounds: Where each entity starts, and its end, shape (entities + 1,), int64.
        wanted: Places, shape (wanted,), int32.
        matured: First place whose label is not yet known, shape (wanted,), int32.
        where: Row of `columns` for each of LATEST_KINDS, shape (5,), int64; -1 for what is not wanted.
        columns: Written in place, shape (features, wanted), float32.
    """
    fraud_at, run_at, age_at, legitimate_at, weighted_at = where
    at = 0
    for entity in range(bounds.size - 1):
        stop = bounds[entity + 1]
        place = bounds[entity]
        any_fraud, any_legitimate = False, False
        last_fraud, last_legitimate, run, run_start = 0, 0, 0, 0
        fraud_weight, weight, weight_time = 0.0, 0.0, 0
        while at < wanted.size and wanted[at] < stop:
            while place < matured[at]:
                label = labels[place]
                if label >= 0:
                    moment = times[place]
                    if weighted_at >= 0:
                        if weight > 0 and moment != weight_time:
                            fade = 0.5 ** ((moment - weight_time) / RISK_HALF_LIFE)
                            fraud_weight *= fade
                            weight *= fade
                        fraud_weight += label
                        weight += 1.0
                        weight_time = moment
                    if label == 1:
                        any_fraud = True
                        last_fraud = moment
                        # In the same second as a legitimate payment is no later than it, whichever row comes first.
                        if not any_legitimate or moment > last_legitimate:
                            if run == 0:
                                run_start = moment
                            run += 1
                    else:
                        any_legitimate = True
                        last_legitimate = moment
                        run = 0
                place += 1
            now = times[wanted[at]]
            if fraud_at >= 0:
                columns[fraud_at, at] = now - last_fraud if any_fraud else np.nan
            if run_at >= 0:
                columns[run_at, at] = run
            if age_at >= 0:
                columns[age_at, at] = now - run_start if run > 0 else np.nan
            if legitimate_at >= 0:
                columns[legitimate_at, at] = now - last_legitimate if any_legitimate else np.nan
            if weighted_at >= 0:
                columns[weighted_at, at] = (fraud_weight + PRIOR_RISK) / (weight + 1.0)
            at += 1
