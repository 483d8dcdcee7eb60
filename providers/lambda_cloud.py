"""Lambda: on-demand prices per instance type, and the regions that have capacity right now.

One list, no paging, no spot product. The price is in cents (W1), for the whole instance, and the same in
every region; stock is not. A region that another type names, and this one does not, has no capacity for it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final, Self

from advisor.domain import Availability, Market, Offer
from advisor.errors import MissingCredentials, PayloadError
from advisor.provider import (
    Answer,
    Aspect,
    Collected,
    Fetch,
    Ledger,
    Reading,
    Scope,
    Unseen,
    collected,
    reporter,
)
from providers._http import Endpoint
from providers._payload import is_object, is_zero, memory_fits, name, price, quantity, shown, whole
from providers._settings import base_url, credential, http_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NAME: Final = "lambda"

ALIASES: Final[dict[str, str]] = {
    # the chip's spelling in Lambda's instance type names, gpu_<count>x_<chip>; a whole name goes before it
    "gpu_8x_a100": "a100-sxm-40gb",
    "a10": "a10-24gb",
    "a100": "a100-pcie-40gb",
    "a100_sxm4": "a100-sxm-40gb",
    "a100_80gb_sxm4": "a100-sxm-80gb",
    "a6000": "rtx-a6000-48gb",
    "b200_sxm6": "b200-sxm-180gb",
    "gh200": "gh200-96gb",
    "h100_pcie": "h100-pcie-80gb",
    "h100_sxm5": "h100-sxm-80gb",
    "rtx6000": "rtx-6000-24gb",
    "v100": "v100-sxm-16gb",
    "v100_n": "v100-sxm-16gb",
}

_SHAPE: Final = re.compile(r"gpu_(\d{1,3})x_([a-z0-9_]+)")
_DESCRIBED_GB: Final = re.compile(r"\((\d{1,4}) ?GB", re.ASCII)


class Lambda:
    """Prices and live capacity of Lambda's on-demand cloud. Needs an API key."""

    name: ClassVar[str] = NAME
    permissions: ClassVar[str] = (
        "Lambda: an API key in LAMBDA_API_KEY (its keys have no scopes)."
        " Only GET /api/v1/instance-types is called."
    )

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """An adapter on Lambda's public API, or where ``ADVISOR_LAMBDA_URL`` says.

        Raises:
            MissingCredentials: no ``LAMBDA_API_KEY``.
        """
        base = base_url(environ, "ADVISOR_LAMBDA_URL", "https://cloud.lambdalabs.com")
        key = credential(environ, "LAMBDA_API_KEY")
        if key is None:
            raise MissingCredentials(
                "lambda: prices need a key; set LAMBDA_API_KEY (Lambda's console, API keys)"
            )
        endpoint = Endpoint(NAME, base, http_settings(environ), {"Authorization": f"Bearer {key}"})

        def fetch(operation: str, **args: object) -> Answer:
            return endpoint.get(operation, "/api/v1/instance-types")

        return cls(fetch)

    def collect(self, scope: Scope, now: datetime) -> Collected:
        """Every instance type in every region the answer names.

        Raises:
            ProviderError: the list could not be read.
        """
        answer = self._fetch("instance-types")
        reading, regions = parse_instance_types(answer.payload, scope, answer.said_at(now))
        reporter()(regions=len(regions), rows=len(reading.offers), retries=answer.retries)
        unseen = [
            Unseen(Aspect.PRICE, Market.SPOT, "Lambda sells no spot instances"),
            Unseen(Aspect.QUOTA, None, "Lambda publishes no quota"),
        ]
        if not reading.offers and not reading.rejections:
            unseen.append(
                Unseen(Aspect.PRICE, Market.ON_DEMAND, "Lambda answered with an empty list, or none in scope")
            )
        return collected(NAME, [reading], answers=[answer], now=now, unseen=unseen, regions_done=regions)


def parse_instance_types(payload: object, scope: Scope, said_at: datetime) -> tuple[Reading, tuple[str, ...]]:
    """What the list says, and the regions it names.

    Raises:
        PayloadError: it holds no instance types.
    """
    data = payload.get("data") if is_object(payload) else None
    if data == []:
        data = {}
    if not is_object(data):
        raise PayloadError(f"{NAME}: instance-types: not the documented answer (no data object)")
    seen = sorted({region for item in data.values() for region in _regions(item) or ()})
    wanted = tuple(region for region in seen if scope.covers_region(NAME, region))
    ledger = Ledger(NAME)
    for shape, item in data.items():
        _read_type(ledger, shape, item, seen, wanted, scope, said_at)
    return ledger.reading(), wanted


