"""Detectors that need one row, or one row and what is known of its type."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from advisor.catalog.gate.finding import Action, Finding
from advisor.catalog.gate.view import Row, View, grouped, most_common
from advisor.domain import Availability, Market
from advisor.provider import CLOCK_TOLERANCE
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from advisor.domain import Offer

_PLACEHOLDER_USD: Final = 0.005
"""Lowest price of any instance in all history shipped: $0.0579 (Azure T4 spot); a tenth of it is no price."""

_SOLD_ONLY_AS_SPOT_OR_RESERVED: Final = re.compile(r"a3-highgpu-[124]g|a3-ultragpu-.*|a4-.*|a4x-.*")
"""Google shapes with an on-demand SKU that nobody can start on demand (gpuhunt PR 176)."""

_CAPACITY_BLOCK: Final = re.compile(r"capacity.?block|:CB\b", re.IGNORECASE)
_QUOTA_WORDS: Final = re.compile(r"\bquotas?\b|limit exceeded|\bvCPU limit", re.IGNORECASE)
_ISO_DATE: Final = re.compile(r"(?<!\d)(20\d\d-[01]\d-[0-3]\d)(?!\d)")
_MEMORY_IN_ID: Final = re.compile(r"-\d+gb$")
_MEMORY_LIMITS_GIB: Final = (0.5, 65_536.0)
"""No host has less, none more: EC2's largest (u7in-32tb) has 32,768 GiB."""

_UNIT_SLIPS: Final = (1000.0, 1024.0, 1.024, 1.048576, 1.073741824)
"""GB for MB, GiB for MiB; kilo for kibi, MB for MiB, GB for GiB."""


def w2_zero_price(view: View) -> Iterator[Finding]:
    """W2: $0.00, or next to it, wins as the cheapest (skypilot #3615, #4657).

    Refused below $0.005 an hour, a tenth of the lowest price in all history shipped. An ``Offer`` of exactly
    zero cannot exist; one rounded up from zero, or made past its checks, ends here.
    """
    for row in view.rows:
        if row.usd < _PLACEHOLDER_USD:
            said = f"${decimal_text(row.offer.usd_per_hour)} an hour is a placeholder, not a price"
            yield view.finding("W2", row, Action.REFUSE, said)


def w7_not_sold_on_demand(view: View) -> Iterator[Finding]:
    """W7: an on-demand price for a shape sold only as spot or reservation (gpuhunt PR 176).

    Repaired: the price stays as listed, flagged ``not_sold_this_way`` and unavailable, so it is never bought.
    """
    for row in view.rows:
        offer = row.offer
        if (
            offer.market is Market.ON_DEMAND
            and offer.provider == "gcp"
            and _SOLD_ONLY_AS_SPOT_OR_RESERVED.fullmatch(offer.instance_type)
            and not ("not_sold_this_way" in offer.flags and offer.availability is Availability.UNAVAILABLE)
            and not row.is_manual
        ):
            repaired = replace(
                offer,
                availability=Availability.UNAVAILABLE,
                availability_basis="sold only as spot, flex-start or reservation (gpuhunt PR 176)",
                flags=tuple(sorted({*offer.flags, "not_sold_this_way"})),
            )
            said = f"{offer.instance_type} has an on-demand SKU but is sold only as spot or by reservation"
            yield view.finding("W7", row, Action.REPAIR, said, repaired=repaired)


def w14_no_such_accelerator(view: View) -> Iterator[Finding]:
    """W14: GPU memory or model 0, None, or another chip than last week (ec2instances #705, #751).

    Refused: a chip that is not in accelerators.toml or has no memory there, or a broken count above one.
    Held: a type whose chip or count differs from what is published, or from most of its own regions.
    """
    usual = _usual_identity(view)
    for row in view.rows:
        offer = row.offer
        chip = view.facts.accelerators.get(offer.accelerator)
        if chip is None:
            if not _near_ids(view, offer.accelerator):  # else W26 says it better
                said = f"'{offer.accelerator}' is no accelerator of the catalog"
                yield view.finding("W14", row, Action.REFUSE, said)
        elif not chip.memory_gb > 0:
            said = f"{chip.id} has no memory ({chip.memory_gb:g} GB)"
            yield view.finding("W14", row, Action.REFUSE, said)
        elif offer.accelerators > 1 and offer.accelerators % 1:
            said = f"{decimal_text(offer.accelerators)} accelerators is no count"
            yield view.finding("W14", row, Action.REFUSE, said)
        elif (known := usual.get(row.shape[:2])) and known != (offer.accelerator, offer.accelerators):
            said = (
                f"{_identity_text(offer.accelerator, offer.accelerators)} here,"
                f" elsewhere and before {_identity_text(*known)}"
            )
            yield view.finding("W14", row, Action.HOLD, said)


