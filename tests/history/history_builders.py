"""Builders for tests of prices over time."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from advisor.catalog.snapshot import Snapshot
from advisor.catalog.snapshot_writing import write_snapshot
from advisor.domain import Availability, Market, Offer, SnapshotInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def a_day(text: str) -> datetime:
    """Midnight UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def an_offer(usd_per_hour: str = "1", day: str = "2026-11-01", **given: Any) -> Offer:
    """One L4 in aws us-east-1, on demand."""
    fields: dict[str, Any] = {
        "provider": "aws",
        "region": "us-east-1",
        "zone": None,
        "instance_type": "g6.xlarge",
        "market": Market.ON_DEMAND,
        "usd_per_hour": Decimal(usd_per_hour),
        "accelerator": "l4-24gb",
        "accelerators": Decimal(1),
        "vcpus": 4,
        "memory_gib": 16.0,
        "availability": Availability.AVAILABLE,
        "availability_basis": "test",
        "price_basis": "list",
        "collected_at": a_day(day),
        "source": "price list",
        "licence": None,
        "interruption": None,
    } | given
    return Offer(**fields)


def a_snapshot(offers: Sequence[Offer], day: str = "2026-11-01") -> Snapshot:
    """A snapshot that was never a file."""
    info = SnapshotInfo(f"{day}-000000000000", "", len(offers), a_day(day), False)
    return Snapshot(info, tuple(offers), "test")


def publish(folder: Path, day: str, *offers: Offer) -> Path:
    """A snapshot file made that day."""
    return write_snapshot(offers, folder, a_day(day), "test")
