"""Only what can be bought is recommended; each thing held back is admitted by its own option and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import a_price, ask, baseline, with_offers

from advisor.domain import Availability, Market
from advisor.units import usd_text

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog

NEVER_FLAGS = {"retired", "not_offered", "not_sold_this_way", "superseded"}
ON_REQUEST_FLAGS = {"fractional_gpu", "local_zone", "estimated_price"}
ALL_OPTIONS: dict[str, Any] = {
    "allow_unknown_availability": True,
    "include": ("fractional-gpu", "local-zone", "estimated-spot"),
}

SMALL = {"model": "Llama-3.2-1B", "tpot_ms": 200.0}  # fits anything, so that prices alone decide
MODELS = {
    "1b-fp16": {"model": "Llama-3.2-1B", "precision": "fp16", "tpot_ms": 200.0},
    "8b": {"model": "Llama-3.1-8B", "tpot_ms": 60.0},
    "70b": {"model": "Llama-3.1-70B", "tpot_ms": 100.0},
}


def bought(catalog: Catalog, plan: Plan) -> list[Any]:
    """The snapshot's own offers behind the plan's lines, superseded ones aside."""
    by_id = {o.id: o for o in catalog.snapshot.offers if "superseded" not in o.flags}
    return [by_id[line.offer_id] for line in plan.purchase]


@pytest.fixture(scope="module")
def providers(catalog: Catalog) -> list[str]:
    return sorted({offer.provider for offer in catalog.snapshot.offers})


@pytest.mark.parametrize("market", ["on-demand", "spot"])
@pytest.mark.parametrize("model", MODELS)
def test_no_provider_sells_what_cannot_be_bought(
    catalog: Catalog, providers: list[str], market: str, model: str
) -> None:
    asked = 0
    for provider in providers:
        plan = ask(catalog, regions=(), providers=[provider], markets=[market], **MODELS[model])
        for offer in bought(catalog, plan):
            asked += 1
            assert not NEVER_FLAGS & set(offer.flags), offer
            assert not ON_REQUEST_FLAGS & set(offer.flags), offer
            assert offer.accelerators >= 1, offer
            assert offer.availability in (Availability.AVAILABLE, Availability.CONSTRAINED), offer
    assert asked >= 3


def test_no_region_at_all_sells_what_cannot_be_bought(catalog: Catalog) -> None:
    """Each region of each provider in turn, on the one cheap question a region answers fastest."""
    places = sorted({f"{o.provider}:{o.region}" for o in catalog.snapshot.offers})
    assert len(places) > 100
    for place in places[::6]:
        plan = ask(catalog, regions=[place], accelerators=["l4-*", "a100-*", "h100-*", "l40s-*"])
        for offer in bought(catalog, plan):
            assert not (NEVER_FLAGS | ON_REQUEST_FLAGS) & set(offer.flags), offer
            assert offer.availability in (Availability.AVAILABLE, Availability.CONSTRAINED), offer


def test_nothing_is_ever_admitted_that_no_option_admits(catalog: Catalog) -> None:
    """W5 to W7 and their like stay out with every option given."""
    for question in MODELS.values():
        for market in ("on-demand", "spot"):
            plan = ask(catalog, regions=(), markets=[market], **ALL_OPTIONS, **question)
            for offer in bought(catalog, plan):
                assert not NEVER_FLAGS & set(offer.flags), offer
                assert offer.availability is not Availability.UNAVAILABLE, offer


# W7: an on-demand price for a shape sold only as spot or by reservation


@pytest.mark.parametrize("shape", ["a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g"])
def test_w7_small_a3_on_demand_is_never_bought_with_any_option(catalog: Catalog, shape: str) -> None:
    only = with_offers(catalog, [o for o in catalog.snapshot.offers if o.instance_type == shape])
    plan = ask(only, regions=["gcp:*"], markets=["on-demand"], **ALL_OPTIONS)
    assert plan.status == "infeasible"
    assert set(plan.exclusions) == {"not_sold_this_way"}
    assert shape in plan.exclusions["not_sold_this_way"].examples[0]


def test_w7_the_same_shape_as_spot_may_be_bought(catalog: Catalog) -> None:
    only = with_offers(catalog, [o for o in catalog.snapshot.offers if o.instance_type == "a3-highgpu-1g"])
    plan = ask(only, regions=["gcp:*"])
    assert {(line.instance_type, line.market) for line in plan.purchase} == {("a3-highgpu-1g", Market.SPOT)}


def test_w7_the_exclusion_names_it_and_what_admitting_would_save(catalog: Catalog) -> None:
    plan = ask(catalog, regions=["gcp:us-east4"], markets=["on-demand"], accelerators=["H100"],
               model="Llama-3.1-70B", precision="fp8")  # fmt: skip
    group = plan.exclusions["not_sold_this_way"]
    admitted = baseline(plan, "not_sold_this_way")
    assert "a3-highgpu" in " ".join(group.examples)
    assert admitted.usd_per_hour is not None
    assert plan.usd_per_hour is not None
    assert group.saving_if_admitted is not None
    if admitted.usd_per_hour < plan.usd_per_hour:
        assert f"${usd_text(admitted.usd_per_hour)}/h" in group.saving_if_admitted
    else:
        assert "save nothing" in group.saving_if_admitted
    assert "reservation" in group.saving_if_admitted


def test_w7_the_saving_is_recomputed_by_hand(catalog: Catalog) -> None:
    offers = [
        a_price(usd_per_hour="4.00"),
        a_price(
            instance_type="g6e.small",
            usd_per_hour="1.00",
            availability=Availability.UNAVAILABLE,
            flags=("not_sold_this_way",),
        ),
    ]
    plan = ask(with_offers(catalog, offers), rate_requests_per_s=0.1)
    assert plan.usd_per_hour == 4
    said = plan.exclusions["not_sold_this_way"].saving_if_admitted
    assert said is not None
    assert "$1.00/h, 75% less" in said


# W5 and W6: machines whose price already holds the GPU, and spot rows that say on demand


def test_w5_a4_is_one_price_for_machine_and_gpus(catalog: Catalog) -> None:
    rows = [o for o in catalog.snapshot.offers if o.provider == "gcp" and o.instance_type.startswith("a4")]
    assert all("composed_n1_plus_gpu" not in offer.flags for offer in rows)
    for offer in rows:  # $2 to $25 per B200-class GPU-hour; twice the parts would leave the range
        assert 1 < offer.usd_per_hour / offer.accelerators < 25, offer.id


def test_w6_on_demand_is_never_below_spot_of_the_same_shape_and_region(catalog: Catalog) -> None:
    live = [
        o
        for o in catalog.snapshot.offers
        if o.provider == "gcp" and not {"superseded", "not_sold_this_way"} & set(o.flags)
    ]
    spot = {(o.region, o.instance_type): o.usd_per_hour for o in live if o.market is Market.SPOT}
    assert spot
    for offer in live:
        cheaper = spot.get((offer.region, offer.instance_type))
        if offer.market is Market.ON_DEMAND and cheaper is not None:
            assert offer.usd_per_hour >= cheaper, offer.id


# One option each

HELD_BACK: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "unknown stock": (
        {"availability": Availability.UNKNOWN},
        {"allow_unknown_availability": True},
        "availability_unknown",
    ),
    "Local Zone": (
        {"zone": "us-east-1-atl-1a", "flags": ("local_zone",)},
        {"include": ("local-zone",)},
        "local_zone",
    ),
    "estimate": (
        {"flags": ("estimated_price",), "market": Market.SPOT},
        {"include": ("estimated-spot",)},
        "estimated_price",
    ),
}


@pytest.mark.parametrize("held", HELD_BACK)
def test_what_is_held_back_is_admitted_by_its_own_option_only(catalog: Catalog, held: str) -> None:
    given, option, reason = HELD_BACK[held]
    prices = with_offers(catalog, [a_price(**given)])
    assert {r: g.count for r, g in ask(prices).exclusions.items()} == {reason: 1}
    others = [other for name, (_, other, _) in HELD_BACK.items() if name != held]
    for question in [{}, *others]:
        assert ask(prices, **question).status == "infeasible", question
    assert ask(prices, **option).status == "optimal"


@pytest.mark.parametrize(
    ("flags", "availability"),
    [
        (("retired",), Availability.AVAILABLE),
        (("not_offered",), Availability.AVAILABLE),
        (("not_sold_this_way",), Availability.AVAILABLE),
        (("superseded",), Availability.AVAILABLE),
        ((), Availability.UNAVAILABLE),
    ],
)
def test_no_option_admits_what_cannot_be_bought(
    catalog: Catalog, flags: tuple[str, ...], availability: Availability
) -> None:
    prices = with_offers(catalog, [a_price(flags=flags, availability=availability)])
    assert ask(prices, **ALL_OPTIONS).status == "infeasible"


def test_part_of_an_accelerator_has_no_throughput_even_on_request(catalog: Catalog) -> None:
    prices = with_offers(catalog, [a_price(accelerators="0.5", flags=("fractional_gpu",))])
    assert set(ask(prices, **SMALL).exclusions) == {"fractional_gpu"}
    assert set(ask(prices, **SMALL, **ALL_OPTIONS).exclusions) == {"no_throughput_data"}


def test_constrained_stock_may_be_bought(catalog: Catalog) -> None:
    plan = ask(with_offers(catalog, [a_price(availability=Availability.CONSTRAINED)]))
    assert [line.availability for line in plan.purchase] == ["constrained"]


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("availability_unknown", {"allow_unknown_availability": True}),
        ("estimated_price", {"include": ("estimated-spot",)}),
    ],
)
def test_what_admitting_would_save_is_what_the_option_saves(
    catalog: Catalog, name: str, option: dict[str, Any]
) -> None:
    question = {
        "regions": ["us-*", "eastus"],
        "accelerators": ["l4-*", "a100-*", "h100-*"],
        "markets": ["any"],
    }
    plan, admitted = ask(catalog, **question), ask(catalog, **question, **option)
    assert baseline(plan, name).usd_per_hour == admitted.usd_per_hour


def test_an_estimate_of_unknown_stock_is_not_promised_by_one_option(catalog: Catalog) -> None:
    """Two things are wrong with it, so neither option alone saves anything."""
    both = a_price(
        market=Market.SPOT,
        usd_per_hour="0.10",
        flags=("estimated_price",),
        availability=Availability.UNKNOWN,
    )
    prices = with_offers(catalog, [a_price(), both])
    plan = ask(prices)
    with_option = ask(prices, include=("estimated-spot",))
    assert with_option.usd_per_hour == plan.usd_per_hour
    promised = [b for b in plan.baselines if b.kind == "admitting"]
    assert [b for b in promised if b.usd_per_hour != plan.usd_per_hour] == []
    assert plan.exclusions["estimated_price"].saving_if_admitted is None


def test_admitted_unknown_stock_is_warned_of(catalog: Catalog) -> None:
    prices = with_offers(catalog, [a_price(availability=Availability.UNKNOWN)])
    plan = ask(prices, allow_unknown_availability=True)
    assert any("stock" in warning for warning in plan.warnings)
    assert plan.inputs.allow_unknown_availability


def test_admitted_estimates_are_labelled(catalog: Catalog) -> None:
    prices = with_offers(catalog, [a_price(flags=("estimated_price",), market=Market.SPOT)])
    plan = ask(prices, include=("estimated-spot",))
    assert any("estimate" in warning for warning in plan.warnings)
    assert plan.purchase[0].flags == ["estimated_price"]
