"""One example per detector of the gate, as ``docs/wrong-prices.md`` shows them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from gate_builders import REGIONS, a_spot, an_l4, an_offer, in_regions

from advisor.domain import Availability, Market

if TYPE_CHECKING:
    from advisor.domain import Offer


class Example(NamedTuple):
    """Rows of a refresh that a detector is for."""

    words: str
    rows: list[Offer]
    before: list[Offer] | None = None  #: what was published a week ago


def _times(offers: list[Offer], factor: str) -> list[Offer]:
    return [replace(offer, usd_per_hour=offer.usd_per_hour * Decimal(factor)) for offer in offers]


def _one_type_of_two_swapped() -> list[Offer]:
    places = REGIONS[:4]
    large = {"instance_type": "g6.16xlarge", "vcpus": 64}
    listed = [an_l4(region=place) for place in places]
    listed += [an_l4(region=place, usd_per_hour="3.3968", **large) for place in places]
    spot = {"market": Market.SPOT, "usd_per_hour": "0.30"}
    small = [an_l4(region=place, **spot) for place in places]
    big = [an_l4(region=place, **large, market=Market.SPOT, usd_per_hour="0.90") for place in places[1:]]
    return [*listed, *small, an_l4(region=places[0], **large, **spot), *big]


def _a2(usd_per_hour: str) -> Offer:
    return an_offer(provider="gcp", region="us-east5", instance_type="a2-ultragpu-2g",
                    accelerator="a100-sxm-80gb", accelerators=2, usd_per_hour=usd_per_hour)  # fmt: skip


_L4S = [an_l4(region=region, instance_type=f"g6.{size}xlarge") for region in REGIONS for size in (1, 2, 4)]
_FLAT_CHIPS = ("t4-16gb", "l4-24gb", "a100-sxm-80gb", "h100-sxm-80gb", "b200-sxm-180gb")
_A4 = {"provider": "gcp", "instance_type": "a4-highgpu-8g", "accelerator": "b200-sxm-180gb",
       "availability": Availability.UNAVAILABLE, "flags": ("not_sold_this_way",)}  # fmt: skip
_A4S = in_regions("us-central1", "us-east4", "europe-west4", usd_per_hour="100", **_A4)
_FEED = [
    an_l4(region=region, market=Market.SPOT, zone=f"{region}{zone}", usd_per_hour=f"0.3{place}")
    for region in REGIONS
    for place, zone in enumerate("abcd")
]

EXAMPLES: dict[str, Example] = {
    "W1": Example(
        "A B200 listed at 0.01: cents, or another field.",
        [an_offer(instance_type="p6-b200.xlarge", accelerator="b200-sxm-180gb", accelerators=1,
                  usd_per_hour="0.01")],
    ),
    "W2": Example("A price that was rounded up from zero.", [an_offer(usd_per_hour="0.00000001")]),
    "W3": Example(
        "Eight L4 at the price of one.",
        [an_l4(instance_type="l4.1x", usd_per_hour="1.28"),
         an_l4(instance_type="l4.8x", accelerators=8, usd_per_hour="1.28")],
    ),
    "W4": Example(
        "A type that costs $4.05 in six regions and $0.94 in a seventh.",
        [*in_regions(usd_per_hour="4.05", accelerators=1),
         an_offer(region="sa-east-1", usd_per_hour="0.94", accelerators=1)],
    ),
    "W5": Example("Google's A4, whose parts add up to 16 % more everywhere at once.",
                  _times(_A4S, "1.16"), _A4S),
    "W6": Example(
        "A spot price filed as on-demand in one region of five.",
        [*in_regions(*REGIONS[:4]), *(a_spot(region=region, zone=None) for region in REGIONS[:5]),
         an_offer(region=REGIONS[4], usd_per_hour="20")],
    ),
    "W7": Example(
        "An on-demand price for two H100 of Google's, which are sold as spot or by reservation only.",
        [an_offer(provider="gcp", region="us-central1", instance_type="a3-highgpu-2g", accelerators=2,
                  usd_per_hour="22.12")],
    ),
    "W8": Example("Two prices for one SKU.", [an_l4(usd_per_hour="0.178"), an_l4(usd_per_hour="0.086")]),
    "W9": Example(
        "Spot at $0.45 where on demand costs $6.98.",
        [an_offer(usd_per_hour="6.98", accelerators=2), a_spot(usd_per_hour="0.45", accelerators=2)],
    ),
    "W10": Example("A 64-core type at exactly the spot price of the 4-core one.", _one_type_of_two_swapped()),
    "W11": Example(
        "Spot at $0.49 where on demand costs $0.44.",
        [an_l4(usd_per_hour="0.44"), an_l4(usd_per_hour="0.49", market=Market.SPOT, zone="use1-az1")],
    ),
    "W12": Example(
        "The lowest price over zones, beside the prices of the zones.",
        [a_spot(), a_spot(zone="use1-az2", usd_per_hour="24"),
         a_spot(zone=None, price_basis="lowest_zone_spot")],
    ),
    "W13": Example("All three types of one region of six are gone.",
                   [offer for offer in _L4S if offer.region != "eu-west-1"], _L4S),
    "W14": Example("A GPU whose model came as None.", [an_offer(accelerator="None")]),
    "W15": Example(
        "Five chips at $0.95 per accelerator.",
        [an_offer(instance_type=chip, accelerator=chip, usd_per_hour="7.60") for chip in _FLAT_CHIPS],
    ),
    "W16": Example("A list price comes for a type whose contract price, $30, the user typed in.",
                   [an_offer()], [an_offer(usd_per_hour="30", price_basis="manual")]),
    "W27": Example(
        "Two A100 of Google's in us-east5 at $6.44 an hour; the list price was $11.13.",
        [_a2("6.440182")], [_a2("11.12983")],
    ),
    "W17": Example(
        "An eighth of an L4 at $2.40, a whole one at $0.80.",
        [an_l4(), an_l4(instance_type="g6f.large", accelerators="0.125", vcpus=2, usd_per_hour="2.40")],
    ),
    "W18": Example("Every price of a chip is 1.5 % higher than last week.",
                   _times(in_regions(), "1.015"), in_regions()),
    "W19": Example("Twenty-four spot prices with new stamps, and not one has moved in a week.", _FEED, _FEED),
    "W20": Example(
        "A price from a file of October, stamped in November.",
        [an_offer(source="owner/feed:data/2026-10-09.jsonl@0561ccbc")],
    ),
    "W21": Example(
        "An offer called unavailable because the on-demand quota is 0.",
        [an_offer(availability=Availability.UNAVAILABLE, availability_basis="on-demand quota is 0")],
    ),
    "W22": Example(
        "The list price of one type is gone from one region, where other types still have theirs.",
        [*in_regions()[1:], *(an_l4(region=region) for region in REGIONS)],
        [*in_regions(), *(an_l4(region=region) for region in REGIONS)],
    ),
    "W23": Example("The sum of a three-year term, unit \"1 Hour\".", [an_offer(usd_per_hour="578000")]),
    "W24": Example("A price in euro that nobody converted.",
                   [an_offer(provider="ovh", price_basis="list, EUR")]),
    "W25": Example(
        "A prepaid block at nothing an hour, beside the on-demand price.",
        [an_offer(usd_per_hour="0.00000001", price_basis="list, operation RunInstances:CB"), an_offer()],
    ),
    "W26": Example("An L4 of 22,888 MiB taken for another GPU than the L4 of 24 GB.",
                   [an_l4(accelerator="l4-22gb")]),
    "large_move": Example("A third off a list price overnight.",
                          [an_offer(usd_per_hour="36.70")], [an_offer()]),
}  # fmt: skip
"""By detector."""
