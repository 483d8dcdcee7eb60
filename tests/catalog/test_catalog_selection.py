"""Selection: a user's words to offers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from catalog_builders import a_region, an_offer, write_facts
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.facts import Facts, load_facts
from advisor.catalog.selection import Criteria, distance_km, matching_providers, regions_near, select
from advisor.domain import Market, Offer, Region
from advisor.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.fast


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return load_facts(write_facts(tmp_path_factory.mktemp("facts")))


OFFERS = (
    an_offer(),
    an_offer(zone="use1-az1", market=Market.SPOT, usd_per_hour="2"),
    an_offer(zone="us-east-1-atl-1a", flags=("local_zone",)),
    an_offer(region="us-east-2"),
    an_offer(provider="lambda", instance_type="gpu_1x_h100"),
    an_offer(provider="gcp", region="us-east4", accelerator="l4-24gb", usd_per_hour="0.5"),
    an_offer(provider="gcp", region="us-central1"),
    an_offer(provider="nebius", region="us-central1"),
    an_offer(provider="azure", region="eastus"),
    an_offer(provider="runpod", region="global"),
)


def places(offers: Sequence[Offer]) -> set[str]:
    return {f"{offer.provider}:{offer.region}" for offer in offers}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("us-east-1",), {"aws:us-east-1", "lambda:us-east-1"}),
        (("US-EAST-1",), {"aws:us-east-1", "lambda:us-east-1"}),
        (("aws:us-east-1",), {"aws:us-east-1"}),
        (("aws:*",), {"aws:us-east-1", "aws:us-east-2"}),
        (("us-east*",), {"aws:us-east-1", "aws:us-east-2", "lambda:us-east-1", "gcp:us-east4"}),
        (("*:us-central1",), {"gcp:us-central1", "nebius:us-central1"}),
        (("eastus", "global"), {"azure:eastus", "runpod:global"}),
        (("us-west-2",), set()),
        ((), places(OFFERS)),
    ],
)
def test_a_region_stands_for_every_provider_that_has_it(
    facts: Facts, patterns: tuple[str, ...], expected: set[str]
) -> None:
    assert places(select(OFFERS, facts, Criteria(regions=patterns)).offers) == expected


def test_a_region_includes_its_zones_and_local_zones(facts: Facts) -> None:
    found = select(OFFERS, facts, Criteria(regions=("aws:us-east-1",))).offers
    assert {offer.zone for offer in found} == {None, "use1-az1", "us-east-1-atl-1a"}


@pytest.mark.parametrize(
    ("criteria", "complaint"),
    [
        (Criteria(regions=("us-eest-1",)), "unknown region 'us-eest-1': did you mean .*us-east-1"),
        (Criteria(regions=("aws:us-eest-1",)), "did you mean .*aws:us-east-1"),
        (Criteria(providers=("asw",)), "unknown provider 'asw': did you mean aws"),
        (Criteria(markets=("reserved",)), "unknown market 'reserved': known: any, on-demand, spot"),
        (Criteria(accelerators=("h1000",)), "unknown accelerator 'h1000'"),
        (Criteria(exclude_accelerators=("h1000",)), "unknown accelerator 'h1000'"),
        (Criteria(near=("us-eest-1",)), "unknown region 'us-eest-1': did you mean"),
    ],
)
def test_a_name_nobody_knows_is_refused_with_near_ones(
    facts: Facts, criteria: Criteria, complaint: str
) -> None:
    with pytest.raises(UnknownName, match=complaint):
        select(OFFERS, facts, criteria)


@pytest.mark.parametrize(
    ("criteria", "complaint"),
    [
        (Criteria(regions=("mars-*",)), r"no region matches 'mars-\*'"),
        (Criteria(providers=("z*",)), r"no provider matches 'z\*'"),
        (Criteria(near=("us-*",)), "must be one region, not a pattern"),
        (Criteria(near=("us-east-1=far",)), "'far' is not a distance"),
        (Criteria(near=("us-east-1=-5",)), "'-5' is not a distance"),
        (Criteria(near=("us-east-1=",)), "'' is not a distance"),
        (Criteria(near=("us-central1",)), "say gcp:us-central1 or nebius:us-central1"),
        (Criteria(near=("lambda:us-east-1",)), "no coordinates are known"),
    ],
)
def test_words_that_mean_no_one_place_are_refused(facts: Facts, criteria: Criteria, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        select(OFFERS, facts, criteria)


def test_near_reaches_every_cloud_around_and_says_so(facts: Facts) -> None:
    selection = select(OFFERS, facts, Criteria(near=("us-east-1",)))
    # Charlottesville-ish to Boydton-ish: dlat 1.57° = 175 km, dlon 2.30° x cos 38.2° = 201 km: 266 km.
    assert places(selection.offers) == {
        "aws:us-east-1",
        "lambda:us-east-1",
        "gcp:us-east4",
        "azure:eastus",
        "aws:us-east-2",
    }
    assert "azure:eastus (266 km)" in selection.notes[0]
    assert selection.notes[0].startswith(
        "Within 500 km of us-east-1: aws:us-east-1, gcp:us-east4, lambda:us-east-1"
    )


def test_the_radius_of_near_can_be_given(facts: Facts) -> None:
    selection = select(OFFERS, facts, Criteria(near=("us-east-1=300km",)))
    assert "aws:us-east-2" not in places(selection.offers)
    assert "azure:eastus" in places(selection.offers)


def test_places_off_the_map_are_never_near_and_are_reported(facts: Facts) -> None:
    selection = select(OFFERS, facts, Criteria(near=("gcp:us-east4",)))
    assert "lambda:us-east-1" not in places(selection.offers)
    assert selection.notes[1] == (
        "No coordinates are known for regions of lambda (1), runpod (1): "
        "they are never near; name them with --region."
    )


def test_near_adds_to_region(facts: Facts) -> None:
    selection = select(OFFERS, facts, Criteria(regions=("global",), near=("eastus=10",)))
    assert places(selection.offers) == {"runpod:global", "azure:eastus"}


def test_the_distance_between_two_known_cities() -> None:
    # London 51.5074 N 0.1278 W, Paris 48.8566 N 2.3522 E: 344 km by any table of distances.
    london, paris = a_region("x", "london", 51.5074, -0.1278), a_region("x", "paris", 48.8566, 2.3522)
    assert distance_km(london, paris) == pytest.approx(344, abs=1)


def test_a_quarter_of_the_way_around_the_earth() -> None:
    # From the equator to the pole: a quarter of 2 pi x 6371.0088 km.
    assert distance_km(a_region("x", "a", 0, 0), a_region("x", "pole", 90, 0)) == pytest.approx(
        10007.557, abs=0.01
    )


POINT = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@st.composite
def a_map(draw: st.DrawFn) -> dict[str, Region]:
    points = draw(st.lists(POINT | st.just((None, None)), min_size=2, max_size=8))
    drawn = [a_region("x", f"r{number}", *point) for number, point in enumerate(points)]
    return {region.qualified: region for region in drawn}


@given(a_map(), st.integers(0, 20020))
def test_near_is_symmetric(regions: dict[str, Region], km: int) -> None:
    known = {place: region for place, region in regions.items() if region.latitude is not None}
    reach = {place: set(regions_near(f"{place}={km}", regions, regions)) for place in known}
    for here in known:
        assert here in reach[here]
        for there in known:
            assert (there in reach[here]) == (here in reach[there])
        assert reach[here] <= set(known)


@given(a_map(), st.integers(0, 20020), st.integers(0, 20020))
def test_a_wider_circle_never_loses_a_region(regions: dict[str, Region], km: int, more: int) -> None:
    for place, region in regions.items():
        if region.latitude is not None:
            narrow = regions_near(f"{place}={km}", regions, regions)
            wide = regions_near(f"{place}={km + more}", regions, regions)
            assert set(narrow) <= set(wide)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {Market.ON_DEMAND, Market.SPOT}),
        (("any",), {Market.ON_DEMAND, Market.SPOT}),
        (("on-demand",), {Market.ON_DEMAND}),
        (("ON_DEMAND",), {Market.ON_DEMAND}),
        (("spot",), {Market.SPOT}),
        (("spot", "on-demand"), {Market.ON_DEMAND, Market.SPOT}),
    ],
)
def test_markets(facts: Facts, words: tuple[str, ...], expected: set[Market]) -> None:
    selection = select(OFFERS, facts, Criteria(markets=words))
    assert set(selection.markets) == expected
    assert {offer.market for offer in selection.offers} == expected


def test_providers_may_be_globs(facts: Facts) -> None:
    selection = select(OFFERS, facts, Criteria(providers=("a*", "lambda")))
    assert selection.providers == ("aws", "azure", "lambda")
    assert {offer.provider for offer in selection.offers} == {"aws", "azure", "lambda"}


def test_offers_beyond_a_limit_are_counted_not_lost(facts: Facts) -> None:
    selection = select(OFFERS, facts, Criteria(max_usd_per_hour=Decimal("2"), exclude_accelerators=("L4",)))
    assert [offer.market for offer in selection.offers] == [Market.SPOT]
    reasons = [exclusion.reason for exclusion in selection.exclusions]
    assert (reasons.count("over_price_limit"), reasons.count("accelerator_excluded")) == (8, 1)


@given(
    st.permutations(OFFERS),
    st.sampled_from([Criteria(), Criteria(markets=("spot",)), Criteria(regions=("us-*",))]),
)
def test_every_offer_in_scope_is_selected_or_excluded_once_in_order(
    facts: Facts, offers: list[Offer], criteria: Criteria
) -> None:
    free = select(offers, facts, criteria)
    tight = select(
        offers,
        facts,
        Criteria(
            regions=criteria.regions,
            markets=criteria.markets,
            accelerators=("l4",),
            max_usd_per_hour=Decimal(3),
        ),
    )
    assert sorted(offer.id for offer in free.offers) == sorted(
        [offer.id for offer in tight.offers] + [exclusion.subject for exclusion in tight.exclusions]
    )
    assert [offer for offer in offers if offer in free.offers] == list(free.offers)


def test_a_provider_after_an_exclamation_mark_is_left_out() -> None:
    known = ("aws", "azure", "nebius")
    assert matching_providers(["!nebius"], known) == {"aws", "azure"}
    assert matching_providers(["a*", "!AZURE"], known) == {"aws"}
    with pytest.raises(UsageError):
        matching_providers(["!b*"], known)
