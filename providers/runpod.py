"""RunPod: list prices per GPU of the secure and the community cloud, with live stock for 1, 2, 4 and 8 GPUs.

One GraphQL question per GPU count and cloud. ``securePrice`` and its kin are per GPU, ``lowestPrice`` is for
the whole count (W3): recorded mid 2026, 8 x A100 SXM is 11.12 = 8 x communityPrice 1.39. The answer states
one price for all data centres, so every row stands in ``global``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final, Self

from advisor.domain import Availability, Market, Offer
from advisor.errors import PayloadError, ProviderError
from advisor.provider import (
    GLOBAL_REGION,
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
from providers._payload import is_object, memory_fits, price, quantity, shown, text, whole
from providers._settings import base_url, credential, http_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NAME: Final = "runpod"
GPU_COUNTS: Final = (1, 2, 4, 8)

ALIASES: Final[dict[str, tuple[str, str]]] = {
    # RunPod's gpuTypes.id: (our accelerator, its name within our instance type)
    "AMD Instinct MI300X OAM": ("mi300x-192gb", "mi300x"),
    "NVIDIA A100 80GB PCIe": ("a100-pcie-80gb", "a100_pcie_80gb"),
    "NVIDIA A100-SXM4-40GB": ("a100-sxm-40gb", "a100_sxm_40gb"),
    "NVIDIA A100-SXM4-80GB": ("a100-sxm-80gb", "a100_sxm_80gb"),
    "NVIDIA A30": ("a30-24gb", "a30"),
    "NVIDIA A40": ("a40-48gb", "a40"),
    "NVIDIA B200": ("b200-sxm-180gb", "b200"),
    "NVIDIA B300 SXM6 AC": ("b300-sxm-288gb", "b300"),
    "NVIDIA GeForce RTX 3090": ("rtx-3090-24gb", "rtx_3090"),
    "NVIDIA GeForce RTX 4090": ("rtx-4090-24gb", "rtx_4090"),
    "NVIDIA GeForce RTX 5090": ("rtx-5090-32gb", "rtx_5090"),
    "NVIDIA H100 80GB HBM3": ("h100-sxm-80gb", "h100_sxm"),
    "NVIDIA H100 NVL": ("h100-nvl-94gb", "h100_nvl"),
    "NVIDIA H100 PCIe": ("h100-pcie-80gb", "h100_pcie"),
    "NVIDIA H200": ("h200-sxm-141gb", "h200"),
    "NVIDIA H200 NVL": ("h200-nvl-141gb", "h200_nvl"),
    "NVIDIA L4": ("l4-24gb", "l4"),
    "NVIDIA L40": ("l40-48gb", "l40"),
    "NVIDIA L40S": ("l40s-48gb", "l40s"),
    "NVIDIA RTX 6000 Ada Generation": ("rtx-6000-ada-48gb", "rtx_6000_ada"),
    "NVIDIA RTX A6000": ("rtx-a6000-48gb", "rtx_a6000"),
    "NVIDIA RTX PRO 4500 Blackwell": ("rtx-pro-4500-32gb", "rtx_pro_4500"),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": ("rtx-pro-6000-96gb", "rtx_pro_6000"),
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": ("rtx-pro-6000-96gb", "rtx_pro_6000_workstation"),
    "Tesla V100-PCIE-16GB": ("v100-pcie-16gb", "v100_pcie_16gb"),
    "Tesla V100-SXM2-16GB": ("v100-sxm-16gb", "v100_sxm_16gb"),
    "Tesla V100-SXM2-32GB": ("v100-sxm-32gb", "v100_sxm_32gb"),
}
"""Left out on purpose: Max-Q (half the power, same name), MIG slices, chips without a canonical id."""

_STOCK: Final = {
    "high": Availability.AVAILABLE,
    "medium": Availability.AVAILABLE,
    "low": Availability.CONSTRAINED,
    "none": Availability.UNAVAILABLE,
}
_PRICE_AGREES: Final = Decimal("0.01")

QUERY: Final = """query GpuTypes($lowestPriceInput: GpuLowestPriceInput) {
  gpuTypes {
    id displayName memoryInGb secureCloud communityCloud
    securePrice communityPrice secureSpotPrice communitySpotPrice
    maxGpuCountSecureCloud maxGpuCountCommunityCloud
    lowestPrice(input: $lowestPriceInput) { minimumBidPrice uninterruptablePrice stockStatus }
  }
}"""


@dataclass(frozen=True, slots=True)
class _Cloud:
    """One of RunPod's two clouds, and its fields in the answer."""

    name: str
    secure: bool
    sold: str
    price_fields: Mapping[Market, str]
    most: str
    flag: str


