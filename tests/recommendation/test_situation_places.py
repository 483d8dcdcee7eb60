"""Users, residency, latency and egress: who may be served from where, and what sending answers out costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recommendation_builders import with_offers
from situation_builders import a_file, a_service, capacity, counts, on_demand, plan_of

from advisor.api import make_request
from advisor.catalog.egress import BYTES_PER_OUTPUT_TOKEN, Egress
from advisor.catalog.facts import load_facts
from advisor.catalog.latency import Network, read_latency
from advisor.catalog.residency import allowed_places
from advisor.domain import Region
from advisor.errors import InputFileError, UnknownName, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog

pytestmark = pytest.mark.fast

FACTS = load_facts()
VIRGINIA, IRELAND, FRANKFURT = "aws:us-east-1", "aws:eu-west-1", "aws:eu-central-1"
USERS = [{"at": VIRGINIA, "share": 0.4}, {"at": IRELAND, "share": 0.6}]


@pytest.fixture
def prices(catalog: Catalog) -> Catalog:
    """Two dollars in Virginia, three in Ireland."""
    return with_offers(catalog, [on_demand(), on_demand(region="eu-west-1", usd_per_hour="3.00")])


def routed(plan: Plan) -> dict[tuple[str, str], float]:
    """Requests per second per (where users are, where they are served)."""
    found: dict[tuple[str, str], float] = {}
    for a in plan.allocations:
        for load in a.load:
            for origin in load.origins:
                key = (origin.origin, f"{a.provider}:{a.region}")
                found[key] = found.get(key, 0.0) + origin.requests_per_s
    return found


def test_without_a_limit_everybody_is_served_where_it_is_cheapest(prices: Catalog, tmp_path: Path) -> None:
    plan = plan_of(prices, a_file(tmp_path, a_service(users=USERS)))
    assert [line.region for line in plan.purchase] == ["us-east-1"]


def test_nobody_is_served_from_beyond_the_limit(prices: Catalog, tmp_path: Path) -> None:
    """The ocean is 114 ms wide, so 40 ms asks for an instance on either side, each for its own users."""
    plan = plan_of(prices, a_file(tmp_path, a_service(users=USERS, network_ms=40)))
    assert plan.usd_per_hour == 5
    assert routed(plan) == {
        (VIRGINIA, VIRGINIA): pytest.approx(0.4),
        (IRELAND, IRELAND): pytest.approx(0.6),
    }
    (virginians,) = [users for users in plan.services[0].users if users.at == VIRGINIA]
    assert VIRGINIA in virginians.served_from
    assert IRELAND not in virginians.served_from


def test_users_out_of_reach_are_told_the_limit_that_reaches_them(prices: Catalog, tmp_path: Path) -> None:
    """Of the two places in scope Ireland is nearer to Frankfurt."""
    ms = Network(FACTS.regions).round_trip_ms(FRANKFURT, IRELAND)
    users = [{"at": FRANKFURT, "share": 0.5}, {"at": VIRGINIA, "share": 0.5}]
    plan = plan_of(prices, a_file(tmp_path, a_service(users=users, network_ms=1)))
    assert plan.status == "infeasible"
    assert ms is not None
    assert f"network_ms {math.ceil(ms)} lets {IRELAND}, the nearest in scope, serve users at {FRANKFURT}" in (
        plan.reason or ""
    )
    served = plan_of(prices, a_file(tmp_path, a_service(users=users, network_ms=math.ceil(ms))))
    assert served.status == "optimal"


def test_where_data_may_not_be_no_option_is_offered_in_vain(prices: Catalog, tmp_path: Path) -> None:
    plan = plan_of(prices, a_file(tmp_path, a_service(residency=["country:JP"])))
    assert "widen the regions in scope" in (plan.reason or "")
    assert "admits" not in (plan.reason or "")


def test_a_measured_round_trip_wins_over_the_estimate(prices: Catalog, tmp_path: Path) -> None:
    (tmp_path / "trips.csv").write_text(f"from,to,round_trip_ms\n{IRELAND},{VIRGINIA},39.5\n")
    service = a_service(users=USERS, network_ms=40)
    plan = plan_of(prices, a_file(tmp_path, service, latency="trips.csv"))
    assert [line.region for line in plan.purchase] == ["us-east-1"]
    assert plan.inputs.latency_sha256 is not None


def test_egress_is_bytes_times_rate(prices: Catalog, tmp_path: Path) -> None:
    """One request a second of 250 tokens: 3600 x 250 x 256 bytes an hour at the region's first tier."""
    plan = plan_of(prices, a_file(tmp_path, a_service(users=USERS)))
    (rate,) = [r for r in FACTS.egress if (r.provider, r.region, r.tier_start_gb) == ("aws", "us-east-1", 0)]
    (cost,) = plan.side_costs
    assert float(cost.usd_per_hour) == pytest.approx(
        3600 * 250 * BYTES_PER_OUTPUT_TOKEN / 1e9 * float(rate.usd_per_gb), rel=1e-5
    )
    assert plan.optimality is not None
    assert plan.optimality.lower_bound_usd_per_hour == pytest.approx(2 + float(cost.usd_per_hour), rel=1e-6)
    assert plan_of(prices, a_file(tmp_path)).side_costs == []


