"""gpuhunt: the long tail of providers, as the catalogue the dstack project publishes and its package reads.

The package reads the rows. The files are fetched by our own session, since the package's way has neither a
time-out nor a bound. Its nine *online* marketplaces (Vultr, DigitalOcean and others) are not asked:
five need keys of their own, and the package asks them at addresses that cannot be redirected. Providers with
an adapter here are left out unless named.

Environment: ``ADVISOR_GPUHUNT_URL``, ``ADVISOR_GPUHUNT_PROVIDERS`` (gpuhunt's names, separated by commas).
"""

from __future__ import annotations

import csv
import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from advisor.domain import Availability, Market, Offer
from advisor.errors import InputFileError, PayloadError, ProviderError, Unavailable
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
from providers._gpuhunt_chips import Unclear, accelerator
from providers._http import Endpoint
from providers._payload import name, price, shown, whole
from providers._settings import base_url, http_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME: Final = "gpuhunt"
CATALOG_URL: Final = "https://dstack-gpu-pricing.s3.eu-west-1.amazonaws.com/v3"
IN_CATALOG: Final = ("aws", "azure", "cloudrift", "gcp", "lambdalabs", "nebius", "oci", "runpod", "verda")
NATIVE: Final = frozenset({"aws", "azure", "gcp", "lambdalabs", "runpod"})
"""Providers with an adapter of their own here. It wins where both speak."""
OUR_NAMES: Final = {"lambdalabs": "lambda"}
USD_UNCERTAIN: Final = {
    "scaleway": "Scaleway's prices are in EUR, unmarked",
    "seeweb": "gpuhunt passes Seeweb's price on as it is, and no currency is stated",
}
"""gpuhunt's prices are dollars an hour by definition; here nothing says that they were converted (W24)."""
MOST_BYTES: Final = 256 * 2**20
"""Of one provider's unpacked list: our bound, against archives that unpack without end."""
MOST_ROWS: Final = 500_000

_FLAGGED: Final = {
    # gpuhunt's flags of what is no ordinary instance
    "gcp-dws-calendar-mode": ("reservation_term", "sold by calendar reservation only"),
    "gcp-g4-preview": ("other_product", "a preview"),
    "runpod-cluster": ("other_product", "a cluster of several machines"),
}
_VERSION: Final = re.compile(r"(20\d{6})-[0-9A-Za-z]{1,20}")
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    ValueError,
)
_ROW_ERRORS: Final = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class _List:
    """One provider's list: whose, which version, and when that was collected."""

    provider: str  #: as gpuhunt calls it
    version: str
    said_at: datetime

    @property
    def ours(self) -> str:
        return OUR_NAMES.get(self.provider, self.provider)


class GpuHunt:
    """Prices of providers without an adapter of their own here. Needs no credentials."""

    name: ClassVar[str] = NAME
    permissions: ClassVar[str] = (
        "gpuhunt: none. The catalogue of the dstack project is public; no key is read or sent.\n"
        "It brings Verda, Nebius, OCI and CloudRift; ADVISOR_GPUHUNT_PROVIDERS names others."
    )

    def __init__(self, fetch: Fetch, providers: tuple[str, ...] = ()) -> None:
        self._fetch = fetch
        self._providers = providers or tuple(sorted(set(IN_CATALOG) - NATIVE))

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """An adapter on the public catalogue, or where ``ADVISOR_GPUHUNT_URL`` says.

        Raises:
            InputFileError: ``ADVISOR_GPUHUNT_PROVIDERS`` names a provider that is not in the catalogue.
        """
        base = base_url(environ, "ADVISOR_GPUHUNT_URL", CATALOG_URL)
        endpoint = Endpoint(NAME, base, http_settings(environ))

        def fetch(operation: str, **args: object) -> Answer:
            end = "version" if operation == "version" else f"{args['version']}/catalog.zip"
            return endpoint.file(f"{operation} of {args['provider']}", f"/{args['provider']}/{end}")

        return cls(fetch, _chosen(environ))

    def collect(self, scope: Scope, now: datetime) -> Collected:
        """All providers chosen, one after the other.

        Raises:
            ProviderError: nothing at all could be read.
        """
        tell = reporter()
        tell(of=len(self._providers))
        readings: list[Reading] = []
        answers: list[Answer] = []
        failed = Ledger(NAME)
        errors: list[ProviderError] = []
        for provider in self._providers:
            try:
                reading = self._read(provider, scope, now, answers)
            except ProviderError as error:
                if isinstance(error, Unavailable) and not readings:
                    raise  # one server holds all lists
                errors.append(error)
                failed.reject("fetch_failed", f"catalog of {provider}", str(error))
                tell(regions=1)
                continue
            readings.append(reading)
            tell(regions=1, rows=len(reading.offers))
        if errors and not readings:
            raise errors[0]
        unseen = [
            Unseen(Aspect.AVAILABILITY, None, "gpuhunt's catalogue states prices, not stock"),
            Unseen(Aspect.QUOTA, None, "gpuhunt's catalogue states no quota"),
        ]
        if not any(reading.offers or reading.rejections for reading in readings):
            unseen.append(Unseen(Aspect.PRICE, None, "gpuhunt's catalogue is empty"))
        regions = {priced.offer.region for reading in readings for priced in reading.offers}
        return collected(
            NAME, [*readings, failed.reading()], answers=answers, now=now, unseen=unseen, regions_done=regions
        )

    def _read(self, provider: str, scope: Scope, now: datetime, answers: list[Answer]) -> Reading:
        told = self._fetch("version", provider=provider)
        version, at = version_of(provider, told.payload, now)
        packed = self._fetch("catalog", provider=provider, version=version)
        said_at = min(at, told.said_at(now), packed.said_at(now))
        reading = parse_catalog(_List(provider, version, said_at), packed.payload, scope)
        answers += [told, packed]
        return reading


