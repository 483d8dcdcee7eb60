"""Google Cloud payloads for tests: SKUs as recorded with one thing changed, and the typical scenario's."""

from __future__ import annotations

import hashlib
from typing import Any

from replay_cloud import payload_of


def a_sku(description: str, usd: str = "1", **changed: Any) -> dict[str, Any]:
    """A SKU as recorded, with the given description, price and changed fields."""
    units, _, fraction = usd.partition(".")
    rate = {
        "startUsageAmount": 0,
        "unitPrice": {"currencyCode": "USD", "units": units, "nanos": int(fraction.ljust(9, "0"))},
    }
    group = next(
        (g for g, word in (("CPU", " Core"), ("RAM", " Ram"), ("LocalSSD", "SSD ")) if word in description),
        "GPU",
    )
    unit = {"RAM": "GiBy.h", "LocalSSD": "GiBy.mo"}.get(group, "h")
    item = {
        "skuId": hashlib.sha256(f"{description} {usd}".encode()).hexdigest()[:12],
        "description": description,
        "category": {"resourceFamily": "Compute", "resourceGroup": group, "usageType": "OnDemand"},
        "serviceRegions": ["us-central1"],
        "pricingInfo": [{"pricingExpression": {"usageUnit": unit, "tieredRates": [rate]}}],
    }
    return {**item, **changed}


def typical_skus() -> list[Any]:
    """Every SKU of the typical scenario."""
    files = ("skus.1.recorded.json", "skus.2.documented.json", "skus.3.synthetic.json")
    return [sku for file in files for sku in payload_of("gcp", "typical", file)["skus"]]


def typical(file: str) -> Any:
    """One payload of the typical scenario."""
    return payload_of("gcp", "typical", file)
