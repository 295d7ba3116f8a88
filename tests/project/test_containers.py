"""The container files name settings, packages and ports that exist; no engine is needed to find that out."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
KNOWN = {f"{PREFIX}{name.upper()}" for name, _, _ in Settings.table()}


def test_the_desk_runs_with_its_real_parts() -> None:
    assert set(SERVICES) == {"desk", "mlflow", "postgres", "chroma", "ollama"}
    servers = {name: SERVICES["desk"]["environment"][f"FRAUDDESK_{name}"] for name in ("TRACKING_URI", "CHROMA_URL")}
    assert servers == {"TRACKING_URI": "http://mlflow:5000", "CHROMA_URL": "http://chroma:8000"}


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_to_this_machine_only(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", []))


def test_every_setting_named_exists() -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", DOCKERFILE))
    named |= {
        name for service in SERVICES.values() for name in service.get("environment", {}) if name.startswith(PREFIX)
    }
    assert named and named <= KNOWN


def test_no_password_is_written_down() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert all(
        "${POSTGRES_PASSWORD:?" in line
        for line in text.splitlines()
        if re.search(r"PASSWORD\W", line) and "#" not in line
    )


def test_the_image_takes_the_pinned_versions_and_runs_without_rights() -> None:
    installs = re.findall(r"pip install [^\n]*", DOCKERFILE)
    assert len(installs) >= 3 and all("-c constraints.txt" in line or "--no-deps" in line for line in installs)
    assert re.search(r"^USER desk$", DOCKERFILE, flags=re.MULTILINE) and "HEALTHCHECK" in DOCKERFILE


def test_the_chroma_server_is_the_version_that_we_pin() -> None:
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert SERVICES["chroma"]["image"].rpartition(":")[2] == pinned["chromadb"]
