"""`advisor commit` from the command line, and the files it reads."""

from __future__ import annotations

import json
from array import array
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from cli_harness import FIXTURES, call

from advisor.catalog.terms import load_terms, terms_json_schema
from advisor.errors import InputFileError, UsageError
from advisor.recommendation.commitment import parse_growth
from advisor.workload.trace import Trace
from advisor.workload.week import hourly_rates, load_week

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TERM = {
    "name": "a", "kind": "reserved", "provider": "aws", "instance_types": ["g6e.*"],
    "percent_off_on_demand": 40, "term_months": 12, "source": "test", "quoted_on": "2026-11-01",
}  # fmt: skip


@pytest.fixture
def terms(tmp_path: Path) -> Callable[..., Path]:
    def written(**changes: Any) -> Path:
        path = tmp_path / "terms.json"
        kept = {key: value for key, value in {**TERM, **changes}.items() if value is not None}
        path.write_text(json.dumps({"terms": [kept]}))
        return path

    return written


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "home"))


SCOPE = ("--region", "us-east-1", "--provider", "aws", "--market", "on_demand", "--rate", "16")


@pytest.mark.usefixtures("home")
def test_two_levels_add_up_by_hand(terms: Callable[..., Path], tmp_path: Path) -> None:
    week = tmp_path / "week.csv"
    week.write_text("hour,factor\n0,0.5\n1,1\n")
    said = call(
        "commit", "--terms", str(terms()), "--week", str(week), "--growth", "0.8:0.5,1.2:0.5",
        *SCOPE, "--format", "json",
    )  # fmt: skip
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["schema_version"], found["kind"]) == (1, "commitment")
    assert found["demand"]["levels"] == [0.4, 0.6, 0.8, 1.2]
    (line,) = found["lines"]
    each = Decimal(line["usd_per_hour_each"])
    assert each == Decimal(line["on_demand_usd_per_hour_each"]) * Decimal("0.6")
    assert Decimal(line["usd_over_term"]) == pytest.approx(
        each * line["count"] * 730 * 12, abs=Decimal("0.01")
    )
    weeks = [Decimal(scenario["usd_per_week"]) for scenario in found["scenarios"]]
    assert sum(weeks) / 2 == pytest.approx(Decimal(found["usd_per_week"]), abs=Decimal("0.02"))
    assert all(Decimal(scenario["regret_usd_per_week"]) >= 0 for scenario in found["scenarios"])
    assert found["relative_gap"] <= 1e-3
    by_way = {way["way"]: Decimal(way["usd_per_week"]) for way in found["beside"]}
    assert by_way["this plan"] <= by_way["on demand, hour by hour"]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("form", ["table", "csv", "markdown"])
def test_a_term_that_matches_nothing_commits_nothing_and_is_named(
    terms: Callable[..., Path], form: str
) -> None:
    said = call("commit", "--terms", str(terms(instance_types=["none"])), *SCOPE, "--format", form)
    assert said.code == 0, said.err
    if form != "csv":
        assert "Commit nothing" in said.out or form == "markdown"
        assert "matches no offer" in said.out


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"percent_off_on_demand": 100}, "percent_off_on_demand"),
        ({"percent_off_on_demand": True}, "percent_off_on_demand"),
        ({"usd_per_hour_each": 1}, "terms[0]"),
        ({"percent_off_on_demand": None}, "terms[0]"),
        ({"term_months": 0}, "term_months"),
        ({"upfront_share": 1.1}, "upfront_share"),
        ({"most_instances": -1}, "most_instances"),
        ({"source": None}, "source"),
        ({"kind": "lease"}, "kind"),
        ({"discount": 3}, "discount"),
        ({"quoted_on": "yesterday"}, "quoted_on"),
    ],
)
def test_a_bad_term_is_refused_by_field(terms: Callable[..., Path], changes: Any, field: str) -> None:
    with pytest.raises(InputFileError, match=field.replace("[", r"\[").replace("]", r"\]")):
        load_terms(terms(**changes))


def test_the_example_says_that_its_figures_are_hypothetical() -> None:
    path = FIXTURES / "terms" / "example.yaml"
    assert "HYPOTHETICAL" in path.read_text()
    assert all("hypothetical" in term.source for term in load_terms(path))
    assert {term.name for term in load_terms(path) if term.holds_capacity} == {"two-weeks-block"}


def test_the_schema_is_of_the_file() -> None:
    assert terms_json_schema()["title"] == "Terms"


@pytest.mark.parametrize(
    "text",
    ["", "hour,factor\n", "hour,rate\n0,1\n", "hour,factor\n0,1\n0,2\n", "hour,factor\n0,1\n2,1\n",
     "hour,factor\n0,-1\n", "hour,factor\n0,nan\n", "hour,factor\n0,0\n", "hour,factor\n5,1\n",
     "hour,factor\n0\n"],
)  # fmt: skip
def test_a_bad_week_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "week.csv"
    path.write_text(text)
    with pytest.raises(InputFileError):
        load_week(path)


def test_rates_and_factors_of_a_week_mean_the_same(tmp_path: Path) -> None:
    rates, factors = tmp_path / "rates.csv", tmp_path / "factors.csv"
    rates.write_text("requests_per_s,hour\n4,2\n8,1\n")
    factors.write_text("hour,factor\n1,1\n2,0.5\n")
    assert load_week(rates).factors(8.0) == load_week(factors).factors(8.0) == (1.0, 0.5)


def test_a_trace_is_averaged_over_equal_hours_of_the_week() -> None:
    first = [0.0, 10.0, 20.0] + [3600.0 * hour for hour in range(1, 169)]
    times = array("d", [*first, 168 * 3600.0 + 5, 169 * 3600.0])
    trace = Trace(array("q", [1] * len(times)), array("q", [1] * len(times)), times)
    rates = hourly_rates(trace)
    assert len(rates) == 168
    assert rates[0] == pytest.approx((3 + 2) / 2 / 3600)
    assert rates[1] == pytest.approx(1 / 3600)


@pytest.mark.parametrize(
    "text", ["", "x", "1:0.5", "1:0.5,2:0.6", "1:1,1:0", "0:1", "nan:1", "1:0.5,2", "1,1"]
)
def test_growth_that_is_no_belief_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--growth"):
        parse_growth(text)


def test_growth_without_weights_weighs_the_same() -> None:
    assert [weight for _, weight in parse_growth("2,1")] == [Decimal("0.5"), Decimal("0.5")]
    assert sum(weight for _, weight in parse_growth("1,2,3")) == 1
