"""`advisor verify` and `advisor schema` on a plan that `advisor recommend` wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from plan_builder import stamped

from advisor.plan.schema import plan_json_schema

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with nothing in it."""
    return tmp_path_factory.mktemp("home")


def advisor(home: Path, *words: str, piped: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, from the checkout."""
    environment = {**os.environ, "ADVISOR_HOME": str(home), "COLUMNS": "120", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "advisor", *words]
    return subprocess.run(
        command, input=piped, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )


@pytest.fixture(scope="module")
def recommended(home: Path) -> dict[str, Any]:
    """The answer to the default question."""
    answer = advisor(home, "recommend", "--region", "us-east-1", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    plan: dict[str, Any] = json.loads(answer.stdout)
    return plan


def saved(tmp_path: Path, plan: dict[str, Any]) -> str:
    """The plan in a file."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    return str(path)


def test_what_is_recommended_validates(recommended: dict[str, Any]) -> None:
    Draft202012Validator(plan_json_schema()).validate(recommended)


def test_what_is_recommended_holds(home: Path, recommended: dict[str, Any]) -> None:
    answer = advisor(home, "verify", "-", piped=json.dumps(recommended))
    cost, snapshot_id = recommended["usd_per_hour"], recommended["inputs"]["snapshot_id"]
    said = f"Plan {recommended['plan_id']} (optimal, ${cost}/h) holds against snapshot {snapshot_id}."
    assert (answer.returncode, answer.stdout.splitlines()[0]) == (0, said)
    assert "Not checked: Limits of an account" in answer.stderr


def test_a_cheaper_total_is_refused_with_exit_code_3(
    home: Path, recommended: dict[str, Any], tmp_path: Path
) -> None:
    answer = advisor(home, "verify", saved(tmp_path, stamped(recommended | {"usd_per_hour": "0.01"})))
    assert answer.returncode == 3
    assert "is refused" in answer.stdout
    assert "total" in answer.stdout
    assert recommended["usd_per_hour"] in answer.stdout


def test_every_finding_is_in_the_json(home: Path, recommended: dict[str, Any], tmp_path: Path) -> None:
    spoiled = json.loads(json.dumps(recommended))
    load = spoiled["allocations"][0]["load"][0]
    load["capacity_requests_per_s"] *= 2
    answer = advisor(home, "verify", saved(tmp_path, stamped(spoiled)), "--format", "json")
    found = json.loads(answer.stdout)
    assert (answer.returncode, found["holds"]) == (3, False)
    assert {"capacity", "utilization"} <= {violation["code"] for violation in found["violations"]}
    assert {"code", "where", "meaning", "expected", "found"} == set(found["violations"][0])


def test_an_account_without_room_refuses_the_plan(
    home: Path, recommended: dict[str, Any], tmp_path: Path
) -> None:
    line, draw = next((line, draw) for line in recommended["purchase"] for draw in line["quota_draw"])
    quota = {"provider": line["provider"], "limit": 0} | {k: draw[k] for k in ("region", "pool", "unit")}
    (tmp_path / "account.json").write_text(json.dumps({"quotas": [quota]}))
    answer = advisor(home, "verify", saved(tmp_path, recommended), "--quota", str(tmp_path / "account.json"))
    assert answer.returncode == 3
    assert "quota_exceeded" in answer.stdout


def test_a_snapshot_that_is_not_at_hand_is_asked_for(
    home: Path, recommended: dict[str, Any], tmp_path: Path
) -> None:
    inputs = recommended["inputs"] | {"snapshot_id": "2020-01-06-0123456789ab"}
    answer = advisor(home, "verify", saved(tmp_path, recommended | {"inputs": inputs}))
    assert answer.returncode == 4
    assert "2020-01-06-0123456789ab, which is not at hand" in answer.stderr
    assert "--snapshot" in answer.stderr


def test_a_snapshot_id_cannot_name_a_file(home: Path, recommended: dict[str, Any], tmp_path: Path) -> None:
    inputs = recommended["inputs"] | {"snapshot_id": "../../etc/passwd"}
    answer = advisor(home, "verify", saved(tmp_path, recommended | {"inputs": inputs}))
    assert (answer.returncode, "names no snapshot" in answer.stderr) == (4, True)


def test_a_file_that_is_no_plan_is_bad_input(home: Path, tmp_path: Path) -> None:
    answer = advisor(home, "verify", saved(tmp_path, {"quotas": []}))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "plan.json: kind: None is not allowed" in answer.stderr


def test_the_schema_command_prints_what_the_library_gives(home: Path) -> None:
    answer = advisor(home, "schema", "plan")
    assert json.loads(answer.stdout) == plan_json_schema()
    assert advisor(home, "schema", "spaceship").returncode == 2
