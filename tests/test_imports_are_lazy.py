"""What a command does not need, it does not import: start-up stays quick, no cloud SDK is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLOUDS = ("boto3", "botocore", "google.cloud", "azure", "requests", "requests_cache")
NEVER = (*CLOUDS, "pandas", "scipy", "pyarrow")
HEAVY = ("pulp", "highspy", "duckdb", "numpy", "pydantic")

PROBE = """
import json, runpy, sys
sys.argv = ["advisor", *json.loads(sys.argv[1])]
try:
    runpy.run_module("advisor", run_name="__main__", alter_sys=True)
except SystemExit as leaving:
    code = leaving.code or 0
sys.stdout.flush()
print("\\n=====" + json.dumps([code, sorted(sys.modules)]))
"""


def loaded(home: Path, *words: str, piped: str = "") -> tuple[str, set[str]]:
    """What a run prints, and every module it loaded."""
    said = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(words)],
        input=piped, capture_output=True, text=True, check=True, cwd=ROOT,
        env={**os.environ, "ADVISOR_HOME": str(home), "COLUMNS": "120"},
    )  # fmt: skip
    printed, _, report = said.stdout.rpartition("\n=====")
    code, modules = json.loads(report)
    assert code == 0, said.stderr
    return printed, set(modules)


def among(modules: set[str], unwanted: tuple[str, ...]) -> set[str]:
    """Those of the unwanted packages that were loaded."""
    return {name for name in unwanted if any(m == name or m.startswith(f"{name}.") for m in modules)}


COMMANDS: dict[str, tuple[str, ...]] = {
    "--help": ("--help",),
    "--version": ("--version",),
    "offers": ("offers", "--region", "us-east-1"),
    "catalog status": ("catalog", "status"),
    "solve": ("solve", "fixtures/melange/example.json"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_cloud_sdk_and_no_data_frames(tmp_path: Path, name: str) -> None:
    _, modules = loaded(tmp_path, *COMMANDS[name])
    assert among(modules, NEVER) == set()


def test_recommend_and_verify_neither(tmp_path: Path) -> None:
    plan, modules = loaded(tmp_path, "recommend", "--region", "us-east-1", "--format", "json")
    assert among(modules, NEVER) == set()
    assert among(modules, ("yaml",)) == set()  # there is no file to read
    _, modules = loaded(tmp_path, "verify", "-", piped=plan)
    assert among(modules, NEVER) == set()
    assert among(modules, ("pulp", "highspy")) == set()  # a second opinion asks no solver


@pytest.mark.parametrize("name", ["--help", "--version"])
def test_asking_for_help_loads_nothing_heavy(tmp_path: Path, name: str) -> None:
    _, modules = loaded(tmp_path, *COMMANDS[name])
    assert among(modules, HEAVY) == set()


@pytest.mark.parametrize("name", ["recommend", "workload", "schema", "offers"])
def test_help_of_a_command_loads_little(tmp_path: Path, name: str) -> None:
    """Typer itself may bring pydantic for a command's options; the rest is not needed to explain them."""
    _, modules = loaded(tmp_path, name, "--help")
    assert among(modules, HEAVY) <= {"pydantic"}


def test_offers_and_status_load_no_solver(tmp_path: Path) -> None:
    _, modules = loaded(tmp_path, *COMMANDS["offers"])
    assert among(modules, ("pulp", "highspy")) == set()


def test_import_advisor_imports_no_third_party_package() -> None:
    script = (
        "import sys; before = set(sys.modules); import advisor; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    foreign = {name for name in said.stdout.split() if name not in sys.stdlib_module_names} - {"advisor"}
    assert foreign == set()


def test_every_name_the_package_offers_can_be_imported() -> None:
    import advisor

    assert all(getattr(advisor, name) is not None for name in advisor.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = advisor.nonsense
