"""What a marketplace has at once is a limit, and what is scarce is warned of."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from recommendation_builders import a_price, ask, with_offers

from advisor.domain import Availability
from advisor.plan.identity import identified
from advisor.plan.verify import check
from advisor.verification import inputs_of

if TYPE_CHECKING:
    from advisor.recommendation.findings import Catalog


@pytest.mark.parametrize(("stock", "fleet"), [
    (None, {"g6e.xlarge": 4}), (4, {"g6e.xlarge": 4}), (3, {"g6e.xlarge": 3, "g6e.2xlarge": 1}),
    (1, {"g6e.xlarge": 1, "g6e.2xlarge": 3}),
])  # fmt: skip
def test_no_more_is_bought_than_there_is(catalog: Catalog, stock: int | None, fleet: dict[str, int]) -> None:
    dear = a_price(instance_type="g6e.2xlarge", usd_per_hour=Decimal("2.5"))
    prices = with_offers(catalog, [a_price(max_instances=stock), dear])
    plan = ask(prices, rate_requests_per_s=16.0)
    assert {line.instance_type: line.instances for line in plan.purchase} == fleet


def test_too_little_stock_for_the_demand_is_no_fleet(catalog: Catalog) -> None:
    plan = ask(with_offers(catalog, [a_price(max_instances=1)]), rate_requests_per_s=16.0)
    assert plan.status == "infeasible"


def test_scarce_stock_is_warned_of(catalog: Catalog) -> None:
    scarce = a_price(max_instances=1, availability=Availability.CONSTRAINED)
    plan = ask(with_offers(catalog, [scarce]), rate_requests_per_s=1.0)
    assert any("Stock is short of aws:us-east-1:g6e.xlarge:on_demand" in said for said in plan.warnings)


@pytest.mark.parametrize(("patterns", "bought"), [
    ([], "g6e.xlarge"), (["g6e.2*"], "g6e.2xlarge"), (["!g6e.xlarge"], "g6e.2xlarge"),
    (["g6e*", "!*.xlarge"], "g6e.2xlarge"), (["G6E.XLARGE"], "g6e.xlarge"),
])  # fmt: skip
def test_instance_types_are_admitted_and_left_out_by_the_vendors_names(
    catalog: Catalog, patterns: list[str], bought: str
) -> None:
    dear = a_price(instance_type="g6e.2xlarge", usd_per_hour=Decimal("2.5"))
    prices = with_offers(catalog, [a_price(), dear])
    plan = ask(prices, rate_requests_per_s=1.0, instance_types=patterns)
    assert [line.instance_type for line in plan.purchase] == [bought]
    assert plan.inputs.instance_types == patterns
    against = inputs_of(plan, prices.snapshot, prices.facts, prices.profiles, None)
    assert list(check(plan, against)) == []
    other = plan.inputs.model_copy(update={"instance_types": [f"!{bought}"]})
    forged = identified(plan.model_copy(update={"inputs": other}))
    assert [violation.where for violation in check(forged, against)] == ["purchase[0].instance_type"]