def _regions(item: object) -> tuple[str, ...] | None:
    """Regions with capacity for one type, None where the list is not what it should be."""
    listed = item.get("regions_with_capacity_available") if is_object(item) else None
    if not isinstance(listed, list):
        return None
    names = [name(region.get("name")) if is_object(region) else None for region in listed]
    return None if None in names else tuple(region for region in names if region is not None)


def _read_type(
    ledger: Ledger,
    shape: str,
    item: object,
    seen: list[str],
    wanted: tuple[str, ...],
    scope: Scope,
    said_at: datetime,
) -> None:
    subject = shape if name(shape) else shown(shape)
    inner = item.get("instance_type") if is_object(item) else None
    if not is_object(item) or not is_object(inner):
        ledger.reject("malformed_item", subject, "no instance_type object")
        return
    found = _chip(shape, inner)
    if isinstance(found[0], int):
        gpu_count, accelerator = found
    else:
        ledger.reject(found[0], subject, found[1])
        return
    usd_per_hour = price(inner.get("price_cents_per_hour"), divided_by=100)
    if usd_per_hour is None:
        stated = shown(inner.get("price_cents_per_hour"))
        ledger.reject("price_missing", subject, f"price_cents_per_hour is {stated}", market=Market.ON_DEMAND)
        return
    stocked = _regions(item)
    if stocked is None:
        ledger.reject("malformed_item", subject, "regions_with_capacity_available is not a list of regions")
        return
    if not seen:
        ledger.reject(
            "region_unknown", subject, f"${usd_per_hour} an hour, but no type has capacity in any region"
        )
        return
    if not scope.covers_market(Market.ON_DEMAND):
        return
    for region in wanted:
        offer = _offer(shape, region, region in stocked, usd_per_hour, accelerator, gpu_count, inner, said_at)
        ledger.offer(offer, {shape: item})


def _chip(shape: str, inner: dict[str, object]) -> tuple[int, str] | tuple[str, str]:
    """GPU count and accelerator, or a reason and its detail: name, specs and description must agree."""
    specs = inner.get("specs")
    stated = specs.get("gpus") if is_object(specs) else None
    if is_zero(stated):
        return "no_accelerator", "specs.gpus is 0"
    match = _SHAPE.fullmatch(shape)
    accelerator = ALIASES.get(shape) or (ALIASES.get(match[2]) if match else None)
    if match is None or accelerator is None:
        return (
            "unknown_accelerator",
            f"described as {shown(inner.get('gpu_description') or inner.get('description'))}",
        )
    gpu_count = whole(stated, at_most=256)
    if gpu_count is None or gpu_count != int(match[1]):
        return "malformed_item", f"specs.gpus is {shown(stated)}, the name says {match[1]}"
    described = _DESCRIBED_GB.search(str(inner.get("gpu_description") or inner.get("description") or ""))
    if described and not memory_fits(accelerator, Decimal(described[1])):
        return "memory_mismatch", f"described with {described[1]} GB, not that of {accelerator}"
    return gpu_count, accelerator


def _offer(
    shape: str,
    region: str,
    stocked: bool,
    usd_per_hour: Decimal,
    accelerator: str,
    gpu_count: int,
    inner: dict[str, object],
    said_at: datetime,
) -> Offer:
    specs = inner.get("specs")
    specs = specs if is_object(specs) else {}
    vcpus = whole(specs.get("vcpus"), at_most=10_000)
    memory = quantity(specs.get("memory_gib"), at_most=1_000_000)
    flags = {"uniform_price_all_regions"} | (
        {"vcpu_memory_unknown"} if vcpus is None or memory is None else set()
    )
    is_in = "named" if stocked else "not named"
    return Offer(
        provider=NAME,
        region=region,
        zone=None,
        instance_type=shape,
        market=Market.ON_DEMAND,
        usd_per_hour=usd_per_hour,
        accelerator=accelerator,
        accelerators=Decimal(gpu_count),
        vcpus=vcpus,
        memory_gib=None if memory is None else float(memory),
        availability=Availability.AVAILABLE if stocked else Availability.UNAVAILABLE,
        availability_basis=f"Lambda's regions_with_capacity_available, {said_at:%Y-%m-%d %H:%M}Z: {is_in}",
        price_basis="list",
        collected_at=said_at,
        source="cloud.lambdalabs.com/api/v1/instance-types",
        licence=None,
        interruption=None,
        flags=tuple(sorted(flags)),
    )
