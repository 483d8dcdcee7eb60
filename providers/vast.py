"""Vast.ai: a marketplace. Each row of the answer is one machine that can be rented now, at its owner's price.

Offer ids vanish within hours, so machines are not listed one by one: per country and shape (count and chip)
the machine with the lower median price stands for all, and is the evidence. ``dph_total`` is the hourly price
of all its GPUs with the disk, ``min_bid`` the lowest bid an interruptible rental takes now, without the disk.
``gpu_ram`` and ``cpu_ram`` are MiB (H100: 81,559); ``cpu_ram`` and ``cpu_cores_effective`` are the renter's
share: recorded twice as large for two of a machine's four GPUs as for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final, Self

from advisor.domain import Availability, Market, Offer
from advisor.errors import PayloadError, ProviderError
from advisor.provider import (
    Answer,
    Aspect,
    Collected,
    Fetch,
    Ledger,
    Reading,
    Scope,
    Unseen,
    canonical_bytes,
    collected,
    reporter,
)
from advisor.units import MIB_PER_GIB
from providers._http import Endpoint
from providers._payload import is_object, memory_fits, price, quantity, shown, text, whole
from providers._settings import base_url, http_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NAME: Final = "vast"
PAGE_OFFERS: Final = 1000
MOST_PAGES: Final = 50

ALIASES: Final[dict[str, dict[str, str]]] = {
    # Vast's gpu_name: our accelerators of that name, and how each is called within our instance type
    "A10": {"a10-24gb": "a10"},
    "A100 PCIE": {"a100-pcie-40gb": "a100_pcie_40gb", "a100-pcie-80gb": "a100_pcie_80gb"},
    "A100 SXM4": {"a100-sxm-40gb": "a100_sxm_40gb", "a100-sxm-80gb": "a100_sxm_80gb"},
    "A30": {"a30-24gb": "a30"},
    "A40": {"a40-48gb": "a40"},
    "B200": {"b200-sxm-180gb": "b200"},
    "B300": {"b300-sxm-288gb": "b300"},
    "GH200 SXM": {"gh200-96gb": "gh200"},
    "H100 NVL": {"h100-nvl-94gb": "h100_nvl"},
    "H100 PCIE": {"h100-pcie-80gb": "h100_pcie"},
    "H100 SXM": {"h100-sxm-80gb": "h100_sxm"},
    "H200": {"h200-sxm-141gb": "h200"},
    "H200 NVL": {"h200-nvl-141gb": "h200_nvl"},
    "L4": {"l4-24gb": "l4"},
    "L40": {"l40-48gb": "l40"},
    "L40S": {"l40s-48gb": "l40s"},
    "RTX 3090": {"rtx-3090-24gb": "rtx_3090"},
    "RTX 4090": {"rtx-4090-24gb": "rtx_4090"},
    "RTX 5090": {"rtx-5090-32gb": "rtx_5090"},
    "RTX 6000Ada": {"rtx-6000-ada-48gb": "rtx_6000_ada"},
    "RTX A6000": {"rtx-a6000-48gb": "rtx_a6000"},
    "Tesla T4": {"t4-16gb": "t4"},
}

_COUNTRY: Final = re.compile(r"(?:^|, ?)([A-Z]{2})$")


@dataclass(frozen=True, slots=True)
class _Machine:
    """One machine of the marketplace, as far as it can be relied on."""

    item: dict[str, object]
    identity: str
    country: str
    accelerator: str
    instance_type: str
    gpu_count: int


class Vast:
    """Prices and live supply of the Vast.ai marketplace. Needs no credentials."""

    name: ClassVar[str] = NAME
    permissions: ClassVar[str] = "Vast.ai: none. Its offers are public; no key is read or sent."

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """An adapter on Vast's public API, or where ``ADVISOR_VAST_URL`` says."""
        base = base_url(environ, "ADVISOR_VAST_URL", "https://console.vast.ai")
        endpoint = Endpoint(NAME, base, http_settings(environ))

        def fetch(operation: str, **args: object) -> Answer:
            body = {
                "rentable": {"eq": True},
                "dph_total": {"gte": args["from_usd_per_hour"]},
                "order": [["dph_total", "asc"]],
                "limit": args["limit"],
            }
            return endpoint.post(operation, "/api/v0/bundles/", body)

        return cls(fetch)

    def collect(self, scope: Scope, now: datetime) -> Collected:
        """Every shape on offer, per country.

        Raises:
            ProviderError: not one page could be read.
        """
        items, answers, cut = fetch_offers(self._fetch)
        said_at = min(answer.said_at(now) for answer in answers)
        reading = parse_offers(items, scope, said_at)
        unseen = [Unseen(Aspect.QUOTA, None, "Vast.ai has no quotas; supply is the limit")]
        if not items:
            unseen.append(Unseen(Aspect.PRICE, None, "Vast.ai answered with an empty list"))
        if cut.rejections:
            unseen.append(
                Unseen(Aspect.PRICE, None, f"the list breaks off after the cheapest {len(items)} machines")
            )
        regions = [priced.offer.region for priced in reading.offers]
        return collected(NAME, [reading, cut], answers=answers, now=now, unseen=unseen, regions_done=regions)


