"""Writing small files so that a reader finds the old one or the new one, never a part."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write `text` to `path` as one step; the folder is made; a failed write leaves the old file and no rest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".tmp")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
