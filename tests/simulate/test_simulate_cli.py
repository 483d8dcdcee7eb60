"""`advisor simulate` as a user meets it."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from simulate_builders import a_plan

from advisor.cli.app import main
from advisor.cli.simulate_words import percent
from advisor.plan.identity import identified

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Call = "Callable[..., tuple[int, str, str]]"


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Run ``advisor simulate PLAN …`` here, on a plan of two replicas that has room."""
    path = tmp_path / "plan.json"
    path.write_text(a_plan(2, 8.0).model_dump_json(), encoding="utf-8")
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str, plan: str | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr(
            sys, "argv", ["advisor", "simulate", plan or str(path), "--duration-s", "60", *words]
        )
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_verdict_comes_first_and_everything_fits_80_columns(call: Callable[..., Any]) -> None:
    code, out, err = call()
    assert code == 0
    assert not err
    assert out.startswith("PASS: ")
    assert max(map(len, out.splitlines())) <= 80
    for heading in ("Latencies", "Within limits", "Over time", "Distribution of TPOT", "What this is worth"):
        assert heading in out


def test_a_plan_that_fails_exits_3_and_says_which_headroom_would_do(call: Callable[..., Any]) -> None:
    code, out, _ = call("--rate", "80")
    assert code == 3
    assert out.startswith("FAIL: ")
    assert re.search(r"plan with --headroom 0\.\d\d", " ".join(out.split()))


def test_json_is_the_same_for_the_same_seed_and_money_is_text(call: Callable[..., Any]) -> None:
    first = call("--format", "json", "--seed", "3", "--lose", "instance")
    assert first == call("--format", "json", "--seed", "3", "--lose", "instance")
    found = json.loads(first[1])
    assert found["seed"] == 3
    assert found["lost"]["fallback_usd_per_hour"] == "4"


def test_a_replacement_takes_as_long_to_start_as_the_user_says(call: Callable[..., Any]) -> None:
    _, out, _ = call("--lose", "instance", "--start-up-s", "7", "--format", "json")
    found = json.loads(out)
    assert found["start_up_s"] == 7
    assert found["lost"]["back_at_s"] == pytest.approx(found["lost"]["at_s"] + 7)


def test_what_ideal_knowledge_would_give_is_said(call: Callable[..., Any]) -> None:
    _, out, _ = call("--length-error-percent", "30", "--format", "markdown")
    assert "answer's length: ideal knowledge changes nothing" in out, "both lines serve every size alike"
    _, out, _ = call("--length-error-percent", "30", "--format", "json")
    assert json.loads(out)["routing"]["length_error_percent"] == 30


def test_csv_has_a_row_for_every_slice(call: Callable[..., Any]) -> None:
    _, out, _ = call("--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["of"] for row in rows[:2]] == ["all", "service"]
    assert {row["of"] for row in rows[2:]} == {"region", "accelerator", "bucket"}
    assert all(len(row["tpot_p99_ms"].replace(".", "")) <= 7 for row in rows), (
        "no more digits than mean something"
    )


def test_markdown_begins_with_the_verdict(call: Callable[..., Any]) -> None:
    _, out, _ = call("--format", "markdown")
    assert out.startswith("## PASS")
    assert "| TPOT |" in out


def test_a_page_asks_no_other_host_and_escapes_what_it_says(call: Callable[..., Any], tmp_path: Path) -> None:
    plan = a_plan(2, 8.0, services=[a_plan(2, 8.0).services[0].model_dump() | {"name": "<b>chat</b>"}])
    parts = [part.model_copy(update={"service": "<b>chat</b>"}) for part in plan.allocations]
    source, page = tmp_path / "named.json", tmp_path / "page.html"
    named = identified(plan.model_copy(update={"allocations": parts}))
    source.write_text(named.model_dump_json(), encoding="utf-8")
    code, out, _ = call("-o", str(page), plan=str(source))
    text = page.read_text(encoding="utf-8")
    assert (code, out) == (0, "")
    assert "<svg" in text
    assert "&lt;b&gt;chat" in text
    assert "<b>chat" not in text
    assert not re.search(r"(src|href)=|@import|url\(", text)


def test_a_trace_file_is_replayed_at_its_own_rate(call: Callable[..., Any], tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    lines = [f"{second},200,20" for second in range(40)]
    trace.write_text("\n".join(["timestamp_s,input_tokens,output_tokens", *lines]), encoding="utf-8")
    _, out, _ = call("--trace", str(trace), "--format", "json")
    found = json.loads(out)
    assert found["arrivals"] == ["trace"]
    assert found["requests"] == 60, "one a second; begun again after 40"


def test_more_seeds_are_replayed_and_summed_up(call: Callable[..., Any]) -> None:
    _, out, _ = call("--replications", "2", "--format", "json")
    assert json.loads(out)["replications"]["replications"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--arrivals", "trace"), "--trace"),
        (("--arrivals", "gamma:x"), "gamma:CV"),
        (("--rate", "fast"), "--rate"),
        (("--lose", "everything"), "--lose"),
        (("--lose", "region:mars"), "us-east-1"),
        (("--attain", "101"), "--attain"),
        (("--trace", "nobody.csv"), "nobody.csv"),
        (("--duration-s", "-1"), "--duration-s"),
        (("--duration-s", "1e12"), "2678400 (31 days)"),
        (("--rate", "100000", "--duration-s", "1e6"), "at most 10,000,000"),
        (("--rate", "1e9"), "at most"),
        (("--seed", "-1"), "--seed"),
        (("--start-up-s", "-1"), "--start-up-s"),
        (("--start-up-s", "nan"), "--start-up-s"),
        (("--length-error-percent", "91"), "--length-error-percent"),
        (("-o", "page.html", "--format", "json"), "page.html"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(
    call: Callable[..., Any], words: tuple[str, ...], said: str
) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0.0%"),
        (98.76, "98.8%"),
        (99.5, "99.50%"),
        (99.994, "99.994%"),
        (99.99999, "100%"),
        (100.0, "100%"),
    ],
)
def test_percents_never_round_a_miss_away_unless_nobody_could_tell(value: float | None, text: str) -> None:
    assert percent(value) == text
