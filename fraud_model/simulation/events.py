"""Payments before they have balances: one array per property, row by row."""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

Array = np.ndarray[Any, Any]

TYPES = ("CASH_IN", "CASH_OUT", "DEBIT", "PAYMENT", "TRANSFER")
CASH_IN, CASH_OUT, DEBIT, PAYMENT, TRANSFER = range(5)

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True)
class Events:
    """Payments, each array of shape (rows,).

    Attributes:
        second: Time in seconds from the start of day 1.
        kind: Position of the type in `TYPES`.
        payer: Account number (position in the population) that the payment is booked for.
        payee: Account number on the other side.
        cents: Amount in cents; where `share` is positive, decided by the ledger instead.
        share: Part of the payer's balance to move, in (0, 1]; 0 where `cents` is the amount.
        fraud: 1 where the bank later books the payment as fraud.
        story: Number of the story that the payment belongs to; -1 for everyday rows.
        role: Position of the payment's role in the story book; -1 for everyday rows.
    """

    second: Array
    kind: Array
    payer: Array
    payee: Array
    cents: Array
    share: Array
    fraud: Array
    story: Array
    role: Array

    @classmethod
    def everyday(cls, second: Array, kind: Array | int, payer: Array, payee: Array, cents: Array) -> Self:
        """Legitimate payments outside any story."""
        rows = len(second)
        return cls(
            second=second.astype(np.int64),
            kind=np.broadcast_to(np.asarray(kind, dtype=np.int8), (rows,)),
            payer=payer.astype(np.int64),
            payee=payee.astype(np.int64),
            cents=np.maximum(cents, 1).astype(np.int64),
            share=np.zeros(rows),
            fraud=np.zeros(rows, dtype=np.int8),
            story=np.full(rows, -1, dtype=np.int64),
            role=np.full(rows, -1, dtype=np.int64),
        )

    @classmethod
    def concat(cls, parts: "list[Events]") -> Self:
        """All the parts one after the other."""
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    def take(self, rows: Array) -> Self:
        """The rows at these positions (or where the mask is true), in that order."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def __len__(self) -> int:
        return len(self.second)
