"""A no says which size nobody serves, and its hints are true: following them gives a yes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import a_price, ask, with_offers

from advisor.domain import LISTED_MARKETS

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog

MIXED = """
schema_version: 1
kind: workload
name: mostly-short
source: made for a test
buckets:
  - {input_tokens_min: 0, input_tokens_max: 500,
     output_tokens_min: 0, output_tokens_max: 100, share: 0.96}
  - {input_tokens_min: 4000, input_tokens_max: 8000,
     output_tokens_min: 0, output_tokens_max: 100, share: 0.04}
"""


def tpot_hint(plan: Plan) -> float:
    found = re.search(r"--tpot-ms ([\d.]+)", plan.reason or "")
    assert found, plan.reason
    return float(found.group(1))


@pytest.fixture
def mostly_short(tmp_path: Path) -> str:
    """Requests of which 4 % are longer than a context of 4,096."""
    path = tmp_path / "mostly-short.yaml"
    path.write_text(MIXED)
    return str(path)


@pytest.mark.parametrize(
    "question",
    [
        {"tpot_ms": 2.0},
        {"tpot_ms": 0.01},
        {"tpot_ms": 2.0, "model": "Llama-3.1-70B"},
        {"tpot_ms": 4.0, "accelerators": ["l4-24gb", "a10g-24gb"]},
        {"tpot_ms": 2.0, "model": "Qwen2.5-14B", "workload": "mooncake"},
    ],
    ids=["8b", "absurd", "70b", "small-chips", "long"],
)
def test_the_tpot_hint_is_true(catalog: Catalog, question: dict[str, Any]) -> None:
    no = ask(catalog, **question)
    assert no.status == "infeasible", no.usd_per_hour
    assert tpot_hint(no) > question["tpot_ms"]
    yes = ask(catalog, **{**question, "tpot_ms": tpot_hint(no)})
    assert yes.status == "optimal", yes.reason


def test_no_tpot_hint_is_given_where_none_would_be_true(catalog: Catalog) -> None:
    """Some sizes of this workload were never simulated, so no limit makes simulated evidence reach them."""
    question = {"workload": "arxiv-summarization", "evidence": "simulated"}
    assert "--tpot-ms" not in (ask(catalog, tpot_ms=5.0, **question).reason or "")
    assert ask(catalog, tpot_ms=1000.0, **question).status == "infeasible"


def test_the_unserved_size_is_named(catalog: Catalog, mostly_short: str) -> None:
    no = ask(catalog, model="Llama-2-7B", workload=mostly_short)
    assert no.status == "infeasible"
    assert "4001-8000 in × 1-100 out" in (no.reason or "")
    assert "1-500 in" not in (no.reason or "")
    assert "0.04 of all requests" in (no.reason or "")
    assert "context of 4,096" in (no.reason or "")


def test_the_coverage_hint_is_true(catalog: Catalog, mostly_short: str) -> None:
    no = ask(catalog, model="Llama-2-7B", workload=mostly_short)
    found = re.search(r"--coverage ([\d.]+)", no.reason or "")
    assert found, no.reason
    assert float(found.group(1)) == 96
    yes = ask(catalog, model="Llama-2-7B", workload=mostly_short, coverage_percent=float(found.group(1)))
    assert yes.status == "optimal", yes.reason
    assert yes.services[0].left_out_share == pytest.approx(0.04)
    assert any("4001-8000 in × 1-100 out" in line for line in yes.assumptions)


def test_nothing_in_scope_is_said(catalog: Catalog) -> None:
    no = ask(catalog, regions=["lambda:us-east-1"], markets=["spot"])
    assert no.status == "infeasible"
    assert "no offers at all" in (no.reason or "")


def test_what_stands_in_the_way_is_counted_in_the_reason(catalog: Catalog) -> None:
    no = ask(catalog, regions=["lambda:us-east-1"])
    assert f"{no.exclusions['availability_unknown'].count} availability unknown" in (no.reason or "")


def test_a_no_for_want_of_known_stock_names_the_option(catalog: Catalog) -> None:
    no = ask(catalog, regions=["lambda:us-east-1"])
    assert "--allow-unknown-availability" in (no.reason or ""), no.reason
    assert ask(catalog, regions=["lambda:us-east-1"], allow_unknown_availability=True).status == "optimal"


def test_the_example_is_of_the_commonest_reason_why_the_model_is_not_served(catalog: Catalog) -> None:
    prices = with_offers(
        catalog,
        [
            a_price(instance_type="a.t4", accelerator="t4-16gb"),
            *(
                a_price(instance_type=f"g6e.{size}", market=market)
                for size in ("x", "y", "z")
                for market in LISTED_MARKETS
            ),
        ],
    )
    no = ask(prices, tpot_ms=0.5)
    assert "6 slo unreachable" in (no.reason or "")
    assert "for example aws:us-east-1:g6e" in (no.reason or ""), no.reason


def test_a_no_still_carries_exclusions_ages_and_inputs(catalog: Catalog) -> None:
    no = ask(catalog, tpot_ms=0.5)
    assert (no.usd_per_hour, no.usd_per_month, no.optimality) == (None, None, None)
    assert no.exclusions
    assert no.catalog
    assert no.inputs.snapshot_id == catalog.snapshot.info.snapshot_id
    assert no.assumptions
