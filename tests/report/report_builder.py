"""A report of the hand-made plan of the plan's own tests, with everything beside it made by hand too.

Demand of its one service: 5 requests/s of 125 + 50 tokens, 3 of 625 + 175, 2 of 2500 + 375. Per second that
is 7,500 input and 1,525 output tokens, per hour 27.0 and 5.49 million, 32.49 million together.
"""

# ruff: noqa: E501, I001 - the plan's builder lives in a folder of its own
from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).parents[1] / "plan"))

from plan_builder import (
    a_plan_document,
    an_infeasible_document as an_infeasible_document,
    an_offer as an_offer,
    stamped,
)

from advisor.catalog.history import Observation, PriceHistory
from advisor.catalog.hosted_api import HostedPrice
from advisor.domain import Market, QuotaPool, QuotaUnit, Region
from advisor.plan.plan import Plan
from advisor.recommendation.sensitivity import Cheapest, CheapestPerSize, Swing
from advisor.report.answers import Explanation, Frontier, Simulation
from advisor.report.beside import Beside, Extras
from advisor.report.content import report_of

if TYPE_CHECKING:
    from advisor.report.blocks import Report, Section, Table

NOW = datetime(2026, 10, 30, 9, 30, tzinfo=UTC)

SAME_MODEL = HostedPrice(
    "host-a", "llama-8b", "Llama 8B", "Llama-3.1-8B", None, Decimal(1), Decimal(2), date(2026, 8, 18),
    "https://example.test/prices", "made-up", "MIT",
)  # fmt: skip
OTHER_MODEL = HostedPrice(
    "host-b", "other", "Other model", None, None, Decimal("0.1"), Decimal("0.1"), date(2026, 8, 18),
    "https://example.test/prices", "made-up", "MIT",
)  # fmt: skip

EXPLANATION = Explanation.model_validate(
    {
        "plan_id": "any",
        "alternatives": [
            {"grouping": "accelerator", "name": "l4-24gb", "in_plan": False, "usd_per_hour_forced": "12.5",
             "regret_usd_per_hour": "0.8016", "flip_price_factor": 0.75,
             "flip_offer": "aws:us-east-1:g6.xlarge:spot", "flip_usd_per_hour_each": "0.2325"},
            {"grouping": "provider", "name": "azure", "in_plan": False, "blocked_by": ["cores leaves 0"]},
            {"grouping": "provider", "name": "aws", "in_plan": True},
        ],
    }
)  # fmt: skip

SIMULATION = Simulation.model_validate(
    {
        "plan_id": "any", "verdict": "pass", "attain_percent": 98.0, "requests": 5000, "completed": 4990, "seed": 7,
        "attainment": {"overall": {"requests": 5000, "percent": 98.51, "interval_percent": [98.1, 98.9]},
                       "per_service": {"chat": {"percent": 98.52}}},
        "ttft_ms": {"p50": 120.0, "p99": 900.0}, "tpot_ms": {"p50": 40.0, "p99": 61.0},
        "e2e_ms": {"p50": 4000.0, "p99": 9000.0}, "headroom_needed": 0.1, "evidence": {"statement": "all simulated"},
    }
)  # fmt: skip


def a_plan(**changes: Any) -> Plan:
    """The hand-made plan, with other top-level fields where told."""
    return Plan.model_validate(stamped(a_plan_document() | changes))


def some_extras() -> Extras:
    """What solving would have found."""
    best = Cheapest("l40s-48gb", "aws:us-east-1/us-east-1a:g6e.12xlarge:spot", Decimal("12.34"))
    other = Cheapest("a100-sxm-40gb", "gcp:us-central1:a2-highgpu-1g:on_demand", Decimal("56.78"))
    return Extras(
        swings=(
            Swing("Demand", "−30%", Decimal("8.0"), "+30%", Decimal("15.5")),
            Swing("Prices of aws spot", "−20%", Decimal("10.0934"), "+20%", None),
        ),
        cheapest_per_size=(CheapestPerSize("chat", (100, 1000), (50, 500), ((best, other), (best, None))),),
        frontier=Frontier.model_validate(
            {
                "meaning": "request rate",
                "unit": "requests/s",
                "points": [
                    {"value": 5, "usd_per_hour": "6"},
                    {"value": 10, "usd_per_hour": "11.6984"},
                    {"value": 99},
                ],
            }
        ),
        explanation=EXPLANATION,
    )


