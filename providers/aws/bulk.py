"""The public price list files: hundreds of MB of CSV per region, read as a stream.

Nothing but the lines that can matter is parsed: testing the raw line first is five times as fast as parsing
all of them. What a region's version says never changes, so the few lines kept are stored under that version.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from advisor.errors import AccessDenied, PayloadError, ProviderError, Unavailable
from advisor.provider import Answer
from providers._http import Endpoint, decoded, unreached
from providers._payload import is_object, name, shown
from providers.aws.hardware import FAMILIES, NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from advisor.provider import Ledger
    from providers._settings import HttpSettings

INDEX_PATH: Final = "/offers/v1.0/aws/AmazonEC2/current/region_index.json"
MOST_BYTES: Final = 2 * 2**30
"""Of one region's file; us-east-1 had 303 MB in July 2026."""
MOST_ROWS: Final = 50_000
CHUNK_BYTES: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 20
_LONGEST_PREAMBLE: Final = 50
_VERSIONED: Final = re.compile(r"/offers/v1\.0/aws/AmazonEC2/([0-9]{14})/([a-z0-9-]{3,40})/index\.json")
_VERSION_NAME: Final = re.compile(r"[a-z0-9-]+-[0-9]{14}\.json")
_NEEDED: Final = (
    "TermType",
    "Unit",
    "PricePerUnit",
    "Currency",
    "Instance Type",
    "vCPU",
    "Memory",
    "GPU",
    "Tenancy",
    "Operating System",
    "License Model",
    "CapacityStatus",
    "Pre Installed S/W",
    "MarketOption",
    "Region Code",
)


@dataclass(frozen=True, slots=True)
class RegionFile:
    """Where the list of one region lies."""

    region: str
    version: str
    path: str


def parse_region_index(payload: object, ledger: Ledger) -> list[RegionFile]:
    """Every region the price list knows, Local Zones with a list of their own included.

    Raises:
        PayloadError: no index of regions.
    """
    regions = payload.get("regions") if is_object(payload) else None
    if not is_object(regions):
        raise PayloadError(f"{NAME}: bulk price list: not the documented index (no regions)")
    files = []
    for region, entry in sorted(regions.items()):
        stated = entry.get("currentVersionUrl") if is_object(entry) else None
        form = _VERSIONED.fullmatch(stated) if isinstance(stated, str) else None
        if form is None or form[2] != region or name(region) is None:
            ledger.reject("malformed_item", shown(region), f"currentVersionUrl is {shown(stated)}")
            continue
        files.append(RegionFile(region, form[1], form[0].removesuffix("json") + "csv"))
    return files


class BulkFiles:
    """Reaches the public files; the index through the cached session, the data around it."""

    def __init__(self, base: str, settings: HttpSettings, most_bytes: int = MOST_BYTES) -> None:
        self._endpoint = Endpoint(NAME, base, settings)
        self._base = base
        self._settings = settings
        self._most_bytes = most_bytes

    def index(self) -> Answer:
        """The index of regions."""
        return self._endpoint.get("bulk index", INDEX_PATH)

    def offers(self, file: RegionFile) -> Answer:
        """Rows of a region's file that may be on-demand Linux with an accelerator.

        Raises:
            ProviderError: it could not be had whole, even on a second attempt.
        """
        kept = self._kept(file)
        if kept is not None:
            return Answer(kept)
        for attempt in range(2 if self._settings.retries else 1):
            try:
                rows = self._streamed(file)
            except Unavailable:
                raise  # the session has retried it already
            except PayloadError:
                if attempt or not self._settings.retries:
                    raise
                continue
            self._keep(file, rows)
            return Answer({"rows": rows}, retries=attempt)
        raise AssertionError("unreachable")

    def _streamed(self, file: RegionFile) -> list[dict[str, str]]:
        import requests
        from requests.adapters import HTTPAdapter

        from providers._session import RETRIED_STATUSES, PatientRetry

        where = f"{NAME}: bulk price list of {file.region}"
        retry = PatientRetry(
            total=self._settings.retries,
            status_forcelist=RETRIED_STATUSES,
            backoff_factor=self._settings.backoff_s,
            backoff_jitter=self._settings.backoff_s,
            raise_on_status=False,
        )
        with requests.Session() as session:
            session.mount(self._base, HTTPAdapter(max_retries=retry))
            session.auth = _as_prepared
            session.headers["User-Agent"] = "llm-fleet-advisor"
            if self._base.startswith("http:"):
                session.proxies = {"no_proxy": "127.0.0.1,::1"}
            try:
                with session.get(
                    self._base + file.path,
                    stream=True,
                    timeout=self._settings.timeout_s,
                    allow_redirects=False,
                ) as response:
                    return _rows_of(where, response, self._most_bytes)
            except requests.exceptions.SSLError:
                raise Unavailable(f"{where}: the server's certificate could not be verified") from None
            except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
                raise PayloadError(f"{where}: the file broke off before its end") from None
            except (requests.ConnectionError, requests.Timeout) as error:
                host = urlsplit(self._base).hostname or ""
                why = unreached(error, host, self._settings.timeout_s)
                raise Unavailable(f"{where}: {why}; try again later") from None
            except requests.RequestException as error:
                raise Unavailable(f"{where}: the request failed ({type(error).__name__})") from None

    def _cache_file(self, file: RegionFile) -> Path:
        return self._settings.cache_path.parent / "aws-bulk" / f"{file.region}-{file.version}.json"

    def _kept(self, file: RegionFile) -> dict[str, object] | None:
        if self._settings.cache_s <= 0:
            return None
        try:
            payload = decoded(NAME, self._cache_file(file).read_bytes())
        except (OSError, ProviderError):
            return None
        rows = payload.get("rows") if is_object(payload) else None
        whole = isinstance(rows, list) and is_object(payload) and payload.get("base") == self._base
        return {"rows": rows} if whole else None

    def _keep(self, file: RegionFile, rows: list[dict[str, str]]) -> None:
        """Store the lines under their version; a full disk costs the cache, not the answer."""
        if self._settings.cache_s <= 0:
            return
        path = self._cache_file(file)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as stream:
                json.dump({"base": self._base, "rows": rows}, stream)
            part.replace(path)
            for older in path.parent.glob(f"{file.region}-[0-9]*.json"):
                if older.name < path.name and _VERSION_NAME.fullmatch(older.name):
                    older.unlink(missing_ok=True)
        except OSError:
            part.unlink(missing_ok=True)


