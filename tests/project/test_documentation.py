"""README documents every setting and every command, and nothing that does not exist."""

import re
from pathlib import Path

import pytest
import typer

from app.cli import cli
from app.settings import CONFIG_VARIABLE, PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def command_paths() -> list[str]:
    root = typer.main.get_command(cli)
    paths = []
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        paths.extend([f"{name} {part}" for part in inner] if inner else [name])
    return paths


@pytest.mark.parametrize("name", [name for name, _, _ in Settings.table()])
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{PREFIX}{name.upper()}`" in README


@pytest.mark.parametrize("path", command_paths())
def test_every_command_is_documented(path: str) -> None:
    assert f"frauddesk {path}" in README


def test_readme_names_only_settings_that_exist() -> None:
    known = {f"{PREFIX}{name.upper()}" for name, _, _ in Settings.table()} | {CONFIG_VARIABLE}
    assert set(re.findall(rf"{PREFIX}[A-Z0-9_]+", README)) <= known


def test_readme_names_only_commands_that_exist() -> None:
    known = {path.split()[0] for path in command_paths()}
    assert set(re.findall(r"^frauddesk ([a-z]+)", README, flags=re.MULTILINE)) <= known


def test_defaults_in_readme_are_those_in_force() -> None:
    for name, default, help_text in Settings.table():
        row = next(line for line in README.splitlines() if line.startswith(f"| `{PREFIX}{name.upper()}`"))
        assert f"| {f'`{default}`' if default else ''} |".replace("|  |", "| |") in row.replace("|  |", "| |")
        assert help_text in row


def test_files_in_git_stay_small() -> None:
    import subprocess

    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert [name for name in names if (ROOT / name).stat().st_size > 1_000_000] == []
