"""Fake clouds and offers for refresh tests: everything a test is not about has a default."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.catalog.gate.finding import Verdict
from advisor.catalog.held import Held, Kind
from advisor.catalog.snapshot import Snapshot
from advisor.domain import Availability, Market, Offer, QuotaLimit, SnapshotInfo
from advisor.provider import Answer, Collected, Ledger, Rejection, Scope, Unseen, collected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
LAST_WEEK = NOW - timedelta(days=7)


def an_offer(**given: Any) -> Offer:
    """One L4 on demand at acme's r1, collected last week."""
    fields: dict[str, Any] = {
        "provider": "acme",
        "region": "r1",
        "zone": None,
        "instance_type": "small",
        "market": Market.ON_DEMAND,
        "usd_per_hour": "1.00",
        "accelerator": "l4-24gb",
        "accelerators": 1,
        "vcpus": 8,
        "memory_gib": 32.0,
        "availability": Availability.AVAILABLE,
        "availability_basis": "acme",
        "price_basis": "list",
        "collected_at": LAST_WEEK,
        "source": "acme price list",
        "licence": None,
        "interruption": None,
    } | given
    fields["usd_per_hour"] = Decimal(fields["usd_per_hour"])
    fields["accelerators"] = Decimal(fields["accelerators"])
    return Offer(**fields)


def today(**given: Any) -> Offer:
    """The same, said now."""
    return an_offer(**({"collected_at": NOW} | given))


def a_snapshot(*offers: Offer, created_at: datetime = LAST_WEEK, held: Sequence[Held] = ()) -> Snapshot:
    """A snapshot that is nowhere on disk."""
    info = SnapshotInfo("2026-11-16-0123456789ab", "", len(offers), created_at, shipped=False)
    return Snapshot(info, offers, "last week's", held=tuple(held))


def missed_before(*offers: Offer) -> list[Held]:
    """That these rows did not come last week either."""
    return [
        Held("0" * 8, o.id, Kind.UNLISTED, "unlisted", "did not come", LAST_WEEK, LAST_WEEK) for o in offers
    ]


@dataclass
class FakeCloud:
    """An adapter around a ``fetch`` of its own: one answer per region, or the error it ends in."""

    cloud: str = "acme"
    fetch: Callable[[str], Iterable[Offer]] = lambda region: ()
    regions: Sequence[str] = ("r1",)
    rejections: Sequence[Rejection] = ()
    unseen: Sequence[Unseen] = ()
    quotas: Sequence[QuotaLimit] = ()
    asked: list[str] = field(default_factory=list)

    permissions = "acme: none"

    @property
    def name(self) -> str:
        return self.cloud

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> FakeCloud:
        return cls()

    def collect(self, scope: Scope, now: datetime) -> Collected:
        ledger = Ledger(self.cloud)
        done = []
        for region in self.regions:
            self.asked.append(region)
            for offer in self.fetch(region):
                ledger.offer(offer, {"sku": offer.id, "price": str(offer.usd_per_hour), "at": region})
            done.append(region)
        result = collected(
            self.cloud,
            [ledger.reading()],
            answers=[Answer(None, retries=2)],
            now=now,
            quotas=self.quotas,
            unseen=self.unseen,
            regions_done=done,
        )
        return Collected(
            provider=result.provider,
            offers=result.offers,
            quotas=result.quotas,
            rejections=(*result.rejections, *self.rejections),
            unseen=result.unseen,
            evidence=result.evidence,
            regions_done=result.regions_done,
            retries=result.retries,
        )


def saying(*offers: Offer, **more: Any) -> FakeCloud:
    """A cloud that answers with these rows, all regions of theirs answered."""
    cloud = more.pop("cloud", offers[0].provider if offers else "acme")
    regions = more.pop("regions", sorted({offer.region for offer in offers}) or ["r1"])
    return FakeCloud(cloud, lambda region: [o for o in offers if o.region == region], regions=regions, **more)


def failing(error: Exception, cloud: str = "acme") -> FakeCloud:
    """A cloud that ends in an error."""

    def fetch(region: str) -> Iterable[Offer]:
        raise error

    return FakeCloud(cloud, fetch)


def failed_region(region: str | None, market: Market | None = None, provider: str = "acme") -> Rejection:
    """What an adapter says of a region it could not read."""
    return Rejection(provider, region, market, f"list {region}", "fetch_failed", "HTTP 503")


def open_gate(
    offers: Sequence[Offer], previous: object, now: datetime, accept: object, gone: object
) -> Verdict:
    """A gate that lets everything through."""
    return Verdict(tuple(offers), (), (), ())


def install_fakecloud(folder: Path) -> Path:
    """A folder that, on the path, is an installed third party's adapter ``fakecloud``."""
    shutil.copy(Path(__file__).with_name("fakecloud.py"), folder)
    info = folder / "fakecloud-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fakecloud\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[advisor.providers]\nfakecloud = fakecloud:FakeCloud\n")
    return folder
