"""What must never happen when a question gets harder or easier, on the prices that ship."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recommendation_builders import FIVE_CHIPS, an_account, cost

from advisor.domain import EvidenceKind

if TYPE_CHECKING:
    from decimal import Decimal

    from advisor.recommendation.recommend import Catalog

few = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
rates = st.floats(0.5, 200.0)
limits = st.floats(15.0, 150.0)

G_ON_DEMAND, G_SPOT = "aws:us-east-1:L-DB2E81BA", "aws:us-east-1:L-3819A6DF"
P_ON_DEMAND, P5_SPOT = "aws:us-east-1:L-417A185B", "aws:us-east-1:L-C4BD4855"


@pytest.fixture(scope="module")
def priced(catalog: Catalog) -> Any:
    """Cost of a question over five accelerators, each asked once."""

    @cache
    def answer(**question: Any) -> Decimal:
        return cost(catalog, **{"accelerators": FIVE_CHIPS, **question})

    return answer


@few
@given(rates, st.floats(1.0, 3.0))
def test_a_higher_rate_is_never_cheaper(priced: Any, rate: float, factor: float) -> None:
    assert priced(rate_requests_per_s=rate * factor) >= priced(rate_requests_per_s=rate)


@few
@given(limits, st.floats(1.0, 2.0), st.sampled_from(["Llama-3.1-8B", "Qwen2.5-14B"]))
def test_a_tighter_tpot_is_never_cheaper(priced: Any, tpot_ms: float, factor: float, model: str) -> None:
    assert priced(tpot_ms=tpot_ms, model=model) >= priced(tpot_ms=tpot_ms * factor, model=model)


@pytest.mark.parametrize("model", ["Llama-3.1-8B", "Llama-2-7B", "Llama-3.1-70B"])
def test_a_tighter_tpot_is_never_cheaper_step_by_step(catalog: Catalog, model: str) -> None:
    chips = ("a100-sxm-80gb", "a10g-24gb", "h100-sxm-80gb")
    question: dict[str, Any] = {"model": model, "workload": "sharegpt-8k", "accelerators": chips}
    costs = [cost(catalog, tpot_ms=tpot, coverage_percent=90.0, **question) for tpot in (30, 45, 70, 120)]
    assert costs == sorted(costs, reverse=True)


@few
@given(rates, st.floats(0.0, 0.5), st.floats(0.0, 0.4))
def test_more_headroom_is_never_cheaper(priced: Any, rate: float, headroom: float, more: float) -> None:
    fuller = priced(rate_requests_per_s=rate, headroom=headroom)
    assert priced(rate_requests_per_s=rate, headroom=headroom + more) >= fuller


@few
@given(rates, st.sampled_from(FIVE_CHIPS))
def test_leaving_out_an_accelerator_is_never_cheaper(priced: Any, rate: float, chip: str) -> None:
    assert priced(rate_requests_per_s=rate, exclude_accelerators=(chip,)) >= priced(rate_requests_per_s=rate)


@few
@given(rates, st.sampled_from(["on-demand", "spot"]))
def test_leaving_out_a_market_is_never_cheaper(priced: Any, rate: float, market: str) -> None:
    assert priced(rate_requests_per_s=rate, markets=(market,)) >= priced(rate_requests_per_s=rate)


@few
@given(rates, st.sampled_from(["aws:us-west-2", "aws:eu-west-1", "gcp:us-east4", "azure:eastus", "nebius:*"]))
def test_adding_a_region_is_never_dearer(priced: Any, rate: float, region: str) -> None:
    one = priced(rate_requests_per_s=rate)
    assert priced(rate_requests_per_s=rate, regions=("aws:us-east-1", region)) <= one


@few
@given(rates, st.floats(1.0, 20.0))
def test_a_price_limit_is_never_cheaper(catalog: Catalog, priced: Any, rate: float, limit: float) -> None:
    from decimal import Decimal

    limited = priced(rate_requests_per_s=rate, max_usd_per_hour=Decimal(str(round(limit, 2))))
    assert limited >= priced(rate_requests_per_s=rate)


@few
@given(st.floats(1.0, 60.0), st.integers(0, 192), st.integers(0, 192))
def test_a_tighter_quota_is_never_cheaper(catalog: Catalog, rate: float, free: int, more: int) -> None:
    def with_limit(units: int) -> Decimal:
        limits: dict[str, int | str | Decimal] = {
            G_SPOT: units, G_ON_DEMAND: units, P_ON_DEMAND: 1000, P5_SPOT: 1000
        }  # fmt: skip
        held = an_account(catalog, limits)
        return cost(catalog, account=held, rate_requests_per_s=rate, accelerators=FIVE_CHIPS)

    assert with_limit(free) >= with_limit(free + more)


@pytest.mark.parametrize(
    "question",
    [{}, {"model": "Llama-2-7B", "workload": "sharegpt-8k", "coverage_percent": 90.0, "tpot_ms": 120.0}],
    ids=["default", "with-measurements"],
)
def test_a_stronger_evidence_floor_is_never_cheaper(priced: Any, question: dict[str, Any]) -> None:
    every = (EvidenceKind.ESTIMATED, EvidenceKind.SIMULATED, EvidenceKind.MEASURED)
    costs = [priced(evidence=floor, **question) for floor in every]
    assert costs == sorted(costs)


def test_less_coverage_is_never_dearer(priced: Any) -> None:
    costs = [priced(coverage_percent=percent) for percent in (100.0, 99.0, 95.0, 90.0, 50.0)]
    assert costs == sorted(costs, reverse=True)
