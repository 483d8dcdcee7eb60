"""`advisor watch` says what is new about the standing plans, once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cli_harness import Said, call
from test_cli_drift import A_WEEK, KEPT, MADE, plan_text, published  # noqa: F401  a fixture

if TYPE_CHECKING:
    from pathlib import Path

FLEET = """\
kind: fleet
schema_version: 1
lines:
  - {{provider: aws, region: us-east-1, instance_type: g6e.xlarge, market: on_demand, instances: {}}}
"""


@pytest.fixture
def plans(home: Path, plan_text: str) -> Path:  # noqa: F811
    """The folder of standing plans, with one in it."""
    folder = home / "plans"
    folder.mkdir(parents=True)
    (folder / "chat.json").write_text(plan_text)
    return folder


def watch(weeks: int, *words: str, **environment: str) -> Said:
    moment = str(int((MADE + weeks * A_WEEK).timestamp()))
    return call("watch", *words, **({"SOURCE_DATE_EPOCH": moment} | environment))


@pytest.mark.usefixtures("plans")
def test_news_is_told_once_and_its_end_and_its_return(home: Path) -> None:
    published(home, MADE + A_WEEK, "2.00", "1.50")
    first = watch(1)
    assert first.code == 3
    assert "A cheaper fleet" in first.out
    assert "Proposed" in first.out
    again = watch(1)
    assert (again.code, again.out) == (0, "")
    assert again.err == "advisor: 1 plan, no news (1 said before)\n"
    published(home, MADE + 2 * A_WEEK, "2.00", "2.50")
    assert (watch(2).code, watch(2).err) == (0, "advisor: 1 plan, no news\n")
    published(home, MADE + 3 * A_WEEK, "2.00", "1.50")
    assert watch(3).code == 3


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize(("dearer", "code"), [("1.01", 0), ("0.99", 3)])
def test_a_regret_that_has_doubled_is_news_again(home: Path, dearer: str, code: int) -> None:
    """A quarter of the kept cost, then just under or over a half."""
    published(home, MADE + A_WEEK, "2.00", "1.50")
    assert watch(1).code == 3
    published(home, MADE + 2 * A_WEEK, "2.00", dearer)
    assert watch(2).code == code


@pytest.mark.usefixtures("plans")
def test_what_is_put_aside_is_quiet_until_its_day(home: Path) -> None:
    published(home, MADE + A_WEEK, "2.00", "1.50")
    until = (MADE + 3 * A_WEEK).date().isoformat()
    said = watch(1, "--acknowledge", until)
    assert (said.code, said.out) == (0, "")
    assert until in said.err
    assert "1 put aside" in watch(2).err
    assert watch(3).code == 3
    assert watch(3).code == 0


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("day", ["soon", "2027-01-11", "2020-01-01"])
def test_a_day_that_is_none_or_past_is_refused_in_one_line(home: Path, day: str) -> None:
    published(home, MADE + A_WEEK, "2.00", "1.50")
    said = watch(1, "--acknowledge", day)
    assert (said.code, said.out) == (2, "")
    assert "--acknowledge" in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize(("more", "code"), [(0, 0), (-1, 3)])
def test_what_runs_whole_needs_nobody_to_sell_it(home: Path, tmp_path: Path, more: int, code: int) -> None:
    published(home, MADE + A_WEEK, None, "9.00")
    bought = json.loads((home / "plans" / "chat.json").read_text())["purchase"][0]["instances"]
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET.format(bought + more))
    document = json.loads(watch(1, "--running", str(fleet), "--format", "json", "--dry-run").out)
    (one,) = document["plans"]
    assert one["runs"] is (code == 0)
    gone = {"kind": "offer_gone", "subject": KEPT}
    assert (gone in one["remarks"], gone in one["new"]) == (code == 0, code == 3)


def test_a_plan_that_cannot_be_read_is_one_line_and_the_others_are_still_watched(
    home: Path, plans: Path
) -> None:
    published(home, MADE + A_WEEK, "2.00", "1.50")
    (plans / "broken.json").write_text("not json")
    said = watch(1)
    assert said.code == 2
    assert "broken.json" in said.err
    assert len(said.err.splitlines()) == 1
    assert "A cheaper fleet" in said.out
    assert "no news" not in watch(1).err


def test_json_always_comes_and_a_dry_run_remembers_nothing(home: Path, plans: Path) -> None:
    published(home, MADE + A_WEEK, "2.01", "2.50")
    document = json.loads(watch(1, "--format", "json", "--dry-run").out)
    assert (document["kind"], document["news"]) == ("watch", False)
    assert document["plans"][0]["drift"]["verdict"] == "holds"
    assert document["plans"][0]["file"] == str(plans / "chat.json")
    assert not (home / "watch.json").exists()


@pytest.mark.usefixtures("plans")
def test_the_file_of_last_week_does_not_outlive_its_news(home: Path, tmp_path: Path) -> None:
    published(home, MADE + A_WEEK, "2.00", "1.50")
    written = tmp_path / "watch.md"
    assert watch(1, "--format", "markdown", "-o", str(written)).code == 3
    assert written.read_text().startswith("### Standing plans")
    assert watch(1, "--format", "markdown", "-o", str(written)).code == 0
    assert written.read_text() == ""


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("content", ["", "[]", '{"kind": "plan"}', '{"plans": {"a": {"reasons": [{}]}}}'])
def test_a_memory_that_is_none_is_refused_in_one_line_and_left_alone(home: Path, content: str) -> None:
    published(home, MADE + A_WEEK, "2.00", "1.50")
    (home / "watch.json").write_text(content)
    said = watch(1)
    assert (said.code, said.out) == (2, "")
    assert "watch.json" in said.err
    assert len(said.err.splitlines()) == 1
    assert (home / "watch.json").read_text() == content


def test_no_plan_at_all_is_refused_with_where_plans_are_kept(home: Path) -> None:
    said = call("watch")
    assert (said.code, said.out) == (2, "")
    assert str(home / "plans") in said.err


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("columns", ["80", "160"])
def test_no_line_is_wider_than_the_terminal(home: Path, columns: str) -> None:
    published(home, MADE + A_WEEK, None, "2.50")
    said = watch(1, COLUMNS=columns)
    assert said.code == 3
    assert max(map(len, said.out.splitlines())) <= int(columns)


@pytest.mark.usefixtures("plans")
def test_old_prices_ring_once_not_every_week(home: Path) -> None:
    published(home, MADE + timedelta(days=1), "2.00", "2.50")
    ages = {"ADVISOR_MAX_AGE_ON_DEMAND_DAYS": "5"}
    assert watch(1, **ages).code == 3
    assert watch(2, **ages).code == 0