CLOUDS: Final = (
    _Cloud(
        "secure",
        True,
        "secureCloud",
        {Market.ON_DEMAND: "securePrice", Market.SPOT: "secureSpotPrice"},
        "maxGpuCountSecureCloud",
        "secure_cloud",
    ),
    _Cloud(
        "community",
        False,
        "communityCloud",
        {Market.ON_DEMAND: "communityPrice", Market.SPOT: "communitySpotPrice"},
        "maxGpuCountCommunityCloud",
        "community_cloud",
    ),
)


class RunPod:
    """Prices and live stock of RunPod. Needs no credentials."""

    name: ClassVar[str] = NAME
    permissions: ClassVar[str] = (
        "RunPod: none. Prices and stock are public. RUNPOD_API_KEY is sent where it is set;"
        " a key restricted to reading is enough."
    )

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """An adapter on RunPod's GraphQL API, or where ``ADVISOR_RUNPOD_URL`` says."""
        base = base_url(environ, "ADVISOR_RUNPOD_URL", "https://api.runpod.io")
        key = credential(environ, "RUNPOD_API_KEY")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        endpoint = Endpoint(NAME, base, http_settings(environ), headers)

        def fetch(operation: str, **args: object) -> Answer:
            wanted = {"gpuCount": args["gpu_count"], "secureCloud": args["secure"]}
            body = {"query": QUERY, "variables": {"lowestPriceInput": wanted}}
            return endpoint.post(operation, "/graphql", body)

        return cls(fetch)

    def collect(self, scope: Scope, now: datetime) -> Collected:
        """All GPU types in both clouds, for every GPU count asked for.

        Raises:
            ProviderError: not one answer could be read.
        """
        readings: list[Reading] = []
        answers: list[Answer] = []
        failed = Ledger(NAME)
        tell = reporter()
        for cloud in CLOUDS:
            for gpu_count in GPU_COUNTS:
                try:
                    answer = self._fetch("gpuTypes", gpu_count=gpu_count, secure=cloud.secure)
                    readings.append(
                        parse_gpu_types(answer.payload, cloud, gpu_count, scope, answer.said_at(now))
                    )
                except ProviderError as error:
                    if not answers:
                        raise
                    failed.reject(
                        "fetch_failed", f"gpuTypes {gpu_count} x {cloud.name}", str(error), GLOBAL_REGION
                    )
                else:
                    answers.append(answer)
                    tell(rows=len(readings[-1].offers), retries=answer.retries)
        tell(regions=1)
        unseen = [Unseen(Aspect.QUOTA, None, "RunPod publishes no quota")]
        if not any(reading.offers or reading.rejections for reading in readings):
            unseen.append(Unseen(Aspect.PRICE, None, "RunPod answered with an empty list"))
        return collected(
            NAME,
            [*readings, failed.reading()],
            answers=answers,
            now=now,
            unseen=unseen,
            regions_done=[GLOBAL_REGION],
        )


def parse_gpu_types(
    payload: object, cloud: _Cloud, gpu_count: int, scope: Scope, said_at: datetime
) -> Reading:
    """What one answer says of instances with ``gpu_count`` GPUs in one cloud.

    Raises:
        PayloadError: it holds no list of GPU types.
    """
    ledger = Ledger(NAME)
    for item in _gpu_types(payload):
        _read_gpu_type(ledger, item, cloud, gpu_count, scope, said_at)
    return ledger.reading()


def _gpu_types(payload: object) -> list[object]:
    data = payload.get("data") if is_object(payload) else None
    types = data.get("gpuTypes") if is_object(data) else None
    if isinstance(types, list):
        return types
    errors = payload.get("errors") if is_object(payload) else None
    why = f"errors: {shown(errors)}" if errors else "no data.gpuTypes"
    raise PayloadError(f"{NAME}: gpuTypes: not the documented answer ({why})")


def _read_gpu_type(
    ledger: Ledger, item: object, cloud: _Cloud, gpu_count: int, scope: Scope, said_at: datetime
) -> None:
    identity = text(item.get("id")) if is_object(item) else None
    if identity is None or not is_object(item):
        ledger.reject("malformed_item", "gpuTypes", f"an item without an id: {shown(item)}", GLOBAL_REGION)
        return
    if identity not in ALIASES:
        ledger.reject(
            "unknown_accelerator", identity, f"named {shown(item.get('displayName'))}", GLOBAL_REGION
        )
        return
    problem = _unsold(item, ALIASES[identity][0], cloud, gpu_count)
    if problem is not None:
        ledger.reject(problem[0], f"{identity} ({cloud.name} cloud)", problem[1], GLOBAL_REGION)
        return
    for market, field in cloud.price_fields.items():
        if scope.covers_market(market):
            _read_price(ledger, item, identity, cloud, gpu_count, market, field, said_at)


