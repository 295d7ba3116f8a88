"""The shipped corpus, and the default simulation that its case notes are about."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from fraud_model.simulate import START, simulate

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "docs_corpus"


@dataclass(frozen=True)
class CorpusFile:
    """One document: `body` is the text after the front matter."""

    path: Path
    document_id: str
    front: dict[str, Any]
    body: str

    def time(self, key: str) -> datetime:
        """A time of the front matter, UTC: YAML makes datetimes, dates or text of them."""
        value = self.front[key]
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_folder(folder: str) -> list[CorpusFile]:
    files = []
    for path in sorted((CORPUS / folder).glob("*.md")):
        text = path.read_bytes().decode("utf-8")
        match = re.match(r"---\n(.*?)\n---\n", text, flags=re.DOTALL)
        assert match, f"{path.name}: no front matter"
        files.append(CorpusFile(path, f"{folder}/{path.stem}", yaml.safe_load(match.group(1)), text[match.end() :]))
    return files


@pytest.fixture(scope="session")
def case_notes() -> list[CorpusFile]:
    return read_folder("case_notes")


@pytest.fixture(scope="session")
def typologies() -> list[CorpusFile]:
    return read_folder("typologies")


@pytest.fixture(scope="session")
def policies() -> list[CorpusFile]:
    return read_folder("policies")


@pytest.fixture(scope="session")
def documents(
    case_notes: list[CorpusFile], typologies: list[CorpusFile], policies: list[CorpusFile]
) -> dict[str, CorpusFile]:
    return {file.document_id: file for file in [*case_notes, *typologies, *policies]}


@pytest.fixture(scope="session")
def payments() -> pd.DataFrame:
    """The default simulation by transaction id, with the hour of each payment (UTC) as `time`."""
    frame = simulate()
    frame.index = pd.Index([f"T{row:08d}" for row in range(1, len(frame) + 1)])
    frame["time"] = pd.Timestamp(START) + pd.to_timedelta(frame["step"] - 1, unit="h")
    return frame


@pytest.fixture(scope="session")
def known_accounts(payments: pd.DataFrame) -> set[str]:
    return set(payments["nameOrig"]) | set(payments["nameDest"])
