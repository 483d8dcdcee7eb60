"""Making a fleet of what another tool says: told apart by content, checked against what the catalog knows.

Nothing is dropped: what the catalog does not know, what rents no accelerator and what cannot be counted is
listed with its reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from advisor.documents import decoded, parse, read_bytes
from advisor.documents.records import check
from advisor.documents.table import csv_rows
from advisor.domain import Market
from advisor.errors import InputFileError
from advisor.fleet.bill import is_bill, read_bill
from advisor.fleet.cloud_lists import (
    is_aws_list,
    is_azure_list,
    is_gcp_list,
    read_aws_list,
    read_azure_list,
    read_gcp_list,
)
from advisor.fleet.exports import documents_of, is_export, read_export
from advisor.fleet.fleet import Fleet, HeldLine, Unrecognised, merged, zone_told, zones_left_out
from advisor.fleet.fleet_file import LineRecord
from advisor.fleet.found import ON_DEMAND, Found, Unread
from advisor.fleet.kubernetes import is_node_list, read_nodes
from advisor.fleet.skypilot import is_sky_status, read_sky_status
from advisor.fleet.terraform import is_terraform, read_terraform
from advisor.fleet.unpacked import unpacked
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Set
    from pathlib import Path

MAX_BYTES: Final = 256 * 2**20
"""A node of a large cluster takes about 40 kB in JSON, most of it images: room for six thousand."""

Shape = tuple[str, str]
"""Provider and instance type."""


class Tool(StrEnum):
    """What writes a file that a fleet can be made of."""

    TERRAFORM = "terraform"
    SKYPILOT = "skypilot"
    KUBERNETES = "kubernetes"
    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"
    BILL = "bill"
    CSV = "csv"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Imported:
    """A fleet, and what to say about how it was read."""

    fleet: Fleet
    tool: Tool
    notes: tuple[str, ...]  #: sentences


_Fits = Callable[[object], bool]
_Reads = Callable[[Any, str], Iterator[Found | Unread]]
_JSON_TOOLS: Final[dict[Tool, tuple[_Fits, _Reads]]] = {
    Tool.TERRAFORM: (is_terraform, read_terraform),
    Tool.SKYPILOT: (is_sky_status, read_sky_status),
    Tool.KUBERNETES: (is_node_list, read_nodes),
    Tool.AWS: (is_aws_list, read_aws_list),
    Tool.GCP: (is_gcp_list, read_gcp_list),
    Tool.AZURE: (is_azure_list, read_azure_list),
}
_NOT_RECOGNISED: Final = (
    "one of: `terraform state pull`, `terraform show -json`, `sky status -o json`, `kubectl get nodes -o "
    "json`, `aws ec2 describe-instances`, `gcloud compute instances list --format=json`, `az vm list "
    "--show-details`, `az vmss list`, a bill in FOCUS or CUR columns, a CSV"
)


def import_fleet(path: Path, tool: Tool | None, known: Set[Shape]) -> Imported:
    """The fleet a file describes.

    Args:
        tool: what wrote the file; None tells it by its content.
        known: instance types of the catalog.

    Raises:
        InputFileError: the file is not what the tool writes.
    """
    if path.is_dir():
        content, tool, seen = _folder(path)
    else:
        content = read_bytes(path, MAX_BYTES, "a fleet")
        tool, seen = _read(unpacked(content, path, MAX_BYTES), str(path), tool)
    lines, unknown, zones, unsaid, notes = [], [], set(), 0, dict[str, None]()
    spellings = {(provider, shape.casefold()): shape for provider, shape in known}
    for one in map(_without_zone_name, seen):
        line = _line(one, spellings) if isinstance(one, Found) else _listed(one)
        if isinstance(line, Unrecognised):
            unknown.append(line)
            continue
        lines.append(line)
        if isinstance(one, Found):
            zones |= {one.unnamed_zone}
            notes |= dict.fromkeys(one.notes)
            unsaid += one.instances if one.market is None else 0
    source = f"{tool.value}: {printable(path.name)}"
    fleet = Fleet(merged(lines), tuple(unknown), source, hashlib.sha256(content).hexdigest())
    return Imported(fleet, tool, (*_notes(zones, unsaid), *notes))


def _folder(path: Path) -> tuple[bytes, Tool, Iterator[Found | Unread]]:
    """All files of an export's folder together."""
    paths = sorted(one for one in path.rglob("*") if one.suffix.casefold() in _EXPORTED and one.is_file())
    contents = [(read_bytes(one, MAX_BYTES, "an export"), str(one)) for one in paths]
    texts = [(decoded(content, name), name) for content, name in contents]
    return b"".join(content for content, _ in contents), Tool.EXPORT, _exported(texts, str(path))


