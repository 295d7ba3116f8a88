import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval import Index, read_documents

NOTES = {
    "case_notes/CN-2026-0001.md": """---
case_id: CN-2026-0001
title: Account drained after a call from a false bank employee
typology: account_takeover
outcome: confirmed_fraud
opened: 2026-07-02T09:14:00Z
closed: 2026-07-04T16:30:00Z
transactions: [T00012345, T00012350]
accounts: [C1231, M9001]
amount: 4820.50
currency: EUR
---
# Summary
Customer phoned at 08:50, says a caller posing as the bank's security desk made her install a remote tool.
Two transfers of 2,410.25 EUR each left within nine minutes to a payee created that morning.

# Findings
New device fingerprint, first seen 14 minutes before the first transfer. The payee account was opened three weeks
earlier and emptied at a cash machine the same afternoon. Recall sent 10:05, 310.00 EUR came back.
""",
    "case_notes/CN-2026-0002.md": """---
case_id: CN-2026-0002
title: Large transfer to a new landlord
typology: none
outcome: legitimate
opened: 2026-08-10T08:00:00Z
closed: 2026-08-11T12:00:00Z
transactions: [T00055555]
accounts: [C7777, C8888]
amount: 2400.00
currency: EUR
---
Customer confirmed the rent deposit by phone and sent the signed lease. The landlord has held an account with us since
2014. Released after 40 minutes.
""",
    "typologies/mule-chain.md": """---
title: Mule chain and cash-out
published: 2026-01-15
---
# What it looks like
Money enters an account, is split into several transfers within the hour and leaves through cash machines. The account
is often dormant for months beforehand. Three or more onward payments within two hours are the strongest single sign.

# What to do
Freeze the receiving account first. Then ask the next bank in the chain for a recall.
""",
    "policies/payment-holds.md": """---
title: Holding and releasing payments
published: 2026-02-01
---
# Duration
A hold lasts 48 hours at most. The Head of Fraud Operations may extend it once by 24 hours.

# Release
Payments over 10,000 EUR are never released by one person alone. The analyst proposes the release and the duty manager
approves it.
""",
    "run_reports/v7.txt": "Model version v7, run 0123456789abcdef0123456789abcdef. Average precision 0.61.\n",
}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    for name, text in NOTES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def index(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Read by many tests, written by none."""
    opened = Index.open(tmp_path_factory.mktemp("shared") / "index")
    report = opened.sync(read_documents(corpus))
    assert (report.added, report.failed) == (len(NOTES), ())
    return opened


@pytest.fixture
def ollama() -> Iterator[Any]:
    """A server that speaks Ollama's API."""
    path = Path(__file__).with_name("ollama_server.py")
    spec = importlib.util.spec_from_file_location("ollama_server", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ollama_server"] = module
    spec.loader.exec_module(module)
    server = module.OllamaServer()
    yield server
    server.stop()