def fetch_offers(fetch: Fetch) -> tuple[list[object], list[Answer], Reading]:
    """All machines, cheapest first, with the answers they came in and why the list breaks off, if it does.

    There is no page token: the next page starts at the last price seen, and machines seen before are skipped.
    The server may return fewer than asked for, so only a page without anything new is the end.
    """
    items: list[object] = []
    answers: list[Answer] = []
    seen: set[bytes] = set()
    cut = Ledger(NAME)
    start = Decimal(0)
    tell = reporter()
    for _ in range(MOST_PAGES):
        try:
            answer = fetch("bundles", from_usd_per_hour=float(start), limit=PAGE_OFFERS)
            page = _offers(answer.payload)
        except ProviderError as error:
            if not answers:
                raise
            cut.reject("fetch_failed", f"bundles from ${start}", str(error))
            return items, answers, cut.reading()
        answers.append(answer)
        fresh = {_key(item): item for item in page if _key(item) not in seen}
        seen |= fresh.keys()
        items += fresh.values()
        tell(regions=1, rows=len(fresh), retries=answer.retries)
        if not fresh:
            return items, answers, cut.reading()
        start = max(start, *map(_page_price, page))
    cut.reject("fetch_failed", f"bundles from ${start}", f"no end after {MOST_PAGES} pages")
    return items, answers, cut.reading()


def _offers(payload: object) -> list[object]:
    offers = payload.get("offers") if is_object(payload) else None
    if not isinstance(offers, list):
        raise PayloadError(f"{NAME}: bundles: not the documented answer (no list of offers)")
    return offers


def _page_price(item: object) -> Decimal:
    """The price as stated, unrounded: the next page begins with it."""
    stated = quantity(item.get("dph_total"), at_most=10**6) if is_object(item) else None
    return stated or Decimal(0)


def _key(item: object) -> bytes:
    identity = item.get("id") if is_object(item) else None
    return canonical_bytes(identity if identity is not None else item)


def parse_offers(items: list[object], scope: Scope, said_at: datetime) -> Reading:
    """One offer per country, shape and market; every machine counts in one, or is a rejection."""
    ledger = Ledger(NAME)
    groups: dict[tuple[str, str, Market], list[tuple[Decimal, str, _Machine]]] = {}
    for item in items:
        machine = _read_machine(ledger, item)
        if machine is None or not scope.covers_region(NAME, machine.country):
            continue
        for market, field in ((Market.ON_DEMAND, "dph_total"), (Market.SPOT, "min_bid")):
            if not scope.covers_market(market):
                continue
            usd_per_hour = price(machine.item.get(field))
            if usd_per_hour is None:
                stated = shown(machine.item.get(field))
                ledger.reject(
                    "price_missing", machine.identity, f"{field} is {stated}", machine.country, market
                )
                continue
            key = (machine.country, machine.instance_type, market)
            groups.setdefault(key, []).append((usd_per_hour, machine.identity, machine))
    for (_, _, market), group in sorted(groups.items()):
        group.sort(key=lambda priced: priced[:2])
        usd_per_hour, _, machine = group[(len(group) - 1) // 2]
        ledger.offer(_offer(machine, market, usd_per_hour, len(group), said_at), machine.item)
    return ledger.reading()


def _read_machine(ledger: Ledger, item: object) -> _Machine | None:
    if not is_object(item):
        ledger.reject("malformed_item", "bundles", f"not an object: {shown(item)}")
        return None
    identity = f"offer {shown(item.get('id'))}"
    gpu_name = text(item.get("gpu_name"))
    if gpu_name not in ALIASES:
        ledger.reject("unknown_accelerator", shown(item.get("gpu_name")), f"first seen in {identity}")
        return None
    memory = quantity(item.get("gpu_ram"), at_most=10_000_000)
    fitting = [chip for chip in ALIASES[gpu_name] if memory and memory_fits(chip, memory / MIB_PER_GIB)]
    if len(fitting) != 1:
        ledger.reject(
            "memory_mismatch", identity, f"{gpu_name} with gpu_ram {shown(item.get('gpu_ram'))} MiB"
        )
        return None
    gpu_count = whole(item.get("num_gpus"), at_most=256)
    if gpu_count is None:
        ledger.reject("malformed_item", identity, f"num_gpus is {shown(item.get('num_gpus'))}")
        return None
    country = _COUNTRY.search(text(item.get("geolocation")) or "")
    if country is None:
        ledger.reject("region_unknown", identity, f"geolocation is {shown(item.get('geolocation'))}")
        return None
    if item.get("rentable") is not True:
        ledger.reject("not_rentable", identity, f"rentable is {shown(item.get('rentable'))}", country[1])
        return None
    short = ALIASES[gpu_name][fitting[0]]
    return _Machine(item, identity, country[1], fitting[0], f"{gpu_count}x_{short}", gpu_count)


def _offer(machine: _Machine, market: Market, usd_per_hour: Decimal, supply: int, said_at: datetime) -> Offer:
    item = machine.item
    cores = quantity(item.get("cpu_cores_effective"), at_most=10_000)
    vcpus = int(cores) if cores is not None and cores >= 1 else None
    memory = quantity(item.get("cpu_ram"), at_most=1_000_000_000)
    unknown = {"vcpu_memory_unknown"} if vcpus is None or memory is None else set()
    kind = "median_of" if market is Market.ON_DEMAND else "lowest_bid_without_disk_median_of"
    return Offer(
        provider=NAME,
        region=machine.country,
        zone=None,
        instance_type=machine.instance_type,
        market=market,
        usd_per_hour=usd_per_hour,
        accelerator=machine.accelerator,
        accelerators=Decimal(machine.gpu_count),
        vcpus=vcpus,
        memory_gib=None if memory is None else float(round(memory / MIB_PER_GIB, 2)),
        availability=Availability.AVAILABLE if supply > 1 else Availability.CONSTRAINED,
        availability_basis=f"Vast.ai's live offers, {said_at:%Y-%m-%d %H:%M}Z: {supply} rentable",
        price_basis=f"{kind}_{supply}",
        collected_at=said_at,
        source="console.vast.ai/api/v0/bundles",
        licence=None,
        interruption=None,
        flags=tuple(sorted({"marketplace_median", *unknown})),
        max_instances=supply,
    )
