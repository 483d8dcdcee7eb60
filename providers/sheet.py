"""The user's own price sheet as a provider.

The sheet itself goes along: what others list is priced by it (``advisor.refresh.own_prices``). Rows that
state a region, an accelerator and their number are offers as well, for where nobody lists such a thing.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from advisor.domain import Availability, Offer
from advisor.errors import InputFileError, MissingCredentials, UnknownName
from advisor.provider import Answer, Aspect, Collected, Fetch, Ledger, Scope, Unseen, collected, reporter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from advisor.provider import Reading
    from advisor.sheet.prices import PriceSheet, SheetPrice

NAME: Final = "sheet"
VARIABLE: Final = "ADVISOR_SHEET"
ANY: Final = "*"  # advisor.sheet.prices.ANY, which would load pydantic for everybody


class Sheet:
    """Offers of a price sheet. Needs a file, no credentials; sends nothing."""

    name: ClassVar[str] = NAME
    permissions: ClassVar[str] = (
        f"sheet: none. It reads the CSV or YAML file that {VARIABLE} names, and sends nothing anywhere."
    )

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """An adapter on the file that ``ADVISOR_SHEET`` names.

        Raises:
            MissingCredentials: it names none.
        """
        path = environ.get(VARIABLE, "").strip()
        if not path:
            raise MissingCredentials(f"{NAME}: {VARIABLE} is not set; name a CSV or YAML price sheet there")
        return cls.from_path(Path(path))

    @classmethod
    def from_path(cls, path: Path) -> Self:
        """An adapter on one file, which is read when collecting."""

        def fetch(operation: str, **_: object) -> Answer:
            from advisor.sheet.read import sheet_text

            return Answer({"file": path.name, "text": sheet_text(path)})

        return cls(fetch)

    def collect(self, scope: Scope, now: datetime) -> Collected:
        """The offers of the sheet.

        Raises:
            InputFileError: the file or one of its fields is not what it must be; nothing of it is used.
        """
        answer = self._fetch("price_sheet")
        payload = answer.payload
        if not isinstance(payload, dict):
            raise InputFileError(VARIABLE, "", type(payload).__name__, "a file and its text")
        from advisor.sheet.read import parse_sheet

        sheet = parse_sheet(str(payload["file"]), str(payload["text"]))
        reading = own_offers(sheet, scope, answer.said_at(now))
        seen = {priced.offer.region for priced in reading.offers}
        reporter()(regions=len(seen), rows=len(sheet.prices))
        unseen = [
            Unseen(Aspect.AVAILABILITY, None, "a price sheet tells no stock"),
            Unseen(Aspect.QUOTA, None, "a price sheet tells no quota"),
        ]
        return collected(
            NAME, [reading], answers=[answer], now=now, unseen=unseen, regions_done=sorted(seen), sheet=sheet
        )


def own_offers(sheet: PriceSheet, scope: Scope, now: datetime) -> Reading:
    """Rows that stand on their own as offers; those not in force as rejections.

    Raises:
        InputFileError: a row names an accelerator nobody knows.
    """
    known = accelerator_ids()
    ledger = Ledger(NAME)
    for price in sheet.prices:
        _refuse_unknown_accelerator(sheet.file, price, known)
        if not scope.covers_market(price.market) or not _wanted(scope, price):
            continue
        offer = _offer(sheet.file, price, now)
        if not price.in_force(now):
            detail = f"valid from {price.valid_from or 'always'} until {price.valid_until or 'always'}"
            subject = f"{price.provider}:{price.instance_type} ({price.place})"
            region = None if price.region == ANY else price.region
            ledger.reject("not_in_force", subject, detail, region, price.market)
        elif offer is not None:
            ledger.offer(offer, price.evidence(sheet.file))
    return ledger.reading()


def _offer(file: str, price: SheetPrice, now: datetime) -> Offer | None:
    """What the row offers by itself; None where it does not say what and where."""
    usd_per_hour = price.instance_usd_per_hour(price.accelerators)
    if price.region == ANY or price.accelerator is None or price.accelerators is None or usd_per_hour is None:
        return None
    return Offer(
        provider=price.provider,
        region=price.region,
        zone=price.zone,
        instance_type=price.instance_type,
        market=price.market,
        usd_per_hour=usd_per_hour,
        accelerator=price.accelerator,
        accelerators=price.accelerators,
        vcpus=price.vcpus,
        memory_gib=None if price.memory_gib is None else float(price.memory_gib),
        availability=Availability.UNKNOWN,
        availability_basis="a price sheet tells no stock",
        price_basis="manual",
        collected_at=now,
        source=price.source or file,
        licence=None,
        interruption=None,
        flags=_flags(price),
    )


def _wanted(scope: Scope, price: SheetPrice) -> bool:
    return price.region == ANY or scope.covers_region(price.provider, price.region)


def _flags(price: SheetPrice) -> tuple[str, ...]:
    flags = {
        "fractional_gpu": price.accelerators is not None and price.accelerators < 1,
        "per_gpu_price": price.usd_per_accelerator_hour is not None,
        "vcpu_memory_unknown": price.vcpus is None or price.memory_gib is None,
    }
    return tuple(sorted(flag for flag, holds in flags.items() if holds))


@lru_cache(maxsize=1)
def accelerator_ids() -> frozenset[str]:
    """Ids of the accelerators the catalog knows."""
    facts = tomllib.loads((files("catalogs") / "accelerators.toml").read_text(encoding="utf-8"))
    return frozenset(chip["id"] for chip in facts["accelerator"])


def _refuse_unknown_accelerator(file: str, price: SheetPrice, known: frozenset[str]) -> None:
    if price.accelerator is not None and price.accelerator not in known:
        hint = str(UnknownName("accelerator", price.accelerator, known)).partition(": ")[2]
        allowed = f"an accelerator id of the catalog; {hint}"
        raise InputFileError(file, f"{price.place}, accelerator", price.accelerator, allowed)
