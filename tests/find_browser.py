"""Finds Chromium for the browser tests, or gets it: the system's, Debian's package (as root), Playwright's own.

Run: python tests/find_browser.py. Prints what it found. With CI=true no browser is a failure; elsewhere the browser
tests are left out, and the last lines of the test run say so.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GET_SECONDS = 300


def find() -> str | None:
    """Path of a Chromium that can be started, or None."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    own = sorted(cache.glob("chromium-*/chrome-*/chrome"))
    return str(own[-1]) if own else None


def get() -> str | None:
    """Install Chromium by whichever way is open here; the path, or None where none worked."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
            run(command, environment)
        if find():
            return find()
    run([sys.executable, "-m", "playwright", "install", "chromium"], dict(os.environ))
    return find()


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run one command, quietly; say on stderr what failed and why."""
    print(f"browser tests: {' '.join(command)}", file=sys.stderr)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=GET_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"browser tests: {error}", file=sys.stderr)
        return
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        print(f"browser tests: exit {done.returncode}: {' '.join(last)}", file=sys.stderr)


def main() -> int:
    """Find or get a browser; 1 only where there is none and CI=true."""
    path = find() or get()
    if path:
        print(f"browser tests: {path}")
        return 0
    print("browser tests: LEFT OUT, no Chromium; install it (Debian: apt-get install chromium) and run again")
    return 1 if os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