def test_an_unknown_egress_rate_is_said_and_not_zero(catalog: Catalog, tmp_path: Path) -> None:
    prices = with_offers(catalog, [on_demand(provider="crusoe", region="us-east1-a")])
    plan = plan_of(prices, a_file(tmp_path, a_service(users=USERS)))
    assert any("Egress from crusoe:us-east1-a is not known" in said for said in plan.warnings)
    assert "not known, so not counted: crusoe:us-east1-a" in plan.side_costs[0].basis


def test_data_stays_where_it_may_be(prices: Catalog, tmp_path: Path) -> None:
    plan = plan_of(prices, a_file(tmp_path, a_service(residency=["continent:Europe"])))
    assert [line.region for line in plan.purchase] == ["eu-west-1"]
    assert plan.exclusions["outside_residency"].count == 1


def test_residency_binds_the_service_that_states_it(prices: Catalog, tmp_path: Path) -> None:
    """A service of each kind, each 0.6 instances: the free one fills up Ireland only as far as it saves."""
    one = capacity(plan_of(prices, a_file(tmp_path)))
    bound = a_service("bound", rate_requests_per_s=0.6 * one, residency=["country:IE"])
    free = a_service("free", rate_requests_per_s=0.6 * one)
    plan = plan_of(prices, a_file(tmp_path, bound, free))
    assert counts(plan) == {
        "aws:us-east-1:g6e.xlarge:on_demand": 1,
        "aws:eu-west-1:g6e.xlarge:on_demand": 1,
    }
    assert {a.region for a in plan.allocations if a.service == "bound"} == {"eu-west-1"}


def test_promises_to_users_leave_the_server_what_the_network_does_not_take(tmp_path: Path) -> None:
    slo = {"ttft_ms": 500, "e2e_ms": 9000, "tpot_ms": 60}
    slo |= {"further": [{"metric": "ttft", "ms": 900, "statistic": "p99"}]}
    path = a_file(tmp_path, a_service(slo=slo, users=USERS, network_ms=60))
    left = make_request(FACTS, service_file=path).services[0].slo
    assert (left.ttft_ms, left.e2e_ms, left.tpot_ms, left.further[0].ms) == (440, 8940, 60, 840)


def test_a_network_that_takes_the_whole_promise_is_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path, a_service(slo={"ttft_ms": 50}, users=USERS, network_ms=60))
    with pytest.raises(UsageError, match="leaves nothing of mean TTFT"):
        make_request(FACTS, service_file=path)


# Places


def test_a_denied_country_denies_what_nobody_can_place() -> None:
    assert VIRGINIA not in allowed_places(["!country:US"], (), FACTS.regions)
    assert IRELAND in allowed_places(["!country:US"], (), FACTS.regions)
    unplaced = {key for key, region in FACTS.regions.items() if region.country is None}
    assert unplaced
    assert not unplaced & allowed_places(["!country:US"], (), FACTS.regions)


def test_patterns_allow_then_deny() -> None:
    allowed = allowed_places(["aws:eu-*", "!eu-west-*"], (), FACTS.regions)
    assert FRANKFURT in allowed
    assert IRELAND not in allowed
    assert all(place.startswith("aws:eu-") for place in allowed)


