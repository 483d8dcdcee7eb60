"""What a marketplace has at once is a limit, and what is scarce is warned of."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from recommendation_builders import a_price, ask, with_offers

from advisor.domain import Availability

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