def _chosen(environ: Mapping[str, str]) -> tuple[str, ...]:
    variable = "ADVISOR_GPUHUNT_PROVIDERS"
    given = environ.get(variable, "")
    chosen = tuple(dict.fromkeys(word.strip().casefold() for word in given.split(",") if word.strip()))
    for word in chosen:
        if word not in IN_CATALOG:
            raise InputFileError("environment", variable, word, f"any of {', '.join(IN_CATALOG)}")
    return chosen


def version_of(provider: str, payload: object, now: datetime) -> tuple[str, datetime]:
    """The version in force, and the start of the day on which it was collected.

    Raises:
        PayloadError: it is not ``YYYYMMDD-RUN``, or of a day to come.
    """
    stated = payload.decode("latin-1").strip() if isinstance(payload, bytes) else ""
    form = _VERSION.fullmatch(stated)
    try:
        at = datetime.strptime(form[1], "%Y%m%d").replace(tzinfo=UTC) if form else None
    except ValueError:
        at = None
    if form is None or at is None or at > now:
        said = f"{shown(stated)} is not whole: 20261121-812 would be, of a day gone by"
        raise PayloadError(f"{NAME}: version of {provider}: {said}")
    return form[0], at


def parse_catalog(of: _List, payload: object, scope: Scope) -> Reading:
    """What one provider's list says: every row is an offer or a rejection; rows without a GPU are counted.

    Raises:
        PayloadError: it is no archive with that provider's list.
    """
    ledger = Ledger(NAME)
    without = 0
    prices: dict[tuple[str, str, Market], dict[Decimal, int]] = {}
    for row in _rows(of.provider, payload):
        if row.get("gpu_count") == "0":
            without += 1
            continue
        offer = _offer(ledger, of, row)
        if offer is None or not (
            scope.covers_region(of.ours, offer.region) and scope.covers_market(offer.market)
        ):
            continue
        seen = prices.setdefault((offer.accelerator, offer.zone or offer.region, offer.market), {})
        count = seen.setdefault(offer.usd_per_hour, int(offer.accelerators))
        if count != offer.accelerators:  # W3
            detail = f"${offer.usd_per_hour} for {offer.accelerators} GPUs and for {count}: is it per GPU?"
            ledger.reject("price_conflict", offer.id, detail, offer.region, offer.market)
            continue
        ledger.offer(offer, {"provider": of.provider, "version": of.version, **row})
    if without:
        ledger.reject("no_accelerator", f"{of.provider}: machines without GPU", f"{without} rows")
    return ledger.reading()


def _rows(provider: str, payload: object) -> Iterator[dict[str, Any]]:
    where = f"{NAME}: catalog of {provider}"
    try:
        text = _unpacked(provider, payload if isinstance(payload, bytes) else b"").decode("utf-8")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        if not {"instance_name", "location", "price", "gpu_count", "spot"} <= set(rows.fieldnames or ()):
            raise ValueError("not the documented columns")
        for number, row in enumerate(rows):
            if number >= MOST_ROWS:
                raise ValueError(f"more than {MOST_ROWS} rows")
            yield {str(column): value for column, value in row.items()}
    except (*_UNREADABLE, csv.Error) as error:
        raise PayloadError(f"{where}: the archive is not whole ({type(error).__name__})") from None


