"""Fraud model: transactions to features, training, registry and scoring.

    from fraud_model import Scorer, TransactionSchema, compute_features

Names are imported on first use, so that `import fraud_model` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fraud_model.features import compute_features
    from fraud_model.past import PastPayments
    from fraud_model.schema import TransactionSchema, load_schema
    from fraud_model.scorer import Scorer

_HOMES = {
    "PastPayments": "fraud_model.past",
    "Scorer": "fraud_model.scorer",
    "TransactionSchema": "fraud_model.schema",
    "compute_features": "fraud_model.features",
    "load_schema": "fraud_model.schema",
}

__all__ = ["PastPayments", "Scorer", "TransactionSchema", "compute_features", "load_schema"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fraud_model' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
