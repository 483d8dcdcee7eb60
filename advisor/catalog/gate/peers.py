"""Detectors that hold a price against its peers: its type elsewhere, smaller shapes, on-demand for spot."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from advisor.catalog.gate.finding import Action, Finding
from advisor.catalog.gate.view import Row, View, grouped
from advisor.domain import Market
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

_OWN_TYPE_FACTOR: Final = 2.5
"""On-demand prices of one type lie at 0.65 to 1.60 times their median over regions (2,640 rows shipped)."""

_OWN_CHIP_LEAST: Final = 0.2
"""The lowest on-demand price per accelerator is 0.31 times its provider's median for the chip (shipped)."""

_SPOT_FACTOR: Final = 8.0
"""Spot prices of one type lie within 0.24 to 4.7 times their median over zones (1,681 rows shipped)."""

_SPOT_LEAST_SHARE: Final = 0.08
"""Of on-demand: AWS and Azure say "up to 90 %" off, Google 91 %; the lowest share shipped is 0.100."""

_SPOT_FALL: Final = 4.0
"""Within one refresh; 99.9 % of weekly AWS spot moves, January to April 2024, are below 1.48 times."""

_SPOT_EXCESS: Final = (0.00005, 1.0005)
"""USD and factor above on-demand that rounding to four decimals explains."""


def w3_per_gpu_price(view: View) -> Iterator[Finding]:
    """W3: the per-GPU price taken for the instance price: shown $1.28, billed $10.24, 8 GPUs (dstack #1890).

    Refused: an instance of several accelerators not dearer than one of fewer (same provider, place, chip,
    market), or of four or more at exactly 1/n of its own last price (within 2 %). Held instead: half the
    last price for two or three, which a real cut may be; and spot and marketplaces, where a bargain is
    possible (there only from four up: offers on Vast halve every week). In all prices shipped there is none.
    Held as well: a price the user typed in that is 1/n of the price it would stand for.
    """
    yield from _own_price_per_accelerator(view)
    cheapest = _cheapest_by_count(view)
    for row in view.doubtful:
        count = row.offer.accelerators
        if count < 2:
            continue
        change = view.change(row)
        action = Action.REFUSE if row.is_list else Action.HOLD
        is_few = count < 4
        if _is_one_nth(change, count) and not (is_few and row.is_live_stock):
            said = f"${row.usd:.4g} is 1/{decimal_text(count)} of last time's: the price of one accelerator?"
            yield view.finding("W3", row, Action.HOLD if is_few else action, said)
            continue
        smaller = [other for other in cheapest[_chip_place(row)] if 1 <= other.offer.accelerators < count]
        if smaller and row.usd <= min(other.usd for other in smaller):
            other = min(smaller, key=lambda small: small.usd)
            many, few = decimal_text(count), decimal_text(other.offer.accelerators)
            said = f"{many} accelerators for ${row.usd:.4g}, {few} cost ${other.usd:.4g}"
            said += f" ({other.offer.instance_type})"
            yield view.finding("W3", row, action, said)


def _own_price_per_accelerator(view: View) -> Iterator[Finding]:
    for row in view.rows:
        count = row.offer.accelerators
        if row.is_manual and count >= 2 and _is_one_nth(view.change(row), count):
            part = f"1/{decimal_text(count)} of ${view.before[row.id].usd:.4g}"
            said = f"your ${row.usd:.4g} is {part}: the price of one accelerator?"
            yield view.finding("W3", row, Action.HOLD, said)


def _is_one_nth(change: float | None, count: Decimal) -> bool:
    return change is not None and abs(change * float(count) - 1) < 0.02


def _chip_place(row: Row) -> tuple[str, str, str | None, str, Market]:
    offer = row.offer
    return (offer.provider, offer.region, offer.zone, offer.accelerator, offer.market)


def _cheapest_by_count(view: View) -> dict[tuple[str, str, str | None, str, Market], list[Row]]:
    """Per place and chip the cheapest row of every accelerator count."""
    groups: dict[tuple[str, str, str | None, str, Market], list[Row]] = defaultdict(list)
    for key, rows in grouped(view.rows, lambda row: (_chip_place(row), row.offer.accelerators)).items():
        groups[key[0]].append(min(rows, key=lambda row: row.usd))
    return groups


def w4_without_its_gpu(view: View) -> Iterator[Finding]:
    """W4: the VM priced without its GPU, $0.94 for $4.05 (skypilot-catalog #31).

    Held: an on-demand price below 0.4 times the type's median over regions (shipped: 0.65 at least), or per
    accelerator below 0.2 times the provider's median for the chip (shipped: 0.31). Real once: Azure's list
    said $7.692 instead of $46.861 for ND96amsr A100 v4 in polandcentral on 2025-05-16.
    """
    for row in view.doubtful:
        if not row.is_list:
            continue
        own, chip = view.usual_of_shape.get(row.shape), view.usual_of_chip.get(row.chip)
        if own and row.usd * _OWN_TYPE_FACTOR < own:
            said = f"${row.usd:.4g}, where {row.offer.instance_type} is ${own:.4g} elsewhere"
            yield view.finding("W4", row, Action.HOLD, said)
        elif chip and row.unit < _OWN_CHIP_LEAST * chip:
            said = f"${row.unit:.4g} per accelerator, where {row.offer.provider}'s usual is ${chip:.4g}"
            yield view.finding("W4", row, Action.HOLD, said)


