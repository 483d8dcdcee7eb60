"""`advisor export` from the command line: where files go, what is refused, what is said."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from export_plans import TABLE, a_wide_document, a_wide_plan, rows_of, some_facts

from advisor.cli.app import main
from advisor.cli.export_folder import write_folder
from advisor.domain import Market
from advisor.errors import PlanningError, UsageError
from advisor.export.bundle import File
from advisor.export.order import order
from advisor.export.targets import Target, export

pytestmark = pytest.mark.fast


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(a_wide_document()))
    return path


def advisor(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run the command line; its exit code."""
    monkeypatch.setattr(sys, "argv", ["advisor", *map(str, words)])
    try:
        main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


@pytest.mark.parametrize("target", Target)
def test_every_target_writes_to_stdout_and_says_the_rest_elsewhere(
    target: Target, plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert advisor(monkeypatch, "export", plan, "--to", target.value) == 0
    said = capsys.readouterr()
    assert a_wide_plan().plan_id in said.out
    assert "left out:" in said.err or target in (Target.AIBRIX, Target.LITELLM)
    assert "fill in:" in said.err


def test_each_line_left_out_is_one_line_on_stderr_and_a_comment(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advisor(monkeypatch, "export", plan, "--to", "terraform")
    said = capsys.readouterr()
    out = [line for line in said.err.splitlines() if line.startswith("left out:")]
    assert len(out) == len(rows_of("lambda", "runpod", "vast"))
    assert all(json.dumps(line, ensure_ascii=False) in said.out for line in out)


def test_a_folder_gets_every_file(plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert advisor(monkeypatch, "export", plan, "--to", "terraform", "-o", tmp_path / "out") == 0
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.tf.json")}
    assert found == {"aws/main.tf.json", "azure/main.tf.json", "gcp/main.tf.json"}
    assert not list(tmp_path.glob(".writing-*"))


def test_what_is_there_is_replaced_by_force_only(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    words = ("export", plan, "--to", "terraform", "-o", out)
    advisor(monkeypatch, *words)
    mine, other = out / "aws" / "main.tf.json", out / "aws" / "backend.tf"
    mine.write_text("mine")
    other.write_text("other")
    assert advisor(monkeypatch, *words) == 2
    assert mine.read_text() == "mine"
    assert advisor(monkeypatch, *words, "--force") == 0
    assert mine.read_text() != "mine"
    assert other.read_text() == "other"


def test_one_file_takes_an_export_of_one_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = tmp_path / "one.json", tmp_path / "many.json"
    one.write_text(json.dumps(a_wide_document(rows_of("lambda"))))
    many.write_text(json.dumps(a_wide_document()))
    file = tmp_path / "task.yaml"
    assert advisor(monkeypatch, "export", many, "--to", "skypilot", "-o", file) == 2
    assert not file.exists()
    assert advisor(monkeypatch, "export", one, "--to", "skypilot", "-o", file) == 0
    before = file.read_bytes()
    assert advisor(monkeypatch, "export", one, "--to", "skypilot", "-o", file) == 2
    assert advisor(monkeypatch, "export", one, "--to", "skypilot", "-o", tmp_path / "task.tf") == 2
    assert file.read_bytes() == before


def test_nothing_to_export_is_a_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(a_wide_document(rows_of("vast"))))
    assert advisor(monkeypatch, "export", path, "--to", "terraform") == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_a_plan_that_buys_nothing_is_a_no() -> None:
    empty = a_wide_plan().model_copy(update={"purchase": [], "allocations": [], "status": "infeasible"})
    with pytest.raises(PlanningError, match="infeasible"):
        export(empty, Target.TERRAFORM, some_facts())


def test_replicas_on_a_line_that_is_not_bought_are_refused() -> None:
    plan = a_wide_plan()
    homeless = plan.model_copy(update={"purchase": plan.purchase[1:]})
    with pytest.raises(PlanningError, match="does not buy"):
        export(homeless, Target.KUBERNETES, some_facts())


@pytest.mark.parametrize("target", Target)
def test_what_the_account_already_holds_is_served_on_but_not_rented_again(target: Target) -> None:
    plan = a_wide_plan()
    reserved: dict[str, Any] = {"market": Market.RESERVED}
    line = plan.purchase[0].model_copy(update=reserved)
    runs = [
        one.model_copy(update=reserved) if one.instance_type == line.instance_type else one
        for one in plan.allocations
    ]
    changed = plan.model_copy(update={"purchase": [line, *plan.purchase[1:]], "allocations": runs})
    whys = [one.why for one in export(changed, target, some_facts()).left_out if one.line == line.offer_id]
    serves = target in (Target.KUBERNETES, Target.GATEWAY, Target.AIBRIX, Target.LITELLM)
    assert len(whys) == (0 if serves else 1)
    assert all("reserved" in why for why in whys)


def test_other_engines_than_vllm_are_not_pretended() -> None:
    plan = a_wide_plan(TABLE[:1])
    other = plan.model_copy(
        update={"services": [one.model_copy(update={"engine": "TGI"}) for one in plan.services]}
    )
    with pytest.raises(PlanningError, match="TGI"):
        export(other, Target.KUBERNETES, some_facts())
    assert export(other, Target.TERRAFORM, some_facts()).files  # rents only; nothing is started


def test_weights_in_a_precision_vllm_does_not_make_are_asked_for() -> None:
    plan = a_wide_plan(TABLE[:1])
    services = [one.model_copy(update={"precision": "int4"}) for one in plan.services]
    quantised = plan.model_copy(update={"services": services})
    for target in (Target.SKYPILOT, Target.KUBERNETES):
        (file,) = export(quantised, target, some_facts()).files
        assert re.search("^# .*: The plan counts on int4 weights", file.text, re.MULTILINE)
        assert "--dtype" not in file.text


def test_the_room_that_making_fp8_takes_is_told_where_it_is_made() -> None:
    plan = a_wide_plan(TABLE[:1])
    services = [one.model_copy(update={"precision": "fp8"}) for one in plan.services]
    made = plan.model_copy(update={"services": services})
    for target in (Target.SKYPILOT, Target.KUBERNETES):
        (file,) = export(made, target, some_facts()).files
        assert re.search("^# .*: fp8 is made of 16-bit weights at the start", file.text, re.MULTILINE)


def test_an_instance_without_replicas_waits_and_the_others_work() -> None:
    row = (*TABLE[2][:10], [("chat", 1, 2)])  # three instances, two replicas
    files = export(a_wide_plan((row,)), Target.SKYPILOT, some_facts()).files
    tasks = [yaml.safe_load(file.text) for file in files]
    assert [task["envs"]["ADVISOR_INSTANCES"] for task in tasks] == ["2", "1"]
    assert ["vllm serve" in task["run"] for task in tasks] == [True, False]
    assert "sleep infinity &" in tasks[1]["run"]


@pytest.mark.parametrize(
    ("instance_type", "chip"),
    [("community_1x_rtx_4090", "rtx-4090-24gb"), ("secure_1x_b300", "b300-sxm-288gb")],
)
def test_a_runpod_shape_skypilot_has_no_name_for_is_left_out(instance_type: str, chip: str) -> None:
    row = ("runpod", "global", None, instance_type, "on_demand", chip, 1, 1, "1.38", "list", [("chat", 1, 1)])
    with pytest.raises(PlanningError, match="SkyPilot does not know"):
        export(a_wide_plan((row,)), Target.SKYPILOT, some_facts())


def test_context_is_what_the_longest_planned_request_needs() -> None:
    (file,) = export(a_wide_plan(TABLE[:1]), Target.SKYPILOT, some_facts()).files
    assert "--max-model-len 1250" in file.text  # 1,000 in and 250 out


def test_an_export_is_the_same_bytes_each_time() -> None:
    for target in Target:
        assert export(a_wide_plan(), target, some_facts()) == export(a_wide_plan(), target, some_facts())


def test_lines_have_names_of_their_own() -> None:
    found = order(a_wide_plan(), some_facts())
    names = [line.name for line in found.lines] + [
        stand.name for line in found.lines for stand in line.stands
    ]
    assert len(names) == len(set(names)) == len(TABLE) + sum(len(row[10]) for row in TABLE)


_FILES = (File("a/one.tf", "new one"), File("two.tf", "new two"))


def test_a_write_that_fails_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.tf").write_text("old one")
    rename, calls = Path.rename, []

    def failing(self: Path, target: Path) -> Path:
        calls.append(target)
        if Path(target).name == "two.tf":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(UsageError, match="No space left"):
        write_folder(_FILES, tmp_path, force=True)
    assert len(calls) == 4  # old one away, new one in, new two (fails), old one back
    assert (tmp_path / "a" / "one.tf").read_text() == "old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        write_folder(_FILES, tmp_path / "x", force=True)
