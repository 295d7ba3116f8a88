"""Which code made a model: the package's version, a digest of its modules, and the commit where there is one."""

import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_FOLDER = Path(__file__).parent


@cache
def code_version() -> str:
    """Version of the package, and a digest of the modules that make a model: 0.1.0+1f3a5c7e9b2d."""
    digest = sha256()
    for path in sorted(_FOLDER.rglob("*.py")):
        digest.update(path.read_bytes())
    try:
        number = version("frauddesk")
    except PackageNotFoundError:  # run from a checkout that was not installed
        number = "0"
    return f"{number}+{digest.hexdigest()[:12]}"


@cache
def git_commit() -> str:
    """The commit of the checkout that this code lies in; empty where it lies in none, or git is not there.

    A package installed inside somebody else's checkout is not tracked by it, and so has no commit.
    """
    try:
        for arguments in (("ls-files", "--error-unmatch", Path(__file__).name), ("rev-parse", "HEAD")):
            done = subprocess.run(
                ["git", "-C", str(_FOLDER), *arguments], capture_output=True, text=True, timeout=5, check=True
            )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