def w5_parts_twice(view: View) -> Iterator[Finding]:
    """W5: the GPU's price already includes the VM (GCP A4): parts added twice, or dropped (skypilot PR 8125).

    Held: an on-demand price above 2.5 times the type's median over regions (shipped: 1.60 at most); or a
    type whose price is composed of parts (all of Google's), dearer by 3 % or more in every region at once
    (three or more). Rows that vanish instead are W13's and W22's.
    """
    for row in view.doubtful:
        own = view.usual_of_shape.get(row.shape)
        if row.is_list and own and row.usd > _OWN_TYPE_FACTOR * own:
            said = f"${row.usd:.4g}, where {row.offer.instance_type} is ${own:.4g} elsewhere"
            yield view.finding("W5", row, Action.HOLD, said)
    composed = (row for row in view.rows if row.is_list and _is_composed(row))
    for (provider, instance_type, _), rows in grouped(composed, lambda row: row.shape).items():
        changes = [change for row in rows if (change := view.change(row)) is not None]
        if len(changes) >= 3 and len(changes) == len(rows) and min(changes) >= 1.03:
            said = f"all {len(rows)} prices of {instance_type} rose by {min(changes) - 1:.1%} or more at once"
            group = f"W5:{provider}:{instance_type}:{min(changes):.4f}"
            yield from (view.finding("W5", row, Action.HOLD, said, group=group) for row in rows)


def _is_composed(row: Row) -> bool:
    return row.offer.provider == "gcp" or "sum" in row.offer.price_basis


def w6_spot_as_on_demand(view: View) -> Iterator[Finding]:
    """W6: a spot SKU whose usage type says on-demand (skypilot PR 8125).

    Held: an on-demand price below 0.6 times the type's median over regions (shipped: 0.65 at least) that is
    the spot price beside it, or within 15 % of the type's usual spot price. Not refused, since spot sits at
    the cap right after a real cut, too.
    """
    spot = {row.place: row for row in view.rows if row.offer.market is Market.SPOT}
    for row in view.doubtful:
        own = view.usual_of_shape.get(row.shape)
        if not (row.is_list and own and row.usd < 0.6 * own):
            continue
        provider, region, instance_type, _ = row.place
        beside = spot.get((provider, region, instance_type, Market.SPOT))
        usual_spot = view.usual_of_shape.get((provider, instance_type, Market.SPOT))
        if beside is not None and abs(row.usd / beside.usd - 1) < 0.001:
            said = f"${row.usd:.4g} is the spot price beside it; on demand it is ${own:.4g} elsewhere"
            yield view.finding("W6", row, Action.HOLD, said)
        elif usual_spot and abs(row.usd / usual_spot - 1) < 0.15:
            said = (
                f"${row.usd:.4g} is the type's usual spot price ${usual_spot:.4g}; on demand it is ${own:.4g}"
            )
            yield view.finding("W6", row, Action.HOLD, said)


def w9_spot_too_cheap(view: View) -> Iterator[Finding]:
    """W9: a retail spot price six times below what the portal shows (azure-docs #72349).

    Held: below 0.08 of on-demand (vendors promise 90 to 91 % off at most; shipped: 0.100 at least), a fall to
    a quarter or less since last time, or 8 times below the type's median over zones (shipped: 4.2).
    Marketplaces are left to ``large_move``.
    """
    for row in view.doubtful:
        if row.offer.market is not Market.SPOT or row.is_live_stock:
            continue
        listed, change = view.on_demand_beside(row), view.change(row)
        own = view.usual_of_shape.get(row.shape)
        if listed and row.usd < _SPOT_LEAST_SHARE * listed.usd:
            said = f"${row.usd:.4g} is {row.usd / listed.usd:.1%} of on-demand ${listed.usd:.4g}"
            yield view.finding("W9", row, Action.HOLD, said)
        elif change is not None and change * _SPOT_FALL <= 1:
            yield view.finding("W9", row, Action.HOLD, f"fell to one {1 / change:.1f}th since last time")
        elif own and row.usd * _SPOT_FACTOR < own:
            said = f"${row.usd:.4g}, where the type's spot price is ${own:.4g} elsewhere"
            yield view.finding("W9", row, Action.HOLD, said)