def _usual_identity(view: View) -> dict[tuple[str, str], tuple[str, Decimal]]:
    """Chip and count per provider and type: as published, else as most candidate rows say."""
    usual: dict[tuple[str, str], tuple[str, Decimal]] = {}
    for rows in (view.rows, view.before.values()):
        for shape, members in grouped(rows, lambda row: row.shape[:2]).items():
            identity = most_common((row.offer.accelerator, row.offer.accelerators) for row in members)
            if identity is not None:
                usual[shape] = identity
    return usual


def _identity_text(accelerator: str, count: Decimal) -> str:
    return f"{decimal_text(count)} × {accelerator}"


def _near_ids(view: View, accelerator: str) -> list[str]:
    """Known chips that differ from an unknown id in nothing but the memory it states."""
    stem = _MEMORY_IN_ID.sub("", accelerator)
    if stem == accelerator:
        return []
    return sorted(known for known in view.facts.accelerators if _MEMORY_IN_ID.sub("", known) == stem)


def w16_own_price_ignored(view: View) -> Iterator[Finding]:
    """W16: the user's own price is ignored for GPU nodes (OpenCost #3160).

    Held: a vendor's price where a price somebody typed in (``price_basis`` manual) is published. The user's
    stays until the user says otherwise.
    """
    for row in view.rows:
        old = view.before.get(row.id)
        if old and old.is_manual and not row.is_manual:
            said = (
                f"your own price ${decimal_text(old.offer.usd_per_hour)} stands above"
                f" {row.offer.price_basis} ${decimal_text(row.offer.usd_per_hour)}"
            )
            yield view.finding("W16", row, Action.HOLD, said)


def w20_wrong_stamp(view: View) -> Iterator[Finding]:
    """W20: invented data after a failed fetch; a failed fetch stamped fresh (spotinfo 2.2, skypilot).

    Refused: a stamp in the future (more than 5 minutes, RFC 4120's tolerance), a stamp more than two days
    newer than the archived file the price is from, or an older answer that would replace a newer one by
    another price. An older answer with the same price is repaired: the newer row stays.
    """
    dated: dict[str, date | None] = {}
    for row in view.rows:
        offer = row.offer
        old = view.before.get(row.id)
        said_on = _archive_day(offer.source, dated)
        if offer.collected_at > view.now + CLOCK_TOLERANCE:
            said = f"stamped {offer.collected_at:%Y-%m-%d %H:%M}Z, which is yet to come"
            yield view.finding("W20", row, Action.REFUSE, said)
        elif said_on and offer.collected_at.date() - said_on > timedelta(days=2):
            said = f"stamped {offer.collected_at:%Y-%m-%d}, but its source is of {said_on}"
            yield view.finding("W20", row, Action.REFUSE, said)
        elif old and offer.collected_at < old.offer.collected_at:
            yield _older_answer(view, row, old)


def _archive_day(source: str, dated: dict[str, date | None]) -> date | None:
    """The day in the path of an archived file (``repository:path@commit``); an API's version is no day."""
    if source not in dated:
        found = _ISO_DATE.findall(source) if "@" in source else []
        try:
            dated[source] = max((date.fromisoformat(text) for text in found), default=None)
        except ValueError:
            dated[source] = None
    return dated[source]