def _unpacked(provider: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if archive.getinfo(f"{provider}.csv").compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("packed in an unusual way")
        with archive.open(f"{provider}.csv") as file:
            text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes unpacked")
    return text


def _offer(ledger: Ledger, of: _List, row: dict[str, Any]) -> Offer | None:
    """One row as an offer; otherwise a rejection is noted."""
    subject = f"{of.provider} {shown(row.get('instance_name'))} {shown(row.get('gpu_name'))}"
    usd_per_hour = price(_decimal(row.get("price")))
    if usd_per_hour is None:
        place = _place(of.provider, str(row.get("location")))[1]
        ledger.reject("price_missing", subject, f"price is {shown(row.get('price'))}", place)
        return None
    try:
        item = _item(of.provider, row)
    except _ROW_ERRORS as error:
        ledger.reject("malformed_item", subject, f"gpuhunt cannot read it ({type(error).__name__})")
        return None
    instance_type = name("_".join(item.instance_name.split()))
    zone, region = _place(of.provider, item.location)
    count = whole(item.gpu_count, at_most=1024)
    if instance_type is None or region is None or count is None:
        stated = f"{shown(item.instance_name)} in {shown(item.location)}"
        detail = f"{stated} with {shown(row.get('gpu_count'))} GPUs"
        ledger.reject("malformed_item", subject, detail)
        return None
    market = Market.SPOT if item.spot else Market.ON_DEMAND
    for flag in item.flags:
        if flag in _FLAGGED:
            ledger.reject(_FLAGGED[flag][0], subject, _FLAGGED[flag][1], region, market)
            return None
    if of.provider in USD_UNCERTAIN:
        ledger.reject("foreign_currency", subject, USD_UNCERTAIN[of.provider], region, market)
        return None
    try:
        chip = accelerator(
            of.provider, item.instance_name, item.gpu_name or "", _decimal(row.get("gpu_memory"))
        )
    except Unclear as unclear:
        ledger.reject(unclear.reason, subject, unclear.detail, region)
        return None
    memory_gib = item.memory if 0 < item.memory < 1e6 else None
    vcpus = whole(item.cpu, at_most=100_000)
    return Offer(
        provider=of.ours,
        region=region,
        zone=zone,
        instance_type=instance_type,
        market=market,
        usd_per_hour=usd_per_hour,
        accelerator=chip,
        accelerators=Decimal(count),
        vcpus=vcpus,
        memory_gib=memory_gib,
        availability=Availability.UNKNOWN,
        availability_basis=f"gpuhunt's catalogue {of.version} states prices, not stock",
        price_basis=_basis(item, market),
        collected_at=of.said_at,
        source=f"gpuhunt catalog v3 {of.provider}",
        licence=None,
        interruption=None,
        flags=("vcpu_memory_unknown",) if vcpus is None or memory_gib is None else (),
    )


def _item(provider: str, row: dict[str, Any]) -> Any:
    """The row as the package reads it.

    Raises:
        ProviderError: the package is not installed, or has changed.
    """
    try:
        # imports requests, 0.1 s: only when needed
        from gpuhunt._internal.storage import (  # type: ignore[import-untyped,unused-ignore]
            item_from_row,
        )
    except ImportError:
        raise Unavailable(f"{NAME}: the package gpuhunt is missing or too old; pip install gpuhunt") from None
    return item_from_row(row, provider=provider)


def _place(provider: str, location: str) -> tuple[str | None, str | None]:
    """Zone and region; gpuhunt has zones of Google Cloud only."""
    if provider == "gcp" and re.fullmatch(r"[a-z]+-[a-z]+\d+-[a-z]", location):
        return location, location[:-2]
    return None, name(location)


def _basis(item: Any, market: Market) -> str:
    if "oci-spot" in item.flags:
        return "half_of_list"  # gpuhunt computes it; Oracle documents 50 % less for preemptible capacity
    return "spot_price" if market is Market.SPOT else "list"


def _decimal(stated: object) -> Decimal | None:
    """The number as written, not as a float."""
    try:
        return Decimal(stated.strip()) if isinstance(stated, str) else None
    except ArithmeticError:
        return None
