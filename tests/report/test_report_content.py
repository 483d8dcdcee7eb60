"""The content of a report: everything the plan says, nothing it does not, totals exact."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from report_builder import (
    FULL,
    NOW,
    SIMULATION,
    a_plan,
    a_report,
    an_infeasible_document,
    an_offer,
    beside,
    records,
    said,
    section,
    table,
)

from advisor.domain import QuotaLimit, QuotaUnit
from advisor.errors import PlanRefused
from advisor.plan.plan import Plan
from advisor.report.answers import Simulation
from advisor.report.beside import Extras
from advisor.report.content import report_of

pytestmark = pytest.mark.fast


def test_lines_are_counts_times_prices_and_add_up() -> None:
    report = a_report()
    first, second = report.lines
    assert (first.usd_per_hour, second.usd_per_hour) == (Decimal("8.0250"), Decimal("3.6734"))
    assert (first.usd_per_month, second.usd_per_month) == (Decimal("5858.25"), Decimal("2681.58"))
    # 8.025 × 8760 = 70,299; 3.6734 × 8760 = 32,178.984; together 102,477.984
    assert (first.usd_per_year, second.usd_per_year) == (Decimal("70299.00"), Decimal("32178.98"))
    totals = report.totals
    assert (totals.instances, totals.usd_per_hour) == (3, Decimal("11.6984"))
    assert (totals.usd_per_month, totals.usd_per_year) == (Decimal("8539.83"), Decimal("102477.98"))


def test_a_line_says_where_what_and_under_which_zone_policy() -> None:
    rows = records(table(a_report(), "lines"))
    assert [row["zone_policy"] for row in rows] == ["zone us-east-1a only", "any zone of the region"]
    assert rows[0]["region"] == "us-east-1 (US East)"
    assert rows[0]["sku"] == "g6e.12xlarge"
    assert [row["market"] for row in rows] == ["spot", "on demand"]


@pytest.mark.parametrize(
    ("changes", "days"), [({}, 8), ({"valid_days": 90}, 90)], ids=["spot lines", "as asked"]
)
def test_the_decision_expires(changes: dict[str, Any], days: int) -> None:
    report = a_report(**changes)
    assert report.valid_until == (NOW + timedelta(days=days)).date()
    assert str(report.valid_until) in said(section(report, "decision"))


def test_a_fleet_without_spot_holds_as_long_as_list_prices() -> None:
    plan = a_plan()
    plan = plan.model_copy(update={"purchase": plan.purchase[1:], "usd_per_hour": Decimal("3.6734")})
    assert a_report(plan).valid_until == date(2026, 12, 4)  # 30 October and 35 days


def test_a_price_that_grew_stale_since_the_plan_says_so() -> None:
    later = a_report(now=NOW + timedelta(days=30))
    states = {row["line"]: row["state"] for row in records(table(later, "price_evidence"))}
    assert set(states.values()) == {"stale"}
    assert "2 of 2 lines rest on stale prices" in said(section(later, "decision"))
    fresh = {row["state"] for row in records(table(a_report(), "price_evidence"))}
    assert fresh == {"fresh", "stale"}  # the list price was stale when the plan was made


def test_held_quotas_are_shown_only_when_asked_for() -> None:
    hidden = a_report()
    assert {row["free_units"] for row in records(table(hidden, "quotas"))} == {"not shown (--show-quota)"}
    assert "112" not in said(section(hidden, "quotas"))
    shown = {row["pool"]: row for row in records(table(a_report(show_quota=True), "quotas"))}
    assert (shown["L-3819A6DF"]["free_units"], shown["L-3819A6DF"]["missing_units"]) == ("112", "0")
    assert shown["NVIDIA_A100_GPUS"]["free_units"] == "not given (--quota FILE)"


def test_the_request_text_asks_for_what_is_missing_and_nothing_else() -> None:
    limits = {
        "aws:us-east-1:L-3819A6DF": QuotaLimit("aws", "us-east-1", "L-3819A6DF", QuotaUnit.VCPU, Decimal(64))
    }
    asked = said(section(a_report(show_quota=True, limits=limits), "quotas"))
    assert "quota L-3819A6DF leaves 96 vcpu free" in asked
    assert "GPUS_ALL_REGIONS leaves" not in asked  # 8 are free, 1 is needed
    row = next(
        r for r in records(table(a_report(show_quota=True, limits=limits), "quotas")) if r["pool"][0] == "L"
    )
    assert (row["free_units"], row["missing_units"]) == ("64", "32")


def test_alternatives_stand_cheapest_first_with_the_discount_at_which_they_tie() -> None:
    rows = records(table(a_report(), "alternatives"))
    assert [row["name"] for row in rows] == ["greedy", "l40s-48gb alone"]
    # 1 - 11.6984 / 14.623 = 0.2; 1 - 11.6984 / 23.3968 = 0.5
    assert [row["flip_discount"] for row in rows] == [Decimal("0.2"), Decimal("0.5")]
    assert [row["dearer_usd_per_hour"] for row in rows] == [Decimal("2.9246"), Decimal("11.6984")]
    for row in rows:
        assert row["usd_per_hour"] * (1 - row["flip_discount"]) == a_plan().usd_per_hour
    assert "a100-sxm-40gb" in said(section(a_report(), "alternatives"))  # serves nothing alone


def with_baselines(*changes: dict[str, Any]) -> Plan:
    """The plan, compared with other fleets than the hand-made ones."""
    plain = {
        "kind": "single_accelerator",
        "usd_per_hour": "23.3968",
        "status": "optimal",
        "instances": 6,
        "saving_fraction": 0.5,
        "detail": "",
        "fleet": [],
    }
    return a_plan(baselines=[plain | change for change in changes])


def test_the_plans_own_fleet_and_one_named_twice_are_no_other_fleets() -> None:
    own = [f"{line.instances} × {line.offer_id}" for line in a_plan().purchase]
    rival = {"fleet": ["3 × aws:us-east-1:p5.4xlarge:spot"]}
    plan = with_baselines(
        {"name": "own", "usd_per_hour": "11.6984", "saving_fraction": 0.0, "fleet": own},
        {"name": "a100", **rival},
        {"name": "greedy", "kind": "greedy", "status": "feasible", **rival},
    )
    assert [rival.name for rival in a_report(plan).alternatives] == ["a100 alone"]


def test_a_fleet_that_was_not_proved_cheapest_says_so_and_stands_last() -> None:
    plan = with_baselines(
        {"name": "cut short", "usd_per_hour": "14.623", "saving_fraction": 0.2, "status": "feasible"},
        {"name": "proved"},
    )
    first, last = a_report(plan).alternatives
    assert (first.name, last.name) == ("proved alone", "cut short alone")
    assert "not proved: a cheaper fleet of this kind may exist" in last.detail


def test_what_enters_by_its_price_is_listed_at_its_own_price() -> None:
    offer = an_offer(usd_per_hour=Decimal("0.3105"))
    (entry,) = a_report(offers={"aws:us-east-1:g6.xlarge:spot": offer}).entries
    assert entry.list_usd_per_hour_each == Decimal("0.3105")  # not what rounded figures would give back


def test_a_quota_is_asked_for_with_what_it_is_for() -> None:
    asked = said(section(a_report(), "quotas"))
    assert "(All G and VT Spot Instance Requests). It is for 2 × g6e.12xlarge (spot), to serve Llama" in asked


def test_a_long_fleet_is_cut_and_says_how_much_is_left_out() -> None:
    offers = [f"1 × aws:us-east-1:type{number}:spot" for number in range(60)]
    (rival,) = a_report(with_baselines({"name": "l4", "fleet": offers})).alternatives
    assert rival.detail.endswith("type2:spot and 57 more lines")


def test_under_a_budget_other_fleets_are_told_by_what_they_serve() -> None:
    served = {"name": "l4", "usd_per_hour": "1", "detail": "serves 52.8% of the requests by weight"}
    plan = with_baselines(served)
    plan = plan.model_copy(update={"rules": [*a_plan(**BUDGET).rules]})
    report = a_report(plan)
    assert report.alternatives == ()  # no discount makes them tie
    (row,) = records(table(report, "alternatives"))
    assert row["serves"] == "serves 52.8% of the requests by weight"
    assert "no fleet within the budget serves more" in said(section(report, "decision"))


def test_what_a_policy_would_save_is_no_alternative() -> None:
    names = {rival.name for rival in a_report().alternatives}
    assert "availability_unknown" not in names


def test_the_explanation_gives_regret_and_flip_prices() -> None:
    rows = records(table(a_report(), "explained"))
    assert [row["name"] for row in rows] == ["l4-24gb", "azure"]
    assert rows[0]["flip_discount"] == 0.25
    assert rows[1]["why_not"] == "a quota forbids it: cores leaves 0"
    (entry,) = a_report().entries
    assert entry.list_usd_per_hour_each == Decimal("0.31")  # 0.2325 is three quarters of it


def test_the_tornado_is_widest_first_and_a_missing_fleet_is_told() -> None:
    rows = records(table(a_report(), "sensitivity"))
    assert [row["input"] for row in rows] == ["Demand", "Prices of aws spot"]
    assert rows[0]["range_usd_per_hour"] == Decimal("7.5")
    assert rows[1]["high_usd_per_hour"] is None


def test_change_against_the_last_report_is_told_line_by_line() -> None:
    plan = a_plan()
    larger = {"instances": 3, "usd_per_hour": Decimal("12.0375")}
    before = plan.model_copy(
        update={
            "purchase": [plan.purchase[0].model_copy(update=larger)],
            "usd_per_hour": Decimal("12.0375"),
        }
    )  # fmt: skip
    found = table(a_report(previous=before), "change")
    rows = {row["line"]: row for row in records(found)}
    assert rows["aws:us-east-1/us-east-1a:g6e.12xlarge:spot"]["change_usd_per_hour"] == Decimal("-4.0125")
    assert rows["gcp:us-central1:a2-highgpu-1g:on_demand"]["instances_before"] == 0
    assert found.total is not None
    assert found.total[-1] == Decimal("11.6984") - Decimal("12.0375")


BUDGET: dict[str, Any] = {
    "rules": [{"kind": "budget", "text": "costs at most $2.00/h", "usd_per_hour": "2"}],
}
ABSENT = {
    "sensitivity": "not run", "heat_map": "not run", "frontier": "--frontier", "simulation": "--simulation",
    "change": "--previous", "migration": "current fleet", "carbon": "no estimate", "redundancy": "No rule",
}  # fmt: skip


def test_what_is_not_there_is_named() -> None:
    bare = report_of(a_plan(), beside(extras=Extras(), simulation=None, previous=None, histories=()))
    for key, words in ABSENT.items():
        part = section(bare, key)
        assert part.absent is not None
        assert words in part.absent
    assert "egress" in said(section(bare, "side_costs"))
    assert "--explanation" in said(section(bare, "alternatives"))
    assert "No price history" in said(section(bare, "evidence"))


def test_every_optional_part_of_a_plan_gets_its_section() -> None:
    full = a_report(a_plan(**FULL))
    assert [part.key for part in full.sections if part.absent] == []
    assert "0.1234" in said(section(full, "side_costs"))
    assert "Not included: disk" in said(section(full, "side_costs"))  # egress is included
    assert "20.5" in said(section(full, "risk"))
    assert "us-east-1a lost" in said(section(full, "redundancy"))
    assert "start 2 × g6e.12xlarge" in said(section(full, "migration"))
    assert "x1" in said(section(full, "migration"))


def test_sections_have_keys_of_their_own_and_so_have_tables() -> None:
    report = a_report(a_plan(**FULL))
    keys = [part.key for part in report.sections]
    assert len(keys) == len(set(keys))
    tables = [
        found.key
        for part in report.sections
        for block in part.blocks
        if (found := getattr(block, "table", block)) and getattr(found, "columns", None)
    ]
    twice = {key for key in tables if tables.count(key) > 1}
    assert twice == set()


def test_checksums_and_commands_that_reproduce_it_are_there() -> None:
    told = said(section(a_report(), "reproduce"))
    for needed in ("f" * 64, "e" * 64, "5" * 64, "advisor report plan.json", a_plan().plan_id):
        assert needed in told
    assert f"SOURCE_DATE_EPOCH={int(NOW.timestamp())}" in told


def test_the_simulation_verdict_carries_its_figures() -> None:
    told = said(section(a_report(), "simulation"))
    for needed in (
        "pass",
        "5000",
        "98.51 (95 % interval 98.10 to 98.90)",
        "900.0",
        "Seed: 7",
        "all simulated",
    ):
        assert needed in told


def test_a_service_without_a_request_in_the_replay_is_said_so() -> None:
    replayed = SIMULATION.model_dump()
    replayed["attainment"]["per_service"] = {"quiet": {"percent": None}}
    told = said(section(a_report(simulation=Simulation.model_validate(replayed)), "simulation"))
    assert "Found for quiet, %: no requests" in told


def test_a_replay_that_the_plan_carries_is_told_without_its_file() -> None:
    replay = {
        "verdict": "fail", "target_percent": 99.5, "attained_percent": 97.25, "requests": 1234,
        "duration_s": 60.0, "arrivals": ["poisson"], "seed": 3, "evidence": "all simulated",
        "bottleneck": "batches were full",
        "trials": [{"headroom": 0.1, "passes": False, "usd_per_hour": "9.5"}],
    }  # fmt: skip
    report = a_report(a_plan(simulation=replay), simulation=None)
    told = said(section(report, "simulation"))
    for needed in ("fail", "97.25", "1234", "batches were full", "all simulated", "9.5"):
        assert needed in told
    assert "Simulated against the SLO: fail" in said(section(report, "decision"))


def test_the_decision_is_signed_beside_what_it_buys() -> None:
    keys = [part.key for part in a_report().sections]
    assert keys[:3] == ["decision", "lines", "signatures"]


def test_the_decision_names_the_order_and_what_other_demand_would_cost() -> None:
    told = said(section(a_report(), "decision"))
    assert "2 × g6e.12xlarge (spot, aws us-east-1a), 1 × a2-highgpu-1g (on demand, gcp us-central1)" in told
    assert "8.0000 at −30%, 15.5000 at +30%" in told


def test_a_hosted_api_has_a_price_at_which_it_breaks_even() -> None:
    told = said(section(a_report(), "token_cost"))
    # 11.6984 / 32.49 a million; the busiest replicas are 80 % full
    assert "below 0.3601 USD per million tokens of this mix at the stated load, below 0.2881" in told


def test_a_plan_that_buys_nothing_is_refused_with_its_reason() -> None:
    plan = Plan.model_validate(an_infeasible_document())
    with pytest.raises(PlanRefused, match="L-3819A6DF leaves 0 of 48 vCPUs"):
        report_of(plan, beside())


def test_the_first_page_says_whether_the_plan_was_simulated() -> None:
    assert "Simulated against the SLO: pass" in said(section(a_report(), "decision"))
    assert "Simulated against the SLO: not run" in said(section(a_report(simulation=None), "decision"))
