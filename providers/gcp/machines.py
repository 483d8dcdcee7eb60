"""Compute API: which machine types and accelerators each zone lists."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import PayloadError
from providers._payload import is_object, name, shown, whole
from providers.gcp.shapes import ALIASES, BY_NAME, DOCUMENTED, NAME, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from advisor.provider import Ledger

_MIB_PER_GIB: Final = 1024


@dataclass(slots=True)
class Listing:
    """What the project's own list says: shapes by region and name, with the zones that offer each."""

    zones: dict[tuple[str, Shape], list[str]] = field(default_factory=dict)
    retired: set[tuple[str, Shape]] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)  #: regions of which not every zone answered
    attachable_known: bool = True  #: whether it was said what may be attached to N1 machines

    def complete(self, region: str, shape: Shape) -> bool:
        """Whether a shape that is not here is not in the region."""
        return region not in self.unreachable and (self.attachable_known or not shape.attached)

    def _add(self, region: str, shape: Shape, zone: str, *, retired: bool) -> None:
        zones = self.zones.setdefault((region, shape), [])
        if retired:
            self.retired.add((region, shape))
        else:
            zones.append(zone)


def listing(ledger: Ledger, machine_types: object, accelerator_types: object) -> Listing:
    """The shapes with accelerators of every zone; N1 machines only with what their zone can attach.

    ``accelerator_types`` None is not known.

    Raises:
        PayloadError: one of the two is not an aggregated list.
    """
    found = Listing(attachable_known=accelerator_types is not None)
    attachable = {
        zone: dict(_attachable(types))
        for zone, types in _zones(ledger, found, accelerator_types or {"items": {}}, "acceleratorTypes")
    }
    for zone, types in _zones(ledger, found, machine_types, "machineTypes"):
        region = zone.rpartition("-")[0]
        for item in types:
            for shape in _shapes(ledger, item, region, attachable.get(zone, {})):
                found._add(region, shape, zone, retired=_is_retired(item))
    return found


def _zones(
    ledger: Ledger, found: Listing, payload: object, kind: str
) -> Iterator[tuple[str, list[dict[str, object]]]]:
    items = payload.get("items") if is_object(payload) else None
    if not is_object(items):
        raise PayloadError(f"{NAME}: {kind}: not the documented answer (no items by zone)")
    for scope, scoped in sorted(items.items(), key=lambda entry: str(entry[0])):
        zone = name(str(scope).rpartition("/")[2])
        if zone is None or "-" not in zone or not is_object(scoped):
            ledger.reject("malformed_item", kind, f"a scope that is no zone: {shown(scope)}")
            continue
        _note_warning(ledger, found, zone, scoped.get("warning"), kind)
        types = scoped.get(kind, [])
        if not isinstance(types, list):
            ledger.reject("malformed_item", f"{kind} {zone}", "not a list", zone.rpartition("-")[0])
            continue
        yield zone, [item for item in types if is_object(item)]


def _note_warning(ledger: Ledger, found: Listing, zone: str, warning: object, kind: str) -> None:
    """An empty scope warns NO_RESULTS_ON_PAGE; any other warning means that the zone did not answer."""
    code = warning.get("code") if is_object(warning) else None
    if code is None or code == "NO_RESULTS_ON_PAGE":
        return
    region = zone.rpartition("-")[0]
    found.unreachable.add(region)
    ledger.reject("fetch_failed", f"{kind} {zone}", f"the zone did not answer: {shown(code)}", region)


def _attachable(types: list[dict[str, object]]) -> Iterator[tuple[str, int]]:
    for item in types:
        most = whole(item.get("maximumCardsPerInstance"), at_most=64)
        if isinstance(item.get("name"), str) and most is not None and not _is_retired(item):
            yield str(item["name"]), most


def _is_retired(item: Mapping[str, object]) -> bool:
    deprecated = item.get("deprecated")
    state = deprecated.get("state") if is_object(deprecated) else None
    return state in ("DEPRECATED", "OBSOLETE", "DELETED")


def _shapes(
    ledger: Ledger, item: dict[str, object], region: str, attachable: Mapping[str, int]
) -> Iterator[Shape]:
    machine = name(item.get("name"))
    accelerators = item.get("accelerators")
    if machine is None:
        ledger.reject(
            "malformed_item", "machineTypes", f"a machine type named {shown(item.get('name'))}", region
        )
    elif accelerators:
        yield from _with_own_gpus(ledger, item, machine, accelerators, region)
    else:
        yield from _with_attached_gpus(item, machine, attachable)


def _with_own_gpus(
    ledger: Ledger, item: dict[str, object], machine: str, accelerators: object, region: str
) -> Iterator[Shape]:
    first = accelerators[0] if isinstance(accelerators, list) and len(accelerators) == 1 else None
    kind = first.get("guestAcceleratorType") if is_object(first) else None
    count = whole(first.get("guestAcceleratorCount"), at_most=64) if is_object(first) else None
    host = _host(item)
    if not isinstance(kind, str) or count is None or host is None:
        ledger.reject("malformed_item", machine, "accelerators, guestCpus or memoryMb unreadable", region)
        return
    if kind.startswith(("ct", "tpu")):
        return  # TPUs are another service with other prices
    if kind not in ALIASES:
        ledger.reject("unknown_accelerator", f"{machine}: {kind}"[:200], "a guestAcceleratorType", region)
        return
    documented = BY_NAME.get(machine)
    accelerator_count = Decimal(count)
    if documented is not None and documented.accelerators < 1 == count:
        accelerator_count = documented.accelerators  # the API counts whole cards only
    if documented is not None and (
        accelerator_count != documented.accelerators
        or ALIASES[kind][0] != ALIASES[documented.accelerator_type][0]
    ):
        detail = f"listed with {count} x {kind}, documented with {documented.accelerators}"
        ledger.reject("other", machine, f"{detail} x {documented.accelerator_type}", region)
        return
    yield Shape(machine, *host, kind, accelerator_count, _partitions(item))


def _with_attached_gpus(
    item: dict[str, object], machine: str, attachable: Mapping[str, int]
) -> Iterator[Shape]:
    host = _host(item)
    for shape in DOCUMENTED:
        fits = shape.accelerators <= attachable.get(shape.accelerator_type, 0)
        if host is not None and fits and shape.name.partition("+")[0] == machine and shape.attached:
            yield replace(shape, vcpus=host[0], memory_gib=host[1])


def _host(item: Mapping[str, object]) -> tuple[int, Decimal] | None:
    vcpus = whole(item.get("guestCpus"), at_most=10_000)
    memory_mib = whole(item.get("memoryMb"), at_most=10**9)
    return None if vcpus is None or memory_mib is None else (vcpus, Decimal(memory_mib) / _MIB_PER_GIB)


def _partitions(item: Mapping[str, object]) -> int:
    bundled = item.get("bundledLocalSsds")
    return (whole(bundled.get("partitionCount"), at_most=1000) or 0) if is_object(bundled) else 0