def _unsold(
    item: dict[str, object], accelerator: str, cloud: _Cloud, gpu_count: int
) -> tuple[str, str] | None:
    """Why the cloud has no such instance, else None."""
    sold = item.get(cloud.sold)
    if not isinstance(sold, bool):
        return "malformed_item", f"{cloud.sold} is {shown(sold)}, not true or false"
    if not sold:
        return "not_sold_this_way", f"{cloud.sold} is false"
    stated = item.get("memoryInGb")
    memory = quantity(stated, at_most=100_000)
    if stated is not None and (memory is None or not memory_fits(accelerator, memory)):
        return "memory_mismatch", f"memoryInGb is {shown(stated)}, not that of {accelerator}"
    most = whole(item.get(cloud.most), at_most=1024)
    if most is not None and gpu_count > most:
        return "not_sold_this_way", f"{cloud.most} is {most}"
    return None


def _read_price(
    ledger: Ledger,
    item: dict[str, object],
    identity: str,
    cloud: _Cloud,
    gpu_count: int,
    market: Market,
    field: str,
    said_at: datetime,
) -> None:
    subject = f"{identity} ({cloud.name} cloud)"
    usd_per_hour = price(item.get(field), times=gpu_count)
    if usd_per_hour is None:
        ledger.reject("price_missing", subject, f"{field} is {shown(item.get(field))}", GLOBAL_REGION, market)
        return
    live = _live_price(item, market)
    if live is not None and live > usd_per_hour * (1 + _PRICE_AGREES):
        detail = f"{gpu_count} x {field} is ${usd_per_hour}, the live price for {gpu_count} is ${live}"
        ledger.reject("price_conflict", subject, detail, GLOBAL_REGION, market)
        return
    accelerator, short = ALIASES[identity]
    availability, basis = _availability(item.get("lowestPrice"), live, usd_per_hour, gpu_count, said_at)
    offer = Offer(
        provider=NAME,
        region=GLOBAL_REGION,
        zone=None,
        instance_type=f"{cloud.name}_{gpu_count}x_{short}",
        market=market,
        usd_per_hour=usd_per_hour,
        accelerator=accelerator,
        accelerators=Decimal(gpu_count),
        vcpus=None,
        memory_gib=None,
        availability=availability,
        availability_basis=basis,
        price_basis="list_per_gpu_times_count",
        collected_at=said_at,
        source="api.runpod.io/graphql gpuTypes",
        licence=None,
        interruption=None,
        flags=tuple(sorted((cloud.flag, "per_gpu_price", "vcpu_memory_unknown"))),
    )
    ledger.offer(offer, item)


def _live_price(item: dict[str, object], market: Market) -> Decimal | None:
    """The price at which the whole count can be had now, None where there is none."""
    lowest = item.get("lowestPrice")
    field = "uninterruptablePrice" if market is Market.ON_DEMAND else "minimumBidPrice"
    return price(lowest.get(field)) if is_object(lowest) else None


def _availability(
    lowest: object, live: Decimal | None, usd_per_hour: Decimal, gpu_count: int, said_at: datetime
) -> tuple[Availability, str]:
    """Stock of the whole count, and who says so; stock stated at another price says nothing of this offer."""
    asked = f"RunPod's lowestPrice for {gpu_count} GPUs, {said_at:%Y-%m-%d %H:%M}Z"
    if not is_object(lowest):
        return Availability.UNKNOWN, f"{asked}: not stated"
    stock = lowest.get("stockStatus")
    if live is None:
        if stock is None and lowest.get("uninterruptablePrice") is None and "stockStatus" in lowest:
            return Availability.UNAVAILABLE, f"{asked}: no price and no stock"
        return Availability.UNKNOWN, f"{asked}: stock {shown(stock)} without a price"
    if live < usd_per_hour * (1 - _PRICE_AGREES):
        return Availability.UNKNOWN, f"{asked}: stock {shown(stock)} is for another offer, at ${live}"
    known = _STOCK.get(stock.casefold()) if isinstance(stock, str) else None
    return known or Availability.UNKNOWN, f"{asked}: stock {shown(stock)}"
