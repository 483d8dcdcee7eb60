"""Accelerators, models, regions and instance types: the facts beside the prices."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from advisor.domain import Accelerator, Model, Region
from advisor.units import MIB_PER_GIB
from catalogs.build.accelerator_names import (
    ACCELERATOR_NAMES,
    FAMILIES_WITHOUT_BF16,
    ID_OF_GPU_NAME,
    AcceleratorName,
    spellings,
)
from catalogs.build.model_names import MODEL_ALIASES
from catalogs.build.model_shapes import model_rows
from catalogs.build.offers import accelerator_of
from catalogs.build.source import SourceRow, read_rows, write_csv, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from advisor.domain import Offer

INSTANCE_TYPE_COLUMNS: Final = {
    "provider": ("text", "`aws`, `azure` or `gcp`"),
    "instance_type": ("text", "the provider's named shape"),
    "accelerator": ("text", "canonical accelerator id"),
    "accelerators": ("count", "per instance; below 1 for a fractional GPU"),
    "accelerator_memory_gib": (
        "GiB",
        "nominal memory of one accelerator, of the slice where it is fractional",
    ),
    "accelerator_memory_mib_reported": ("MiB", "what EC2 reports for one accelerator; blank is not known"),
    "vcpus": ("count", "of the whole instance"),
    "memory_gib": ("GiB", "of the host"),
    "source": ("text", "where the figures come from"),
}
"""Columns of ``instance_types.csv`` -> (unit, description)."""

CHECKPOINTS: Final = Path(__file__).resolve().parent / "checkpoints.csv"
"""Models that are released in fewer than 16 bits, each with where that stands."""

SEEN_IN_PRICES: Final = "seen in the price data; coordinates not published"
_SPECIFICATION: Final = "public vendor specification (nominal memory, generation)"


def build_accelerators(source: Path, target: Path) -> None:
    """Write ``accelerators.toml`` from ``gpus.csv``, the price files' chips and EC2's reported memory."""
    prices = source / "prices"
    gpus = {row.text("name"): row for row in read_rows(source / "gpus.csv", ("name", "vendor", "memory_gb"))}
    for name, row in gpus.items():
        if name not in ID_OF_GPU_NAME:
            raise row.refuse("name", "it has no entry in catalogs/build/accelerator_names.py")
    nominal = {row.text("accelerator_name"): row for row in read_rows(prices / "accelerators.csv")}
    reported = reported_memory_gib(prices / "instance_types.csv")
    chips = [
        _accelerator(entry, gpus, nominal, reported.get(entry.id))
        for entry in ACCELERATOR_NAMES
        if entry.gpu in gpus or any(name in nominal for name, _ in entry.offers)
    ]
    header = (
        "# Made by `python -m catalogs.build`, one table per chip; a field that is not here is not known.\n"
    )
    write_text(target / "accelerators.toml", header + "".join(map(_toml_table, chips)))


def reported_memory_gib(path: Path) -> dict[str, tuple[float, str]]:
    """Canonical id -> (GiB as EC2 reports it, its source), from whole-accelerator instance types."""
    found: dict[str, tuple[float, str]] = {}
    for row in read_rows(path, tuple(INSTANCE_TYPE_COLUMNS)[:2]):
        mib = row.optional_count("accelerator_memory_mib_reported")
        if mib is None or row.decimal("accelerator_count") < 1:
            continue
        gib = mib / MIB_PER_GIB
        known = found.setdefault(accelerator_of(row), (gib, row.text("source")))
        if known[0] != gib:
            raise row.refuse("accelerator_memory_mib_reported", f"another type reports {known[0]} GiB")
    return found


def _accelerator(
    entry: AcceleratorName,
    gpus: dict[str, SourceRow],
    nominal: dict[str, SourceRow],
    reported: tuple[float, str] | None,
) -> Accelerator:
    gpu = gpus.get(entry.gpu or "")
    listed = next((nominal[name] for name, _ in entry.offers if name in nominal), None)
    base = gpu or listed
    if base is None:
        raise LookupError(entry.id)
    memory = gpu.decimal("memory_gb") if gpu else base.decimal("nominal_memory_gib")
    return Accelerator(
        id=entry.id,
        name=entry.name,
        vendor=base.text("vendor").lower(),
        family=entry.family,
        memory_gb=float(memory),
        memory_reported_gib=reported[0] if reported else None,
        memory_bandwidth_gb_per_s=gpu.optional_number("memory_bandwidth_gb_s") if gpu else None,
        bf16_dense_tflops=gpu.optional_number("bf16_dense_tflops") if gpu else None,
        fp8_dense_tflops=gpu.optional_number("fp8_dense_tflops") if gpu else None,
        fp4_dense_tflops=gpu.optional_number("fp4_dense_tflops") if gpu else None,
        has_bf16=entry.family not in FAMILIES_WITHOUT_BF16,
        interconnect=gpu.optional_text("interconnect") if gpu else None,
        interconnect_gb_per_s_one_way=gpu.optional_number("interconnect_gb_s_one_way") if gpu else None,
        tdp_w=gpu.optional_number("tdp_w") if gpu else None,
        aliases=spellings(entry),
        source=_accelerator_source(gpu, reported),
    )


def _accelerator_source(gpu: SourceRow | None, reported: tuple[float, str] | None) -> str:
    parts = [] if gpu else [_SPECIFICATION]
    if gpu:
        columns = ("memory", "bandwidth", "bf16", "fp8", "interconnect", "tdp")
        found = ((column, gpu.optional_text(f"src_{column}")) for column in columns)
        parts += [f"{column} {origin}" for column, origin in found if origin]
    if reported:
        parts.append(f"reported memory {reported[1]}")
    note = gpu.optional_text("notes") if gpu else None
    return "; ".join(parts) + (f" (note: {note})" if note else "")


def _toml_table(chip: Accelerator) -> str:
    lines = ["\n[[accelerator]]\n"]
    for spec in fields(chip):
        value = getattr(chip, spec.name)
        if value is not None:
            lines.append(f"{spec.name} = {_toml_value(value)}\n")
    return "".join(lines)


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def build_models(source: Path, target: Path) -> None:
    """Write ``models.csv`` with every alias."""
    rows = model_rows(source, ("name", "hf_id", "params_b", "attention"))
    columns = [spec.name for spec in fields(Model)]
    released = {row.text("name"): row.text("precision") for row in read_rows(CHECKPOINTS)}
    unknown = set(MODEL_ALIASES) - {row.text("name") for row in rows}
    cells = [[_model_cell(row, column, released) for column in columns] for row in rows]
    cells.sort(key=lambda row: str(row[0]))
    write_csv(target / "models.csv", columns, cells)
    if unknown:
        print(f"aliases of models that models.csv does not have: {', '.join(sorted(unknown))}")


def _model_cell(row: SourceRow, column: str, released: Mapping[str, str]) -> str | None:
    if column == "released_precision":
        return released.get(row.text("name"))
    if column == "id":
        return row.text("name")
    if column == "aliases":
        return ";".join(_model_aliases(row))
    if column == "source":
        note = row.optional_text("notes")
        return row.text("source") + (f" ({note})" if note else "")
    return row.optional_text(column)


def _model_aliases(row: SourceRow) -> list[str]:
    name, hf_id = row.text("name"), row.text("hf_id")
    own = {hf_id, hf_id.rpartition("/")[2], name.lower(), *MODEL_ALIASES.get(name, ())}
    return sorted(own - {name})


def build_regions(source: Path, target: Path, offers: Sequence[Offer]) -> None:
    """Write ``regions.csv``: the collected regions, then those only the offers name."""
    known = [_region(row) for row in read_rows(source / "prices" / "regions.csv", ("provider", "region"))]
    named = {(region.provider, region.id) for region in known}
    extra = sorted({(offer.provider, offer.region) for offer in offers} - named)
    regions = sorted(
        [*known, *(_seen_region(*pair) for pair in extra)], key=lambda each: (each.provider, each.id)
    )
    write_csv(target / "regions.csv", [spec.name for spec in fields(Region)], map(_region_cells, regions))


def _region(row: SourceRow) -> Region:
    latitude, longitude = row.optional_number("latitude"), row.optional_number("longitude")
    if latitude == 0 and longitude == 0:  # the collection's placeholder, in the Gulf of Guinea
        latitude = longitude = None
    return Region(
        provider=row.text("provider"),
        id=row.text("region"),
        name=row.text("display_name"),
        country=row.optional_text("country"),
        continent=row.optional_text("continent"),
        latitude=latitude,
        longitude=longitude,
        zones=tuple(filter(None, row.cells["zones"].split(";"))),
        active={"active": True, "inactive": False}.get(row.cells["status"]),
        source=row.text("source"),
    )


def _seen_region(provider: str, region: str) -> Region:
    """A region only the prices name; Vast's are ISO country codes."""
    country = region if provider == "vast" else None
    return Region(provider, region, region, country, None, None, None, (), None, SEEN_IN_PRICES)


def _region_cells(region: Region) -> list[object]:
    cells: list[object] = []
    for spec in fields(region):
        value = getattr(region, spec.name)
        if isinstance(value, bool):
            value = "true" if value else "false"
        cells.append(";".join(value) if isinstance(value, tuple) else value)
    return cells


def build_instance_types(source: Path, target: Path) -> None:
    """Write ``instance_types.csv`` with canonical accelerator ids."""
    rows = read_rows(
        source / "prices" / "instance_types.csv", ("provider", "instance_type", "accelerator_name")
    )
    cells = sorted(_instance_type_cells(row) for row in rows)
    write_csv(target / "instance_types.csv", tuple(INSTANCE_TYPE_COLUMNS), cells)


def _instance_type_cells(row: SourceRow) -> list[str]:
    own = {"accelerator": accelerator_of(row), "accelerators": row.text("accelerator_count")}
    return [own.get(column, row.cells.get(column, "")) for column in INSTANCE_TYPE_COLUMNS]


def build_facts(source: Path, target: Path, offers: Iterable[Offer]) -> None:
    """Write all four files."""
    build_accelerators(source, target)
    build_models(source, target)
    build_regions(source, target, tuple(offers))
    build_instance_types(source, target)
