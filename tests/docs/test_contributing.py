"""CONTRIBUTING.md and SECURITY.md tell the truth: what they point at is there; CI, hooks and make are one."""

from __future__ import annotations

import ast
import fnmatch
import re
import tomllib
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.fast

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATH = re.compile(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:md|toml|txt))`")
POINTER = re.compile(r"`([\w./-]+/[\w./-]*)`: ((?:`[\w*]+`(?:, (?=`[\w*]+`(?:,|;| |$)))?)+)")
TASKS = (
    "a spot price is wrong",
    "the sentence is wrong when nothing fits",
    "a TPOT estimate is wrong",
    "a new constraint",
    "a new SLO metric",
    "a new export",
)


def defined(place: Path) -> set[str]:
    """Names that a module, or any module below a folder, defines at its top."""
    names = set()
    for path in place.rglob("*.py") if place.is_dir() else [place]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted({*PATH.findall(TEXT), *PATH.findall(SECURITY)}))
def test_every_path_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists() or path in ("fixtures/providers/<name>/",), path


def pointers() -> list[tuple[str, str]]:
    rows = "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))
    found = [(path, re.findall(r"`([\w*]+)`", names)) for path, names in POINTER.findall(rows)]
    assert len(found) > 25
    return [(path, name) for path, names in found for name in names]


@pytest.mark.parametrize(("path", "name"), pointers())
def test_what_it_says_is_defined_there_is(path: str, name: str) -> None:
    assert fnmatch.filter(defined(ROOT / path), name)


def test_every_question_names_its_owner() -> None:
    rows = TEXT.split("| question | who owns the answer |")[1].split("\n\n")[0].splitlines()[2:]
    assert len(rows) > 10
    assert [row for row in rows if not POINTER.search(row)] == []


@pytest.mark.parametrize("task", TASKS)
def test_each_task_names_at_most_three_files_to_open(task: str) -> None:
    (row,) = (line for line in TEXT.splitlines() if line.startswith(f"| {task} |"))
    files = PATH.findall(row.split("|")[2])
    assert 1 <= len(files) <= 3
    assert len(set(files)) == len(files)


# Habits


def targets() -> dict[str, list[str]]:
    """Makefile targets and what they need first."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    found = (re.match(r"([a-z]+):((?: [a-z]+)*)", line) for line in lines)
    return {match[1]: match[2].split() for match in found if match}


def test_every_make_target_it_names_is_one() -> None:
    named = set(re.findall(r"`make ([a-z]+)`|^make ([a-z]+)", TEXT, re.MULTILINE))
    assert {word for pair in named for word in pair if word} <= set(targets())


def test_the_hooks_run_what_ci_runs() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"  # nothing is fetched
    hooks = {hook["entry"] for hook in local["hooks"] if "stages" not in hook}
    assert hooks == {f"make {name}" for name in targets()["check"]}
    assert "\nmake check\n" in (ROOT / ".ci" / "run").read_text()


def test_the_workflow_runs_ci_on_every_python_that_is_promised() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["run"]
    assert {"run": ".ci/run"} in job["steps"]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    promised = [name.split(" :: ")[-1] for name in classifiers if re.search(r":: 3\.\d+$", name)]
    assert job["strategy"]["matrix"]["python"] == promised
    assert workflow["permissions"] == {"contents": "read"}


def test_every_room_has_a_fast_module() -> None:
    rooms = [path for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("test_*.py"))]
    without = [
        room.name
        for room in rooms
        if not any("pytest.mark.fast" in path.read_text() for path in room.glob("test_*.py"))
    ]
    assert without == []


def test_ci_removes_nothing_but_its_own() -> None:
    """It works in a copy: a developer's environment stays as it is."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    there = lines.index('cd "$scratch/checkout"')
    assert not [line for line in lines[:there] if re.search(r"\brm\b", line) and "$scratch" not in line]


def test_what_is_excused_as_not_dead_is_still_there() -> None:
    tree = ast.parse((ROOT / ".ci" / "not_dead.py").read_text())
    alone = [node.value for node in tree.body if isinstance(node, ast.Expr)]
    names = [word.id for word in alone if isinstance(word, ast.Name)]
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("advisor", "catalogs", "providers", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    )
    words = set(re.findall(r"\w+", code))
    assert [name for name in names if name not in words] == []
    assert len(set(names)) == len(names)