def w10_spot_of_another_type(view: View) -> Iterator[Finding]:
    """W10: the spot price computed for another instance type than the one shown (skypilot PR 847).

    Held: two types of one zone with exactly one spot price, though on demand one costs 1.5 times the other or
    more; of the two, whichever is further (1.5 times or more) from its own usual share of on-demand. Never
    in the prices shipped; marketplaces, where round prices are common, are left out.
    """
    spot = [row for row in view.rows if row.offer.market is Market.SPOT and not row.is_live_stock]
    share = _usual_spot_share(view, spot)
    places = grouped(spot, lambda row: (row.offer.provider, row.offer.region, row.offer.zone, row.usd))
    for twins in places.values():
        listed = [(row, price) for row in twins if (price := view.on_demand_beside(row))]
        if len(listed) < 2 or max(p.usd for _, p in listed) < 1.5 * min(p.usd for _, p in listed):
            continue
        for row, price in listed:
            usual = share.get(row.shape)
            off = row.usd / price.usd / usual if usual else None
            if (off is None or max(off, 1 / off) >= 1.5) and not view.is_known(row) and not row.is_manual:
                others = ", ".join(other.offer.instance_type for other in twins if other is not row)
                said = f"exactly the spot price of {others}, though on demand they differ"
                yield view.finding("W10", row, Action.HOLD, said)


def _usual_spot_share(view: View, spot: list[Row]) -> dict[tuple[str, str, Market], float]:
    """Spot over on-demand per type, from the medians of both."""
    return {
        shape: usual / listed
        for shape in {row.shape for row in spot}
        if (usual := view.usual_of_shape.get(shape))
        and (listed := view.usual_of_shape.get((shape[0], shape[1], Market.ON_DEMAND)))
    }


def w11_spot_above_on_demand(view: View) -> Iterator[Finding]:
    """W11: spot dearer than on-demand, unnoticed: $0.49 against $0.44 (skypilot #4914).

    Held where it exceeds the on-demand price of its zone or region by more than rounding ($0.00005 and
    0.05 %). Six prices shipped sit at the cap and exceed it by rounding.
    """
    least, factor = _SPOT_EXCESS
    for row in view.doubtful:
        if row.offer.market is not Market.SPOT:
            continue
        listed = view.on_demand_beside(row)
        if listed and row.usd > max(listed.usd + least, listed.usd * factor):
            said = f"spot ${row.usd:.4g} above on-demand ${listed.usd:.4g}"
            yield view.finding("W11", row, Action.HOLD, said)


def w15_flat_default(view: View) -> Iterator[Finding]:
    """W15: a flat default GPU price used when the look-up failed: $0.95 AWS, $0.0429 Azure (OpenCost).

    Refused: one price per accelerator-hour for four chips or more of one provider and market whose memory
    differs fourfold. Shipped without marketplaces: three chips at most (RunPod $0.69, memory 2 : 1).
    """
    for rows in grouped(view.doubtful, lambda row: (*row.chip[::2], round(row.unit, 4))).values():
        chips = {row.offer.accelerator for row in rows if "marketplace_median" not in row.offer.flags}
        sizes = [view.facts.accelerators[chip].memory_gb for chip in chips if chip in view.facts.accelerators]
        if len(chips) >= 4 and sizes and max(sizes) >= 4 * min(sizes):
            said = f"${rows[0].unit:.4g} per accelerator for {len(chips)} chips alike: a default?"
            yield from (view.finding("W15", row, Action.REFUSE, said) for row in rows)


def w17_dear_fraction(view: View) -> Iterator[Finding]:
    """W17: cost several times the instance price when a GPU is shared or partitioned (OpenCost #2901).

    Held: a fraction of an accelerator dearer than 1.2 times the cheapest instance with a whole one and as
    many vCPUs, or, where those are unknown, above 4 times per accelerator (shipped: 0.86 and 2.8 at most).
    Spot is not judged: there a small type is often dearer than a large one (AWS: 21 of 300, October 2026).
    """
    whole = grouped((row for row in view.rows if row.offer.accelerators >= 1), _chip_place)
    for row in view.doubtful:
        if not row.offer.is_fractional or row.is_live_stock or row.offer.market is Market.SPOT:
            continue
        vcpus = row.offer.vcpus
        beside = whole.get(_chip_place(row), [])
        as_large = [other for other in beside if vcpus and other.offer.vcpus and other.offer.vcpus >= vcpus]
        if as_large and row.usd > 1.2 * (least := min(other.usd for other in as_large)):
            said = f"{row.offer.accelerators:.3g} of one for ${row.usd:.4g}, a whole one is ${least:.4g}"
            yield view.finding("W17", row, Action.HOLD, said)
        elif not as_large and beside and row.unit > 4 * (unit := min(other.unit for other in beside)):
            said = f"${row.unit:.4g} per accelerator as a fraction, ${unit:.4g} as a whole"
            yield view.finding("W17", row, Action.HOLD, said)
