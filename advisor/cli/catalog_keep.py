"""`advisor catalog list`, `prune` and `set-aside`: the snapshots themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli.output import Col, Format, FormatOption, Listing, OutputOption, note, write_listing

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.catalog.store import Store

_COLUMNS = (
    Col("snapshot_id", "Snapshot"),
    Col(
        "created_at", "Made (UTC)", text=lambda value: value[:16].replace("T", " ") if value else "unreadable"
    ),
    Col("bytes", "Bytes", numeric=True, text=lambda value: f"{value:,}"),
    Col("origin", "Origin"),
)


def snapshots(form: FormatOption = Format.TABLE, output: OutputOption = None) -> None:
    """List the snapshots at hand, the newest first.

    Example: [b]advisor catalog list[/]
    """
    from advisor.catalog.keeping import kept_snapshots

    records = [
        {
            "snapshot_id": one.path.stem,
            "created_at": one.created_at and one.created_at.isoformat(),
            "bytes": one.size_bytes,
            "origin": "shipped" if one.is_shipped else "published here",
            "path": str(one.path),
        }
        for one in kept_snapshots(_store())
    ]
    columns = _COLUMNS if form in (Format.TABLE, Format.MARKDOWN) else (*_COLUMNS, Col("path", "path"))
    words = ("Plan on one of them: --snapshot with its id, the last digits of it, or its day.",)
    write_listing(Listing("Snapshots", columns, records, footer=words), form, output)


def prune(
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of the newest stay.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which would go, and delete none.")] = False,
) -> None:
    """Delete old snapshots published on this machine, but for those that plans in ADVISOR_HOME/plans rest on.

    Example: [b]advisor catalog prune --keep 26 --dry-run[/]
    """
    from advisor.catalog.keeping import prune as pruned
    from advisor.refresh.publishing import refresh_lock

    store = _store()
    with refresh_lock(store.home):
        gone = pruned(store, keep, _planned_on(store.home), dry_run=dry_run)
    words = "would go" if dry_run else "deleted"
    for one in gone:
        typer.echo(one.path.stem)
    size_bytes = sum(one.size_bytes for one in gone)
    note(f"{len(gone)} {'snapshot' if len(gone) == 1 else 'snapshots'} {words}, {size_bytes:,} bytes")


def set_aside(snapshot: Annotated[str, typer.Argument(help="Its id, or the last digits of it.")]) -> None:
    """Put a snapshot where nobody reads it, such as one made while the clock was wrong.

    Example: [b]advisor catalog set-aside --help[/]
    """
    from advisor.catalog.keeping import set_aside as moved
    from advisor.refresh.publishing import refresh_lock

    store = _store()
    with refresh_lock(store.home):
        note(f"set aside: {moved(store, store.path_of(snapshot))}")


def _store() -> Store:
    from advisor.catalog.store import Store, advisor_home, shipped_folder

    return Store(home=advisor_home(), shipped=shipped_folder())


def _planned_on(home: Path) -> frozenset[str]:
    """Snapshots that plans kept at home name; a file that is no plan names none."""
    import json

    from advisor.plan.standing import plan_files

    found = set()
    for path in plan_files(home):
        try:  # by hand: a plan of another version rests on its snapshot all the same
            found.add(str(json.loads(path.read_text(encoding="utf-8"))["inputs"]["snapshot_id"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return frozenset(found)