_EXPORTED: Final = (".json", ".yaml", ".yml")


def _read(text: str, name: str, tool: Tool | None) -> tuple[Tool, Iterator[Found | Unread]]:
    looks_like_json = text.lstrip()[:1] in ("{", "[")
    if tool is Tool.EXPORT or (tool is None and name.casefold().endswith((".yaml", ".yml"))):
        return Tool.EXPORT, _exported([(text, name)], name)
    if tool is Tool.BILL or (tool is None and not looks_like_json and is_bill(text)):
        return Tool.BILL, read_bill(text, name)
    if tool is Tool.CSV or (tool is None and not looks_like_json):
        return Tool.CSV, _rows(text, name)
    document = parse(text, name, "json")
    if tool is None and is_export([document]):
        return Tool.EXPORT, read_export([document])
    tool = tool or next((tool for tool, (fits, _) in _JSON_TOOLS.items() if fits(document)), None)
    if tool is None:
        raise InputFileError(name, "", "not recognised", _NOT_RECOGNISED)
    return tool, _JSON_TOOLS[tool][1](document, name)


def _exported(files: Iterable[tuple[str, str]], name: str) -> Iterator[Found | Unread]:
    """What the files of one export say, of whichever target."""
    documents = [one for text, file in files for one in documents_of(text, file)]
    if not is_export(documents):
        allowed = (
            "JSON or CSV that another tool wrote, or YAML of `advisor export`; a fleet file needs no import"
        )
        raise InputFileError(name, "", "YAML", allowed)
    return read_export(documents)


def _without_zone_name(one: Found | Unread) -> Found | Unread:
    """The same; a zone name that means another zone in every account is left out, and remembered."""
    if isinstance(one, Unread):
        return one
    zone, unnamed = zone_told(one.provider or "", one.zone)
    return one if unnamed is None else replace(one, zone=zone, unnamed_zone=unnamed)


def _rows(text: str, name: str) -> Iterator[Found]:
    """The lines of a CSV, whose columns are the fields of a fleet file's line."""
    for place, cells in csv_rows(name, text, tuple(LineRecord.model_fields)):
        filled = {key: str(value).strip() for key, value in cells.items() if str(value).strip()}
        count = filled.get("instances", "")
        given = filled | ({"instances": int(count)} if count.isascii() and count.isdigit() else {})
        record = check(LineRecord, given, name, place)
        yield Found(
            what=place,
            provider=record.provider,
            region=record.region,
            zone=record.zone,
            instance_type=record.instance_type,
            market=record.market.value,
            instances=record.instances,
            usd_per_hour_each=record.usd_per_hour_each,
        )


def _line(found: Found, spellings: dict[tuple[str, str], str]) -> HeldLine | Unrecognised:
    """A line, or why it is none. A tool that does not say the market leaves it on demand."""
    provider, region, named = found.provider, found.region, found.instance_type
    if named is None or provider is None or region is None:
        absent = {"provider": provider, "region": region, "instance type": named}
        missing = ", ".join(word for word, value in absent.items() if value is None)
        return _refused(found, f"its {missing} is not said" if found.accelerators != 0 else _NO_ACCELERATOR)
    shape = spellings.get((provider, named.casefold()))
    if shape is None:
        return _refused(found, _NO_ACCELERATOR if found.accelerators == 0 else _not_known(provider), named)
    try:
        market = Market(found.market or ON_DEMAND)
    except ValueError:
        return _refused(found, f"it is bought as {found.market!r}, which no line can say", named)
    return HeldLine(provider, region, found.zone, shape, market, found.instances, found.usd_per_hour_each)


_NO_ACCELERATOR: Final = "ignored: it has no accelerator"


def _not_known(provider: str) -> str:
    return f"the catalog knows no accelerator instance of this name at {provider}"


def _refused(found: Found, why: str, named: str | None = None) -> Unrecognised:
    what = found.what if named is None else f"{found.what} ({named})"
    return Unrecognised(printable(what), found.instances, printable(why))


def _listed(unread: Unread) -> Unrecognised:
    return Unrecognised(printable(unread.what), unread.instances, printable(unread.why))


def _notes(zones: Iterable[str | None], unsaid: int) -> Iterator[str]:
    yield from zones_left_out(zones)
    if unsaid:
        yield f"{unsaid} instances do not say how they are bought: taken as on demand"
