"""One generation of the index on disk: manifest, vector view and keyword snapshot in one folder.

The index folder's file CURRENT names the generation that serves; a rebuild fills another beside it and then renames
CURRENT over, so that readers see the old one whole until they see the new one whole.
"""

import hashlib
import os
import shutil
from pathlib import Path

from retrieval.errors import IndexMismatch, InputError
from retrieval.manifest import FORMAT, Manifest
from retrieval.vectors import VectorView


class Store:
    """The three views of one generation."""

    def __init__(self, index_folder: Path, generation: str, chroma_url: str | None, *, read_only: bool = False) -> None:
        self.generation = generation
        self.folder = index_folder / generation
        self.snapshot = self.folder / "keyword.npz"
        if not read_only:
            self.folder.mkdir(parents=True, exist_ok=True)
        self.manifest = Manifest(self.folder / "manifest.db", read_only=read_only)
        self.vectors = VectorView(self.folder / "chroma", self._collection_name(index_folder), chroma_url)
        recorded = self.manifest.setting("format")
        if recorded is None and not read_only:
            self.manifest.set("format", FORMAT)
            self.manifest.set("changes", "0")
        elif recorded != FORMAT:
            self.close()
            raise IndexMismatch(
                f"{index_folder}: written in format {recorded}, this version reads {FORMAT}; "
                "move the folder away and run `frauddesk index sync`"
            )

    @property
    def version(self) -> str:
        """Changes with everything that is written."""
        return f"{self.generation}.{self.manifest.setting('changes') or 0}"

    def count_change(self) -> None:
        """Make `version` another one; call inside the transaction that changed something."""
        self.manifest.set("changes", str(int(self.manifest.setting("changes") or 0) + 1))

    def close(self) -> None:
        """Close the databases; the vector view's shared client closes with the index."""
        self.manifest.close()

    def _collection_name(self, index_folder: Path) -> str:
        place = hashlib.sha256(str(index_folder.resolve()).encode()).hexdigest()[:12]
        return f"frauddesk-{place}-{self.generation}"


def current_generation(folder: Path) -> str | None:
    """Name of the generation that serves, or None where there is no index yet."""
    try:
        return (folder / "CURRENT").read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise InputError(f"{folder}: {problem.strerror}; name a folder for the index") from None


def switch_generation(folder: Path, generation: str) -> None:
    """Let another generation serve, atomically."""
    temporary = folder / f".CURRENT.{os.getpid()}"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(generation + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / "CURRENT")
    finally:
        temporary.unlink(missing_ok=True)


def next_generation(folder: Path) -> str:
    """A name that no folder here has."""
    used = [int(path.name[1:]) for path in folder.glob("g*") if path.name[1:].isdigit()]
    return f"g{max(used, default=0) + 1}"


def remove_other_generations(folder: Path, kept: str, chroma_url: str | None) -> None:
    """Delete generations that neither serve nor are being built; only the writer may."""
    for path in folder.glob("g*"):
        if path.name != kept and path.name[1:].isdigit() and path.is_dir():
            if chroma_url is not None:
                place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
                VectorView(path / "chroma", f"frauddesk-{place}-{path.name}", chroma_url).drop()
            shutil.rmtree(path, ignore_errors=True)


def bytes_on_disk(folder: Path) -> int:
    """Size of everything in a folder."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # replaced while we looked
            continue
    return total