def a_history() -> PriceHistory:
    """Two prices of the spot line."""
    seen = [
        Observation("aws", "us-east-1", "us-east-1a", "g6e.12xlarge", Market.SPOT, Decimal(usd), start, until,
                    "feed", None, "file")
        for usd, start, until in (
            ("4.5", date(2026, 9, 1), date(2026, 9, 20)), ("4.0125", date(2026, 10, 1), date(2026, 10, 27)),
        )
    ]  # fmt: skip
    return PriceHistory("aws", "us-east-1", "g6e.12xlarge", tuple(seen))


def beside(**changes: Any) -> Beside:
    """Everything beside the plan, unless told otherwise."""
    given: dict[str, Any] = {
        "now": NOW, "requester": "Platform", "hosted": (OTHER_MODEL, SAME_MODEL), "extras": some_extras(),
        "histories": (a_history(),), "simulation": SIMULATION,
        "previous": a_plan(), "command": "advisor report plan.json -o report.html",
        "regions": {"aws:us-east-1": Region("aws", "us-east-1", "US East", "US", "North America", 1.0, 2.0, (), True, "s")},
        "pools": (QuotaPool("aws", "L-3819A6DF", "All G and VT Spot Instance Requests", Market.SPOT, QuotaUnit.VCPU,
                            "region", ("g6e.*",), None, "docs"),),
        "files": {"Simulation file": "5" * 64},
    }  # fmt: skip
    return Beside(**(given | changes))


def a_report(plan: Plan | None = None, **changes: Any) -> Report:
    """The whole report."""
    return report_of(plan or a_plan(), beside(**changes))


def section(report: Report, key: str) -> Section:
    """One section by its key."""
    return next(found for found in report.sections if found.key == key)


def table(report: Report, key: str) -> Table:
    """One table by its key, behind a chart or not."""
    for part in report.sections:
        for block in part.blocks:
            for candidate in (block, getattr(block, "table", None)):
                if getattr(candidate, "columns", None) and candidate.key == key:
                    return candidate
    raise KeyError(key)


def records(found: Table) -> list[dict[str, Any]]:
    """A table's rows by column key."""
    return [dict(zip((c.key for c in found.columns), row, strict=True)) for row in found.rows]


def said(part: Section) -> str:
    """Everything a section says in words."""
    words: list[str] = [part.absent or ""]
    for block in part.blocks:
        words += getattr(block, "lines", ())
        words += [f"{fact.label}: {fact.value}" for fact in getattr(block, "facts", ())]
        words.append(getattr(block, "text", ""))
        found = getattr(block, "table", block)
        for row in getattr(found, "rows", ()):
            words += [str(value) for value in row]
    return "\n".join(words)


FULL: dict[str, Any] = {
    "side_costs": [{"name": "egress", "usd_per_hour": "0.1234", "basis": "0.09 USD/GB, made up"}],
    "risk": {
        "expected_usd_per_hour": "12.0001", "worst_usd_per_hour": "20.5", "hours_on_fallback": 2.0,
        "fallbacks": [{"offer": "aws:us-east-1/us-east-1a:g6e.12xlarge:spot", "instances": 2,
                       "interruption": "5-10%", "interruption_share": 0.1,
                       "fallback": "aws:us-east-1:g6e.12xlarge:on_demand", "fallback_usd_per_hour_each": "8.4133"}],
    },
    "rules": [{"kind": "survive", "text": "the loss of a zone", "lose": "zone", "premium_usd_per_hour": 1.25,
               "cases": [{"case": "us-east-1a lost", "least_served_share": 0.81}]}],
    "carbon": {"kg_co2e_per_hour": 1.5, "basis": "made up", "lines": [
        {"offer": "aws:us-east-1/us-east-1a:g6e.12xlarge:spot", "kw": 2.8, "g_co2e_per_kwh": 380.0,
         "kg_co2e_per_hour": 1.5}]},
    "migration": {
        "decision": "change", "fleet_source": "state.json", "held_usd_per_hour": "15", "held_serves": True,
        "best_usd_per_hour": "11.6984", "saving_usd_per_hour": 3.3016, "threshold": 0.05, "one_off_usd": "100",
        "payback_hours": 30.3, "usd_per_instance_started": "10", "usd_per_instance_stopped": "0",
        "horizon_hours": 730.0, "changes": [{"offer": "aws:us-east-1:g6.xlarge:spot", "before": 3, "after": 0}],
        "steps": [{"action": "start", "text": "start 2 × g6e.12xlarge", "usd_per_hour": "23"}], "unknown": ["x1"],
    },
}  # fmt: skip
"""Every optional part of a plan."""