def _older_answer(view: View, row: Row, old: Row) -> Finding:
    said = (
        f"an answer of {row.offer.collected_at:%Y-%m-%d %H:%M}Z cannot replace"
        f" that of {old.offer.collected_at:%Y-%m-%d %H:%M}Z"
    )
    if row.offer.usd_per_hour == old.offer.usd_per_hour:
        return view.finding("W20", row, Action.REPAIR, f"{said}; same price", repaired=old.offer)
    return view.finding("W20", row, Action.REFUSE, said)


def w21_quota_as_stock(view: View) -> Iterator[Finding]:
    """W21: reserved capacity skipped because the on-demand quota is 0 (skypilot PR 3937).

    Quotas live in the account file and draw per market (advisor/catalog/quota.py; tests/catalog/
    test_catalog_quota.py); nothing of the kind belongs into public prices. The symptom here, an offer called
    unavailable for want of quota, is repaired to unknown: the next account may hold it.
    """
    for row in view.rows:
        offer = row.offer
        if offer.availability is Availability.UNAVAILABLE and _QUOTA_WORDS.search(offer.availability_basis):
            repaired = replace(
                offer,
                availability=Availability.UNKNOWN,
                availability_basis="stock not stated; a quota is the account's, not the offer's",
            )
            said = f"called unavailable because of a quota ({offer.availability_basis})"
            yield view.finding("W21", row, Action.REPAIR, said, repaired=repaired)


def w25_capacity_block(view: View) -> Iterator[Finding]:
    """W25: a capacity-block row at $0.0000000000 shadows the on-demand row (AWS price list).

    Refused: an on-demand row that names a capacity block; prepaid blocks are another market. Its zero price
    is W2's, and W8 sees only what these two leave, so the real row stands.
    """
    for row in view.rows:
        offer = row.offer
        words = " ".join((offer.instance_type, offer.price_basis, offer.availability_basis, offer.source))
        if offer.market is Market.ON_DEMAND and _CAPACITY_BLOCK.search(words):
            said = "a capacity block is reserved and prepaid, not bought on demand"
            yield view.finding("W25", row, Action.REFUSE, said)


def w26_memory_unit(view: View) -> Iterator[Finding]:
    """W26: MiB, MB, GB and GiB mixed; L4 22,888 MiB against 24 GB splits one GPU into two (EC2, gpuhunt).

    Refused: an unknown chip that differs from known ones in its stated memory alone (``l4-22gb``). Repaired:
    host memory off by a factor that only a unit explains (1000, 1024, 1.024, 1.049, 1.074, within 0.1 %),
    to what the type has elsewhere; beyond any host's memory it becomes unknown.
    """
    usual = _usual_memory(view)
    for row in view.rows:
        offer = row.offer
        if offer.accelerator not in view.facts.accelerators and (near := _near_ids(view, offer.accelerator)):
            said = f"'{offer.accelerator}' is one of {', '.join(near)} with its memory in another unit"
            yield view.finding("W26", row, Action.REFUSE, said)
        elif offer.memory_gib is not None and (wrong := _memory_slip(offer, usual.get(row.shape[:2]))):
            said, right = wrong
            yield view.finding("W26", row, Action.REPAIR, said, repaired=replace(offer, memory_gib=right))


def _usual_memory(view: View) -> dict[tuple[str, str], float]:
    usual: dict[tuple[str, str], float] = {}
    for rows in (view.rows, view.before.values()):
        stated = (row for row in rows if row.offer.memory_gib is not None)
        for shape, members in grouped(stated, lambda row: row.shape[:2]).items():
            memory = most_common(row.offer.memory_gib for row in members)
            if memory is not None:
                usual[shape] = memory
    return usual


def _memory_slip(offer: Offer, usual: float | None) -> tuple[str, float | None] | None:
    memory = offer.memory_gib
    if memory is None:
        return None
    low, high = _MEMORY_LIMITS_GIB
    if not low <= memory <= high:
        right = usual if usual is not None and low <= usual <= high else None
        return f"{memory:g} GiB is no host's memory; now {'unknown' if right is None else right}", right
    if usual is None or usual == memory:
        return None
    factor = max(memory / usual, usual / memory)
    if any(abs(factor / slip - 1) < 0.001 for slip in _UNIT_SLIPS):
        return f"{memory:g} GiB is {usual:g} GiB in another unit", usual
    return None