def _as_prepared(request: Any) -> Any:
    """Authentication that changes nothing: with none at all, requests would look into ~/.netrc."""
    return request


def _rows_of(where: str, response: Any, most_bytes: int) -> list[dict[str, str]]:
    status = response.status_code
    if status in (408, 425, 429) or status >= 500:
        raise Unavailable(f"{where}: HTTP {status} after all retries; try again later")
    if status in (401, 403):
        raise AccessDenied(
            f"{where}: access denied (HTTP {status}); it is public, so a proxy or mirror may be in the way:"
            " `advisor refresh --explain-permissions`"
        )
    if status != 200:
        raise PayloadError(f"{where}: HTTP {status} where 200 was expected")
    rows = list(matching_rows(where, response.iter_content(CHUNK_BYTES), most_bytes))
    stated = str(response.headers.get("Content-Length") or "")
    if stated.isdigit() and int(stated) != response.raw.tell():
        raise PayloadError(f"{where}: {response.raw.tell()} of {stated} bytes came; the region is left out")
    return rows


def matching_rows(where: str, chunks: Iterable[bytes], most_bytes: int) -> Iterator[dict[str, str]]:
    """The rows that may be on-demand Linux with an accelerator, of a whole file only.

    Raises:
        PayloadError: no such file, cut off, or longer than is believed. Rows seen before do not count then.
    """
    lines = _candidate_lines(where, chunks, most_bytes)
    header = next(lines)
    missing = [column for column in _NEEDED if column not in header]
    if missing:
        raise PayloadError(f"{where}: no column {missing[0]}; the file's format may have changed")
    at = {column: header.index(column) for column in ("TermType", "GPU", "Instance Type")}
    count = 0
    for values in lines:
        if len(values) != len(header):
            raise PayloadError(f"{where}: a row of {len(values)} fields under a header of {len(header)}")
        if values[at["TermType"]] != "OnDemand" or not _accelerated(values, at):
            continue
        count += 1
        if count > MOST_ROWS:
            raise PayloadError(f"{where}: more than {MOST_ROWS} rows of accelerators")
        yield {column: value for column, value in zip(header, values, strict=True) if value}


def _accelerated(values: list[str], at: Mapping[str, int]) -> bool:
    family = values[at["Instance Type"]].partition(".")[0]
    return values[at["GPU"]] not in ("", "NA", "0") or family in FAMILIES


def _candidate_lines(where: str, chunks: Iterable[bytes], most_bytes: int) -> Iterator[list[str]]:
    """The header's fields, then those of every line that passes the test of its raw bytes."""
    seen, tail, header = 0, b"", False
    for chunk in chunks:
        seen += len(chunk)
        if seen > most_bytes:
            raise PayloadError(f"{where}: more than {most_bytes} bytes")
        lines = (tail + chunk).split(b"\n")
        tail = lines.pop()
        if len(tail) > _LONGEST_LINE:
            raise PayloadError(f"{where}: a line of more than {_LONGEST_LINE} bytes")
        if not header:
            start = next(
                (n for n, line in enumerate(lines[:_LONGEST_PREAMBLE]) if line[:5] == b'"SKU"'), None
            )
            if start is None:
                if seen > CHUNK_BYTES:
                    raise PayloadError(f"{where}: no header within {_LONGEST_PREAMBLE} lines")
                tail = b"\n".join([*lines, tail])
                continue
            header = True
            yield _fields(where, lines[start])
            lines = lines[start + 1 :]
        for line in lines:
            if b'"OnDemand"' in line and b'"Linux"' in line and b'"Shared"' in line and b'"Used"' in line:
                yield _fields(where, line)
    if not header:
        raise PayloadError(f"{where}: no header; not the documented file")
    if tail:
        raise PayloadError(f"{where}: the last line is not whole; the region is left out")


def _fields(where: str, line: bytes) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line.decode("utf-8").rstrip("\r")), strict=True))
    except (csv.Error, UnicodeDecodeError, StopIteration):
        raise PayloadError(f"{where}: a line that is not CSV") from None
