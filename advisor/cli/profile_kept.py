"""What every command that brings figures in does with them: shown, refused where untrue, then kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.cli.output import Col, Format, Listing, listing_table, note, show, write_listing
from advisor.cli.profile_options import own_folder
from advisor.cli.profile_points import point_table
from advisor.profiles.importers.reading import OPEN_LOOP

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from advisor.profiles.findings import RowFinding
    from advisor.profiles.importers.reading import ImportedFile
    from advisor.profiles.importing import Given, Names, OwnProfile, Understood

    Record = dict[str, Any]
    Found = tuple[str, RowFinding]

MOST_POINTS: Final = 24
"""Load points shown; a grid has hundreds."""

MOST_ALIKE: Final = 3
"""Flagged rows of one kind shown; a grid of sizes and loads easily has hundreds."""


def keep(
    readings: Sequence[ImportedFile], given: Given, *, dry_run: bool, form: Format, output: Path | None
) -> None:
    """Show what was understood, refuse what cannot be true, store the rest."""
    from advisor.profiles import own_store
    from advisor.profiles.importing import refuse, understand

    understood = understand(readings, given, names())
    profiles = _understood(readings, understood)
    if form is Format.TABLE:
        show(lambda width: [listing_table(one, width) for one in (_points(understood), profiles)], output)
    else:
        write_listing(profiles, form, output)
    note(*_said_all(understood.findings))
    refuse(understood)
    if dry_run:
        note("nothing was kept (--dry-run)")
        return
    for profile, path in zip(
        understood.profiles, own_store.save(understood.profiles, own_folder()), strict=True
    ):
        note(f"kept {profile.profile_id} in {path}")


def _points(understood: Understood) -> Listing:
    """What was read, before anything is kept; of several profiles, each row says whose it is."""
    profiles = understood.profiles
    rows = [(profile, row) for profile in profiles for row in profile.rows]
    columns, records = point_table(row for _, row in rows[:MOST_POINTS])
    more = len(rows) - len(records)
    if len(profiles) > 1:
        columns = (*_WHOSE, *columns)
    words = (f"… {more:,} more load points; `advisor profile show ID` lists them once kept.",) if more else ()
    return Listing("Load points", columns, records, words)


def _said_all(findings: Sequence[Found]) -> list[str]:
    """What is wrong: every refused row; of what is flagged, :data:`MOST_ALIKE` of each kind and a count."""
    alike: dict[tuple[str, bool], list[Found]] = {}
    for file, finding in findings:
        if not finding.refused:
            alike.setdefault((finding.field, finding.unfit is not None), []).append((file, finding))
    lines = []
    for (field, _), found in alike.items():
        lines += [_said(file, finding) for file, finding in found[:MOST_ALIKE]]
        if len(found) > MOST_ALIKE:
            lines.append(f"… {len(found) - MOST_ALIKE:,} more rows are flagged for {field}")
    return lines + [_said(file, finding) for file, finding in findings if finding.refused]


def _said(file: str, finding: RowFinding) -> str:
    where = ": ".join(word for word in (file, finding.place, finding.field) if word)
    return f"{where}: {'refused' if finding.refused else 'flagged'}: {finding.reason}"


def names() -> Names:
    """Spellings as the catalog resolves them."""
    from advisor.catalog.facts import load_facts
    from advisor.profiles.importing import Names

    facts = load_facts()
    return Names(facts.model, facts.accelerator)


def _understood(readings: Sequence[ImportedFile], understood: Understood) -> Listing:
    from advisor.profiles.importing import single_loads

    words = _files(readings)
    words += understood.notes
    alone = sum(single_loads(profile) for profile in understood.profiles)
    if alone:
        words.append(
            f"Sizes with one load alone: {alone}. They are kept and shown, but no SLO is answered from them;"
            " import the loads of a sweep together."
        )
    records = [_record(profile, understood) for profile in understood.profiles]
    return Listing("Understood", _COLUMNS, records, tuple(words))


def _files(readings: Sequence[ImportedFile]) -> list[str]:
    """What each file was taken for, files of one tool together."""
    by_tool: dict[str, list[str]] = {}
    for reading in readings:
        tool = f"{reading.tool} {reading.tool_version or ''}".rstrip()
        by_tool.setdefault(tool, []).append(reading.name)
    return [
        f"{tool}: {', '.join(files[:3])}{f' and {len(files) - 3} more' if len(files) > 3 else ''}"
        for tool, files in by_tool.items()
    ]


def _record(profile: OwnProfile, understood: Understood) -> Record:
    rows, first = profile.rows, profile.rows[0]
    said = {finding.unfit for _, finding in understood.findings}  # below the table, row by row
    unfit = sorted({why for row in rows if (why := row["not_evidence_because"]) and why not in said})
    flags = sorted({flag for row in rows for flag in (row["flags"] or "").split(";") if flag})
    return {
        **{
            key: first[key]
            for key in (
                "kind",
                "model",
                "accelerator",
                "tensor_parallel",
                "precision",
                "engine",
                "engine_version",
            )
        },
        "sizes": len({(row["input_tokens"], row["output_tokens"]) for row in rows}),
        "points": len(rows),
        "slo_points": sum(row["not_evidence_because"] is None for row in rows),
        "loads": _loads(rows),
        "statistics": _statistics(profile.statistics),
        "missing": ", ".join(profile.missing) or None,
        "flagged": "; ".join([*flags, *unfit]) or None,
        "source": profile.source,
        "profile_id": profile.profile_id,
    }


def _statistics(stated: Iterable[str]) -> str | None:
    """``TTFT mean p50, TPOT mean``."""
    by_metric: dict[str, list[str]] = {}
    for name in stated:
        metric, _, statistic = name.partition(" ")
        by_metric.setdefault(metric, []).append(statistic)
    return ", ".join(f"{metric} {' '.join(names)}" for metric, names in by_metric.items()) or None


def _loads(rows: Sequence[Record]) -> str:
    """``concurrency 1, 4, 16`` or ``rate 2, 8/s``."""
    modes: dict[str, set[float]] = {}
    for row in rows:
        value = row["concurrency"] if row["concurrency"] is not None else row["request_rate_offered"]
        modes.setdefault(row["load_mode"], set()).update([] if value is None else [value])
    return "; ".join(
        f"{mode} {_numbers(values)}{'/s' if mode == OPEN_LOOP else ''}" if values else mode
        for mode, values in sorted(modes.items())
    )


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in sorted(values))


_WHOSE: Final = (
    Col("model", "model"),
    Col("accelerator", "accelerator", importance=2),
    Col("tensor_parallel", "TP", numeric=True, importance=2),
)
_COLUMNS: Final = (
    Col("kind", "kind", importance=6),
    Col("model", "model"),
    Col("accelerator", "accelerator"),
    Col("tensor_parallel", "TP", numeric=True),
    Col("precision", "precision"),
    Col("engine", "engine", importance=2),
    Col("engine_version", "version", importance=4),
    Col("sizes", "sizes", numeric=True),
    Col("points", "points", numeric=True),
    Col("slo_points", "for SLOs", numeric=True),
    Col("loads", "loads", wrap=True),
    Col("statistics", "statistics", wrap=True, importance=3),
    Col("missing", "not stated", wrap=True, importance=5),
    Col("flagged", "flagged", wrap=True, importance=2),
    Col("source", "source", importance=8),
    Col("profile_id", "profile", importance=9),
)
