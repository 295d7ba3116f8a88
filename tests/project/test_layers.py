"""Who may import whom, and who may read the environment."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "fraud_model": {"fraud_model"},
    "retrieval": {"retrieval"},
    "eval": {"eval", "fraud_model", "retrieval"},
    "app": {"app", "eval", "fraud_model", "retrieval"},
}
OURS = {*ALLOWED, "tests", "benchmarks"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_the_layers_below_it(package: str) -> None:
    assert modules(package), f"{package} has no modules"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[0] in OURS - ALLOWED[package]
    ]
    assert not wrong


@pytest.mark.parametrize("package", ALLOWED)
def test_only_settings_read_the_environment(package: str) -> None:
    wrong = []
    for path in modules(package):
        if path == ROOT / "app" / "settings.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            reads = isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
            # Writing a library's switch before its import is not reading a setting.
            if reads and not _written(path, node):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong


def _written(path: Path, node: ast.expr) -> bool:
    line = path.read_text(encoding="utf-8").splitlines()[node.lineno - 1]
    return "os.environ.update(" in line or "os.environ.setdefault(" in line


def test_importing_the_command_line_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    heavy = ("torch", "mlflow", "gradio", "pandas", "chromadb", "lightgbm", "langchain_core", "numpy")
    code = f"import sys, app.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
