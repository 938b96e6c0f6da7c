"""Who may import whom: the table of CONTRIBUTING.md, held over the syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "cnncourse"

# A part of the package → the other parts it may import; all may import `checks`.
MAY_IMPORT = {
    "checks": set(),
    "scratch": set(),
    "figures": set(),
    "exercises": set(),
    "photographs": set(),
    "measure": set(),
    "models": set(),
    "runtime": set(),
    "recipe": set(),
    "download": set(),
    "data": {"download", "runtime"},
    "analysis": {"measure"},
    "objectives": set(),
    "train": {"data", "models", "objectives", "recipe", "runtime", "analysis", "figures"},
    "widgets": {"scratch", "measure", "models", "photographs"},
    "cli": {"data", "figures", "measure", "models", "recipe", "runtime", "train"},
    "__main__": {"cli"},
}
# Parts that must work, and start fast, without torch.
WITHOUT_TORCH = ["checks", "scratch", "figures", "photographs", "widgets", "recipe", "exercises"]


def part_of(path):
    """cnncourse/scratch/pooling.py → scratch; cnncourse/runtime.py → runtime."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """Every module that a file imports, absolute, at any depth of its code."""
    here = ["cnncourse", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            prefix = [*base, *([node.module] if node.module else [])]
            yield from (".".join([*prefix, alias.name]) for alias in node.names)


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name != "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_part_may(path):
    part = part_of(path)
    assert part in MAY_IMPORT, f"{part} is not in the import table: add it here and in CONTRIBUTING.md"
    others = {name.split(".")[1] for name in imports_of(path) if name.startswith("cnncourse.")} - {
        part,
        "checks",
    }
    assert others <= MAY_IMPORT[part], f"{path.name} may not import {sorted(others - MAY_IMPORT[part])}"


@pytest.mark.parametrize("part", WITHOUT_TORCH)
def test_importing_a_light_part_does_not_load_torch(part):
    code = f"import sys, cnncourse.{part}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, cnncourse; sys.exit(bool({'torch', 'matplotlib', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_import_table_names_only_parts_that_exist():
    assert set(MAY_IMPORT) == {part_of(path) for path in FILES}
