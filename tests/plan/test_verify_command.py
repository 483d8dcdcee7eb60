"""`advisor verify` and `advisor schema` on a plan that `advisor recommend` wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cli_harness import Said, call
from jsonschema import Draft202012Validator
from plan_builder import stamped

from advisor.plan.schema import plan_json_schema

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with nothing in it."""
    return tmp_path_factory.mktemp("home")


def advisor(home: Path, *words: str, piped: str = "") -> Said:
    """Run the command line as its console script does."""
    return call(*words, piped=piped, ADVISOR_HOME=str(home), NO_COLOR="1")


@pytest.fixture(scope="module")
def recommended(home: Path) -> dict[str, Any]:
    """The answer to the default question."""
    answer = advisor(home, "recommend", "--region", "us-east-1", "--format", "json")
    assert answer.code == 0, answer.err
    plan: dict[str, Any] = json.loads(answer.out)
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
    assert (answer.code, answer.out.splitlines()[0]) == (0, said)
    assert "Not checked: Limits of an account" in answer.err


@pytest.mark.parametrize(
    "command",
    [["export", "--to", "skypilot"], ["simulate"], ["explain"], ["drift"], ["report", "-o", "never.html"]],
    ids=lambda command: command[0],
)
def test_whoever_uses_a_plan_refuses_one_that_was_edited(
    home: Path, recommended: dict[str, Any], tmp_path: Path, command: list[str]
) -> None:
    edited = json.loads(json.dumps(recommended))
    for line in edited["purchase"]:
        line["instances"] = 50
    name, *more = command
    answer = advisor(home, name, saved(tmp_path, edited), *more)
    assert (answer.code, answer.out) == (3, "")
    assert "edited after it was made: proof void" in answer.err


def test_an_edited_plan_that_is_gone_on_with_claims_no_proof(
    home: Path, recommended: dict[str, Any], tmp_path: Path
) -> None:
    edited = recommended | {"assumptions": []}
    answer = advisor(
        home, "report", saved(tmp_path, edited), "--edited", "--no-what-if", "-o", str(tmp_path / "r.md")
    )
    assert answer.code == 0, answer.err
    report = (tmp_path / "r.md").read_text()
    assert "its proof is void" in report
    assert recommended["plan_id"] not in report
    assert "no cheaper fleet exists" not in report


def test_a_plan_that_does_not_hold_is_no_answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of the planner, here of the words it warns with, ends with exit 1 and prints nothing."""
    monkeypatch.setattr("advisor.recommendation.wording._evidence", lambda *_: [])
    answer = advisor(home, "recommend", "--region", "us-east-1", "--format", "json")
    assert (answer.code, answer.out) == (1, "")
    assert "the plan made does not hold, so it is not shown: warnings: " in answer.err


def test_a_cheaper_total_is_refused_with_exit_code_3(
    home: Path, recommended: dict[str, Any], tmp_path: Path
) -> None:
    answer = advisor(home, "verify", saved(tmp_path, stamped(recommended | {"usd_per_hour": "0.01"})))
    assert answer.code == 3
    assert "is refused" in answer.out
    assert "total" in answer.out
    assert recommended["usd_per_hour"] in answer.out


def test_every_finding_is_in_the_json(home: Path, recommended: dict[str, Any], tmp_path: Path) -> None:
    spoiled = json.loads(json.dumps(recommended))
    load = spoiled["allocations"][0]["load"][0]
    load["capacity_requests_per_s"] *= 2
    answer = advisor(home, "verify", saved(tmp_path, stamped(spoiled)), "--format", "json")
    found = json.loads(answer.out)
    assert (answer.code, found["holds"]) == (3, False)
    assert {"capacity", "utilization"} <= {violation["code"] for violation in found["violations"]}
    assert {"code", "where", "meaning", "expected", "found"} == set(found["violations"][0])


def test_an_account_without_room_refuses_the_plan(
    home: Path, recommended: dict[str, Any], tmp_path: Path
) -> None:
    line, draw = next((line, draw) for line in recommended["purchase"] for draw in line["quota_draw"])
    quota = {"provider": line["provider"], "limit": 0} | {k: draw[k] for k in ("region", "pool", "unit")}
    (tmp_path / "account.json").write_text(json.dumps({"quotas": [quota]}))
    answer = advisor(home, "verify", saved(tmp_path, recommended), "--quota", str(tmp_path / "account.json"))
    assert answer.code == 3
    assert "quota_exceeded" in answer.out


def test_a_snapshot_that_is_not_at_hand_is_asked_for(
    home: Path, recommended: dict[str, Any], tmp_path: Path
) -> None:
    inputs = recommended["inputs"] | {"snapshot_id": "2020-01-06-0123456789ab"}
    answer = advisor(home, "verify", saved(tmp_path, recommended | {"inputs": inputs}))
    assert answer.code == 4
    assert "2020-01-06-0123456789ab, which is not at hand" in answer.err
    assert "--snapshot" in answer.err


def test_a_snapshot_id_cannot_name_a_file(home: Path, recommended: dict[str, Any], tmp_path: Path) -> None:
    inputs = recommended["inputs"] | {"snapshot_id": "../../etc/passwd"}
    answer = advisor(home, "verify", saved(tmp_path, recommended | {"inputs": inputs}))
    assert (answer.code, "names no snapshot" in answer.err) == (4, True)


def test_a_file_that_is_no_plan_is_bad_input(home: Path, tmp_path: Path) -> None:
    answer = advisor(home, "verify", saved(tmp_path, {"quotas": []}))
    assert (answer.code, answer.out) == (2, "")
    assert "plan.json: kind: None is not allowed" in answer.err


def test_the_schema_command_prints_what_the_library_gives(home: Path) -> None:
    answer = advisor(home, "schema", "plan")
    assert json.loads(answer.out) == plan_json_schema()
    assert advisor(home, "schema", "spaceship").code == 2
