"""`advisor fleet import` reads what `advisor export` wrote as the fleet of the plan, for every target."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml
from export_plans import TABLE, a_wide_document

from advisor.cli.app import main
from advisor.export.order import MARKS
from advisor.export.targets import Target

if TYPE_CHECKING:
    from pathlib import Path

LEFT_OUT = {
    Target.SKYPILOT: {"vast"},
    Target.TERRAFORM: {"vast", "lambda", "runpod"},
    Target.KARPENTER: {"vast", "lambda", "runpod", "gcp", "azure"},
    Target.KUBERNETES: {"vast", "lambda", "runpod"},
    Target.GATEWAY: {"vast", "lambda", "runpod"},
    Target.DSTACK: set[str](),
}
"""Providers whose lines a target cannot hold."""
UNEVEN = {("aws", "g6e.12xlarge"), ("aws", "g6.12xlarge")}
"""Lines A and I: their instances do not all run one kind of replica."""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(a_wide_document()))
    return path


def advisor(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["advisor", *map(str, words)])
    try:
        main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def held(target: Target) -> Counter[tuple[str, str, str | None, str, str, str]]:
    """The table's lines that a target holds, by what tells them apart and their price."""
    gone = LEFT_OUT.get(target, LEFT_OUT[Target.SKYPILOT] if "sky" in target.value else set())
    whole = target in (Target.SKYPILOT_SERVICE, Target.DSTACK)
    return Counter(
        {
            (row[0], row[1], row[2], row[3], row[4], row[8]): row[7]
            for row in TABLE
            if row[0] not in gone and not (whole and (row[0], row[3]) in UNEVEN)
        }
    )


def imported(path: Path) -> Counter[tuple[str, str, str | None, str, str, str]]:
    fleet = yaml.safe_load(path.read_text())
    found = [*fleet["lines"]]
    return Counter(
        {
            (
                one["provider"], one["region"], one.get("zone"), one["instance_type"], one["market"],
                str(one["usd_per_hour_each"]),
            ): one["instances"]
            for one in found
        }
    )  # fmt: skip


@pytest.mark.parametrize("target", Target)
def test_a_folder_and_a_stream_are_read_back_as_the_same_fleet(
    target: Target, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert advisor(monkeypatch, "export", plan, "--to", target.value, "-o", tmp_path / "out") == 0
    capsys.readouterr()
    assert advisor(monkeypatch, "export", plan, "--to", target.value) == 0
    text = capsys.readouterr().out
    stream = tmp_path / ("stream.json" if text[:1] == "{" else "stream.yaml")
    stream.write_text(text)
    for source in (tmp_path / "out", stream):
        fleet = tmp_path / "fleet.yaml"
        assert advisor(monkeypatch, "fleet", "import", source, "-o", fleet) == 0
        found, wanted = imported(fleet), held(target)
        unknown = {one["what"] for one in yaml.safe_load(fleet.read_text())["unknown"]}
        for key, count in wanted.items():
            provider, _, _, shape, *_ = key
            assert found.get(key) == count or any(shape in what for what in unknown), (provider, shape)
        assert sum(found.values()) <= sum(wanted.values())
        assert sum(found.values()) >= sum(
            n for key, n in wanted.items() if key[0] in ("aws", "azure", "lambda")
        )


@pytest.mark.parametrize("target", Target)
def test_a_check_reads_the_files_back_and_asks_only_what_is_installed(
    target: Target, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    assert advisor(monkeypatch, "export", plan, "--to", target.value, "--check") == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("ok: the plan: ")
    assert f"{sum(held(target).values())} instances" in first
    assert others
    assert all(line.startswith("not run: ") for line in others)


def test_what_a_tool_refuses_ends_the_check_and_is_not_written(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = tmp_path / "kubernetes-validate"
    tool.write_text('#!/bin/sh\necho "Error: no such field" >&2\nexit 1\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    words = ("export", plan, "--to", "kubernetes", "--check", "-o", tmp_path / "out")
    assert advisor(monkeypatch, *words) == 3
    assert "refused: kubernetes-validate: Error: no such field" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_files_that_no_longer_say_the_plan_are_refused() -> None:
    from export_plans import a_wide_plan, some_facts

    from advisor.export.bundle import Bundle, File
    from advisor.export.check import says_the_plan
    from advisor.export.order import order
    from advisor.export.targets import export

    plan = a_wide_plan()
    bundle = export(plan, Target.SKYPILOT, some_facts())
    first = bundle.files[0]
    less = File(first.name, first.text.replace('ADVISOR_INSTANCES: "2"', 'ADVISOR_INSTANCES: "1"'))
    assert less != first
    changed = Bundle((less, *bundle.files[1:]), bundle.left_out)
    assert says_the_plan(order(plan, some_facts()), bundle).holds
    assert not says_the_plan(order(plan, some_facts()), changed).holds


def test_litellm_weighs_a_services_lines_by_their_requests(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert advisor(monkeypatch, "export", plan, "--to", "litellm", "-o", tmp_path / "config.yaml") == 0
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    sums: Counter[str] = Counter()
    for one in config["model_list"]:
        sums[one["model_name"]] += one["litellm_params"]["weight"]
        assert one["litellm_params"]["api_key"] == "os.environ/API_KEY"
    assert sums == {"meta-llama/Llama-3.1-8B": 10_000, "meta-llama/Llama-3.1-70B": 10_000}


def test_dstack_rents_vast_by_accelerator_and_no_more_than_planned(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert advisor(monkeypatch, "export", plan, "--to", "dstack", "-o", tmp_path / "out") == 0
    found = [yaml.safe_load(path.read_text()) for path in sorted((tmp_path / "out").iterdir())]
    fleets = {one["name"]: one for one in found if one["type"] == "fleet"}
    services = [one for one in found if one["type"] == "service"]
    assert len(fleets) == len(services)
    for one in services:
        (fleet,) = one["fleets"]
        assert fleets[fleet]["nodes"]["max"] == one["replicas"]
        assert one["auth"] is True
        assert len(one["name"]) <= 41
    (vast,) = (one for one in services if one["backends"] == ["vastai"])
    assert vast["resources"]["gpu"] == {"name": "RTX4090", "count": 4}
    assert {entry.partition("=")[0] for entry in vast["env"]} == {"HF_TOKEN", *MARKS}
