"""What is not at hand is left out by name; what is at hand is never left out."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from plan_builder import LIMITS, a_plan_document, an_offer, stamped, the_inputs

from advisor.domain import QuotaLimit
from advisor.plan.plan import Plan
from advisor.plan.verify import Against, check, families

pytestmark = pytest.mark.fast


def found(document: dict[str, Any], **changes: Any) -> set[str]:
    return {violation.code for violation in check(Plan.model_validate(document), the_inputs(**changes))}


def test_a_plan_alone_is_checked_for_what_it_says_itself(document: dict[str, Any]) -> None:
    assert check(Plan.model_validate(document)) == []
    document["purchase"][0]["instances"] = 3
    assert {v.code for v in check(Plan.model_validate(stamped(document)))} == {
        "line_total",
        "lower_bound",  # the replicas need two instances only
        "risk",  # the fallbacks are of two
        "total",
        "utilization",
    }


def test_every_family_is_either_run_or_named_as_left_out() -> None:
    all_of_them, none = families(the_inputs())
    some, others = families(Against())
    assert none == ()
    assert set(some) | set(others) == set(all_of_them)
    assert "offers and prices" in others
    assert "account limits" in others


def test_another_account_is_checked_for_room_but_not_for_what_the_plan_says_is_free(
    document: dict[str, Any],
) -> None:
    larger = QuotaLimit("aws", "us-east-1", "L-3819A6DF", LIMITS[0].unit, LIMITS[0].limit * 2)
    smaller = QuotaLimit(
        "aws", "us-east-1", "L-3819A6DF", LIMITS[0].unit, LIMITS[0].limit, LIMITS[0].limit - 95
    )
    assert found(document, limits={larger.key: larger}, account_is_the_plans=False) == set()
    assert found(document, limits={smaller.key: smaller}, account_is_the_plans=False) == {"quota_exceeded"}


def test_without_an_account_the_free_units_the_plan_states_still_bind(document: dict[str, Any]) -> None:
    document["purchase"][0]["quota_draw"][0]["free_units"] = "95"
    assert found(stamped(document), limits=None) == {"quota_exceeded"}


def test_two_lines_that_share_a_pool_are_added_up(document: dict[str, Any]) -> None:
    document["purchase"][1]["quota_draw"][1]["free_units"] = "0"
    assert found(stamped(document), limits=None) == {"quota_exceeded"}


def test_an_offer_refused_by_the_catalog_is_refused_here(document: dict[str, Any]) -> None:
    assert found(document, refusal=lambda offer: "sold out" if offer.provider == "gcp" else None) == {
        "not_buyable"
    }


def test_a_flag_the_plan_hides_is_found_in_the_snapshot(document: dict[str, Any]) -> None:
    hidden = an_offer(flags=("local_zone",))
    assert found(document, offers=(hidden, *the_inputs().offers[1:])) == {"not_buyable", "offer_facts"}  # type: ignore[index]


def test_an_offer_asked_for_by_name_may_be_bought(document: dict[str, Any]) -> None:
    document["inputs"]["include"] = ["local-zone"]
    document["purchase"][0]["flags"] = ["local_zone"]
    asked = an_offer(flags=("local_zone",))
    assert found(stamped(document), offers=(asked, *the_inputs().offers[1:])) == set()  # type: ignore[index]


def test_a_fractional_offer_is_never_whole(document: dict[str, Any]) -> None:
    from decimal import Decimal

    half = an_offer(accelerators=Decimal("0.5"), flags=("fractional_gpu",))
    assert found(document, offers=(half, *the_inputs().offers[1:])) == {"not_buyable", "offer_facts"}  # type: ignore[index]


@pytest.mark.parametrize("region", ["us-east-1", "aws:us-east-1", "us-*", "AWS:US-EAST-1", "*"])
def test_regions_are_ids_qualified_ids_or_patterns(document: dict[str, Any], region: str) -> None:
    document["inputs"]["regions"] = [region, "gcp:us-central1"]
    assert found(stamped(document)) == set()


def test_a_finding_says_where_what_and_instead_of_what(document: dict[str, Any]) -> None:
    document["purchase"][0]["usd_per_hour_each"] = "4"
    violations = check(Plan.model_validate(stamped(document)), the_inputs())
    price = next(v for v in violations if v.code == "price")
    assert (price.where, price.expected, price.found) == ("purchase[0].usd_per_hour_each", "4.0125", "4")
    assert price.message == (
        "purchase[0].usd_per_hour_each: not the price in the snapshot; expected 4.0125, found 4"
    )


def test_checking_twice_says_the_same(document: dict[str, Any]) -> None:
    spoiled = a_plan_document() | {"usd_per_hour": "1", "plan_id": "0" * 12}
    plan = Plan.model_validate(spoiled)
    assert check(plan, the_inputs()) == check(plan, the_inputs())


def test_the_verifier_imports_no_solver_and_nothing_of_the_optimiser() -> None:
    root = Path(__file__).parents[2] / "advisor"
    for path in [root / "verification.py", *(root / "plan").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith(("advisor.optimize", "pulp", "highspy")) for name in names), path