@pytest.mark.parametrize("pattern", ["country:XX", "continent:Atlantis", "eu-wst-1", "!mars-*", "country:"])
def test_a_pattern_for_nowhere_is_refused(pattern: str) -> None:
    with pytest.raises((UnknownName, UsageError)):
        allowed_places([pattern], (), FACTS.regions)


# Round trips


def test_a_round_trip_is_the_distance_there_and_back_at_the_speed_of_the_route() -> None:
    """A quarter of the way round: 10,007.6 km on a sphere of radius 6371.0088, 2.1 times as far, at 2/3 c."""
    pole, equator = place("pole", 90.0), place("equator", 0.0)
    network = Network({one.qualified: one for one in (pole, equator)})
    quarter_km = math.pi / 2 * 6371.0088
    expected = 2 * quarter_km * 2.1 / (299.792458 * 2 / 3)
    assert network.round_trip_ms("test:pole", "test:equator") == pytest.approx(expected, rel=1e-9)


def place(name: str, latitude: float | None) -> Region:
    return Region(
        "test", name, name, None, None, latitude, None if latitude is None else 0.0, (), True, "test"
    )


@given(st.sampled_from(sorted(FACTS.regions)), st.sampled_from(sorted(FACTS.regions)))
def test_round_trips_are_the_same_both_ways(here: str, there: str) -> None:
    network = Network(FACTS.regions)
    out, back = network.round_trip_ms(here, there), network.round_trip_ms(there, here)
    assert out == back or out == pytest.approx(back)
    assert network.round_trip_ms(here, here) == 0


def test_a_place_off_the_map_is_never_near() -> None:
    network = Network({"test:a": place("a", 1.0), "test:b": place("b", None)})
    assert network.round_trip_ms("test:a", "test:b") is None


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("from,to\na,b\n", "round_trip_ms"),
        ("from,to,round_trip_ms\n", "from"),
        (f"from,to,round_trip_ms\n{VIRGINIA},nowhere,5\n", "line 2, to"),
        (f"from,to,round_trip_ms\n{VIRGINIA},{IRELAND},-1\n", "line 2, round_trip_ms"),
        (f"from,to,round_trip_ms\n{VIRGINIA},{IRELAND},nan\n", "line 2, round_trip_ms"),
        (f"from,to,round_trip_ms\n{VIRGINIA},{IRELAND},1\n{VIRGINIA},{IRELAND},2\n", "line 3"),
    ],
)
def test_a_bad_latency_file_is_refused_by_line(tmp_path: Path, text: str, field: str) -> None:
    path = tmp_path / "trips.csv"
    path.write_text(text)
    with pytest.raises(InputFileError) as refused:
        read_latency(path, FACTS.regions)
    assert refused.value.field == field


# Egress


def test_the_first_tier_that_costs_is_the_rate() -> None:
    """Azure's first 100 GB are free and not listed; its list starts at 8.7 cents."""
    egress = Egress.of(FACTS.egress, FACTS.regions)
    rate = egress.rate("azure:eastus")
    assert rate is not None
    assert rate.tier_start_gb == 100
    assert egress.usd_per_request("azure:eastus", 1000) == pytest.approx(0.087 * 1000 * 256 / 1e9)


@pytest.mark.parametrize(
    ("where", "known"),
    [
        ("azure:westus2", True),
        ("azure:westeurope", False),
        ("gcp:us-central1", True),
        ("lambda:us-east-1", False),
    ],
)
def test_a_reference_region_speaks_for_its_continent_alone(where: str, known: bool) -> None:
    assert (Egress.of(FACTS.egress, FACTS.regions).rate(where) is not None) is known


def test_any_users_serve_from_somewhere(prices: Catalog, tmp_path: Path) -> None:
    """Nobody sells within reach of Sydney: said, not planned."""
    users: list[dict[str, Any]] = [{"at": "aws:ap-southeast-2", "share": 1.0}]
    plan = plan_of(prices, a_file(tmp_path, a_service(users=users, network_ms=40)))
    assert plan.status == "infeasible"
    assert plan.exclusions["network_too_far"].count == 2
