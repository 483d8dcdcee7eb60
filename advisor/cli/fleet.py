"""`advisor fleet`: what is rented now, as the other commands take it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.output import (
    Col,
    Format,
    FormatOption,
    Listing,
    OutputOption,
    json_text,
    note,
    write_listing,
    write_text,
)
from advisor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.fleet import Fleet

app = typer.Typer(
    help="The current fleet: import what is rented now, show it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)

_SHOWN_UNKNOWN: Final = 12
_ENDINGS: Final = (".yaml", ".yml", ".json")


class Source(StrEnum):
    """What a fleet can be imported from."""

    AUTO = "auto"
    TERRAFORM = "terraform"
    SKYPILOT = "skypilot"
    KUBERNETES = "kubernetes"
    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"
    BILL = "bill"
    CSV = "csv"
    EXPORT = "export"


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What the tool wrote; or the folder of an export.")
    ],
    source: Annotated[Source, typer.Option("--from", help="The tool; auto tells by content.")] = Source.AUTO,
    snapshot: Annotated[
        str | None, typer.Option(help="Id or path of the snapshot whose instance types are known.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file, .yaml or .json.")
    ] = None,
) -> None:
    """Make a fleet file of what runs now, and list what was not recognised.

    Reads Terraform (terraform state pull, terraform show -json), SkyPilot (sky
    status -o json), Kubernetes (kubectl get nodes -o json), the clouds' own lists
    (aws ec2 describe-instances; gcloud compute instances list --format=json; az
    vm list --show-details, az vmss list), bills (FOCUS or AWS CUR as CSV), files and
    folders of advisor export, and CSV with the columns provider, region, zone,
    instance_type, market, instances, usd_per_hour_each.

    Example: [b]advisor fleet import fixtures/fleet/nodes.json -o fleet.yaml[/]
    """
    from advisor.catalog.store import open_snapshot
    from advisor.fleet.fleet_file import fleet_document, fleet_yaml
    from advisor.fleet.importing import Tool, import_fleet

    if output is not None and output.suffix.casefold() not in _ENDINGS and output != Path("/dev/stdout"):
        raise UsageError(f"-o {output}: a fleet file ends in {', '.join(_ENDINGS)}")
    known = {(offer.provider, offer.instance_type) for offer in open_snapshot(snapshot).offers}
    imported = import_fleet(file, None if source is Source.AUTO else Tool(source.value), known)
    fleet = imported.fleet
    as_json = output is not None and output.suffix.casefold() == ".json"
    write_text(json_text(fleet_document(fleet)) if as_json else fleet_yaml(fleet), output)
    note(f"read as {imported.tool.value}: {_counted(fleet)}")
    note(*_notes(imported.notes))
    note(*_unknown_lines(fleet))


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A fleet file.")],
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show a fleet file: its lines, and what was not recognised.

    Example: [b]advisor fleet show fixtures/fleet/fleet.yaml[/]
    """
    from advisor.fleet import read_fleet
    from advisor.fleet.fleet_file import fleet_document

    fleet = read_fleet(file)
    if form is Format.JSON:
        write_text(json_text(fleet_document(fleet)), output)
        return
    write_listing(_listing(fleet), form, output)
    if form is not Format.TABLE:
        note(*_notes(fleet.notes), *_unknown_lines(fleet))


def _listing(fleet: Fleet) -> Listing:
    records: list[dict[str, Any]] = [
        {
            "provider": line.provider,
            "region": line.region,
            "zone": line.zone,
            "instance_type": line.instance_type,
            "market": line.market.value,
            "instances": line.instances,
            "usd_per_hour_each": line.usd_per_hour_each,
        }
        for line in fleet.lines
    ]
    footer = (f"{_counted(fleet)}.", f"From {fleet.source}.", *_notes(fleet.notes), *_unknown_lines(fleet))
    return Listing("Current fleet", _COLUMNS, records, footer, empty="\n".join(footer))


def _notes(sentences: Iterable[str]) -> list[str]:
    return [f"note: {sentence}" for sentence in sentences]


def _counted(fleet: Fleet) -> str:
    held = f"{_plural(fleet.instances, 'instance')} in {_plural(len(fleet.lines), 'line')}"
    return f"{held}, {len(fleet.unknown)} not recognised" if fleet.unknown else held


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _unknown_lines(fleet: Fleet) -> list[str]:
    """What was not recognised, a line each, the same reason together once there are many."""
    if not fleet.unknown:
        return []
    by_reason: dict[str, list[tuple[str, int | None]]] = {}
    for one in fleet.unknown:
        by_reason.setdefault(one.why, []).append((one.what, one.instances))
    lines = ["Not recognised:"]
    for why, found in by_reason.items():
        lines.append(f"  {why}")
        lines.extend(f"    {_amount(count)}{what}" for what, count in found[:_SHOWN_UNKNOWN])
        if len(found) > _SHOWN_UNKNOWN:
            lines.append(f"    and {len(found) - _SHOWN_UNKNOWN:,} more; the fleet file has all of them")
    return lines


def _amount(count: int | None) -> str:
    return "" if count is None or count == 1 else f"{count:,} × "


_COLUMNS: Final = (
    Col("provider", "Provider"),
    Col("region", "Region"),
    Col("zone", "Zone"),
    Col("instance_type", "Instance type"),
    Col("market", "Market"),
    Col("instances", "Count", numeric=True),
    Col("usd_per_hour_each", "$/h each", numeric=True, importance=2),
)
