"""Quotas in cards: per region and project from Compute, per GPU family from Cloud Quotas.

Region quotas hold no on-demand pool for H100 and newer; reading only those would make it look like no limit.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import QuotaLimit, QuotaUnit
from advisor.errors import PayloadError
from advisor.provider import GLOBAL_REGION
from providers._payload import is_object, name, shown
from providers.gcp.shapes import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.provider import Ledger

FAMILY_QUOTA: Final = "GPUS-PER-GPU-FAMILY-per-project-region"
PROJECT_POOL: Final = "GPUS_ALL_REGIONS"
_REGION_POOL: Final = re.compile(r"(PREEMPTIBLE_)?NVIDIA_[A-Z0-9_]+_GPUS")
_UNLIMITED: Final = -1


def region_quotas(ledger: Ledger, payload: object) -> Iterator[QuotaLimit]:
    """GPU pools of every region, without those of virtual workstations.

    Raises:
        PayloadError: it is not a list of regions.
    """
    items = payload.get("items") if is_object(payload) else None
    if not isinstance(items, list):
        raise PayloadError(f"{NAME}: regions: not the documented answer (no items)")
    for item in items:
        region = name(item.get("name")) if is_object(item) else None
        if not is_object(item) or region is None:
            ledger.reject("malformed_item", "regions", f"a region without a name: {shown(item)}")
            continue
        for metric, entry in _entries(item.get("quotas")):
            if _REGION_POOL.fullmatch(metric) and "_VWS_" not in metric:
                yield from _limit(ledger, region, metric, entry)


def project_quotas(ledger: Ledger, payload: object) -> Iterator[QuotaLimit]:
    """The one pool over all regions.

    Raises:
        PayloadError: it is not a project.
    """
    if not is_object(payload):
        raise PayloadError(f"{NAME}: project: not the documented answer")
    for metric, entry in _entries(payload.get("quotas")):
        if metric == PROJECT_POOL:
            yield from _limit(ledger, GLOBAL_REGION, metric, entry)


def quota_page_of(payload: object) -> tuple[list[object], str]:
    """The quota infos of one page, and the token of the next ("" is none).

    Raises:
        PayloadError: it is not a page of quota infos.
    """
    token = payload.get("nextPageToken", "") if is_object(payload) else None
    infos = payload.get("quotaInfos", []) if is_object(payload) else None
    if not isinstance(token, str) or not isinstance(infos, list):
        raise PayloadError(f"{NAME}: quotaInfos: not the documented answer (no list of quotaInfos)")
    return infos, token


def family_quotas(ledger: Ledger, infos: list[object]) -> tuple[QuotaLimit, ...]:
    """On-demand cards per GPU family and region. Cloud Quotas states limits, not what is in use."""
    found: dict[tuple[str, str], tuple[bool, QuotaLimit]] = {}
    for info in infos:
        if not is_object(info) or info.get("quotaId") != FAMILY_QUOTA:
            continue
        dimensions_infos = info.get("dimensionsInfos", [])
        for entry in dimensions_infos if isinstance(dimensions_infos, list) else []:
            for own, limit in _family_limits(ledger, entry):
                known = found.get((limit.region, limit.pool))
                if known is None or own > known[0]:  # a region's own line stands above the general one
                    found[(limit.region, limit.pool)] = (own, limit)
    return tuple(limit for _, limit in found.values())


def _family_limits(ledger: Ledger, entry: object) -> Iterator[tuple[bool, QuotaLimit]]:
    dimensions = entry.get("dimensions") if is_object(entry) else None
    details = entry.get("details") if is_object(entry) else None
    if not is_object(entry) or not is_object(dimensions) or not is_object(details):
        return  # the line for families without one of their own
    family = name(dimensions.get("gpu_family"))
    if family is None:
        return
    own = dimensions.get("region")
    regions = entry.get("applicableLocations", []) if own is None else [own]
    stated = details.get("value")
    value = int(stated) if isinstance(stated, str) and re.fullmatch(r"-?[0-9]{1,12}", stated) else stated
    for region in regions if isinstance(regions, list) else []:
        if name(region) is not None:
            for limit in _limit(
                ledger, str(region), f"{FAMILY_QUOTA}:{family}", {"limit": value, "usage": 0}
            ):
                yield own is not None, limit


def _entries(quotas: object) -> Iterator[tuple[str, dict[str, object]]]:
    for entry in quotas if isinstance(quotas, list) else []:
        metric = entry.get("metric") if is_object(entry) else None
        if is_object(entry) and isinstance(metric, str):
            yield metric, entry


def _limit(ledger: Ledger, region: str, pool: str, entry: dict[str, object]) -> Iterator[QuotaLimit]:
    limit, used = _cards(entry.get("limit")), _cards(entry.get("usage", 0))
    if limit == _UNLIMITED:
        ledger.reject("other", f"quota {pool}", "Google states no limit (-1)", region)
    elif limit is None or used is None or limit < 0 or used < 0:
        detail = f"limit {shown(entry.get('limit'))}, usage {shown(entry.get('usage'))}"
        ledger.reject("malformed_item", f"quota {pool}", detail, region)
    else:
        yield QuotaLimit(NAME, region, pool, QuotaUnit.GPU, limit, used)


def _cards(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    amount = Decimal(value)
    if not amount.is_finite() or abs(amount) >= 10**15:
        return None
    return amount.to_integral_value() if amount == amount.to_integral_value() else amount
