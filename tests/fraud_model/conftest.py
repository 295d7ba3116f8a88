"""One small trained model for all tests of the fraud model: 6,000 payments over 35 days, fraud at a few payees."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def payments() -> pd.DataFrame:
    """Cards: some terminals turn bad for ten days, some customers pay far above their habit."""
    rng = np.random.default_rng(11)
    rows = 6_000
    seconds = np.sort(rng.integers(0, 35 * 86_400, rows))
    customers, terminals = rng.integers(0, 120, rows), rng.integers(0, 80, rows)
    amounts = rng.lognormal(3, 0.3, rows) * (1 + customers % 5)
    bad_from = rng.integers(0, 30, 80) * 86_400
    at_bad = (terminals < 12) & (seconds >= bad_from[terminals]) & (seconds < bad_from[terminals] + 12 * 86_400)
    fraud = at_bad & (rng.random(rows) < 0.5)
    large = rng.random(rows) < 0.01
    amounts[large] *= 6
    return pd.DataFrame(
        {
            "TRANSACTION_ID": np.arange(rows),
            "TX_DATETIME": pd.Timestamp("2026-06-01", tz="UTC") + pd.to_timedelta(seconds, unit="s"),
            "CUSTOMER_ID": customers,
            "TERMINAL_ID": terminals,
            "TX_AMOUNT": amounts.round(2),
            "TX_FRAUD": (fraud | large).astype(int),
        }
    )


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fresh MLflow store."""
    return f"sqlite:///{Path(tmp_path_factory.mktemp('mlflow')) / 'mlflow.db'}"


@pytest.fixture(scope="session")
def trained(payments: pd.DataFrame, tracking_uri: str):
    """Version 1, the candidate."""
    from fraud_model.train import train

    return train(payments, "cards", tracking_uri=tracking_uri, alert_budget_per_day=20, seed=1, dataset_name="small")
