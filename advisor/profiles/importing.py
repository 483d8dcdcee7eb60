"""From what files state and the user adds to profiles: facts resolved, rows checked, runs of one replica
together.

Nothing is averaged and no row is dropped in silence: a row is kept, kept with a flag, or the whole import
is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.domain import EvidenceKind
from advisor.errors import InputFileError
from advisor.profiles import physics, plausibility
from advisor.profiles.findings import Finding
from advisor.profiles.imported_rows import Imported as Imported
from advisor.profiles.imported_rows import identified, stored_row
from advisor.profiles.importers.reading import CLOSED_LOOP, OPEN_LOOP, SLO_MAXIMUM
from advisor.profiles.placing import Given as Given
from advisor.profiles.placing import Names as Names
from advisor.profiles.placing import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from advisor.profiles.importers.reading import Load, Reading
    from advisor.profiles.placing import Placed

SAME_SIZE: Final = 0.05
"""Largest difference between mean sizes of loads that count as one size."""

_SIZE: Final = ("input_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Understood:
    """All that came of an import."""

    profiles: tuple[Imported, ...]
    findings: tuple[tuple[str, Finding], ...]  #: file and what is wrong there
    notes: tuple[str, ...]

    @property
    def refusals(self) -> tuple[tuple[str, Finding], ...]:
        """Those that stop the import."""
        return tuple((file, finding) for file, finding in self.findings if finding.refused)


def understand(readings: Iterable[Reading], given: Given, names: Names) -> Understood:
    """Profiles and findings of all files together.

    Raises:
        UsageError: something neither file nor options say; names the options.
        InputFileError: a file is about another model or accelerator than the options say.
    """
    notes: list[str] = []
    placed: list[Placed] = []
    for reading in readings:
        notes += reading.notes
        placed += [place(reading, load, given, names, notes) for load in reading.loads]
    groups: dict[tuple[str, ...], list[Placed]] = {}
    for row in _same_sizes(placed):
        groups.setdefault(row.key, []).append(row)
    findings: list[tuple[str, Finding]] = []
    profiles = [_profile(group, findings) for group in groups.values()]
    return Understood(tuple(profiles), tuple(findings), tuple(dict.fromkeys(notes)))


def _profile(group: Sequence[Placed], findings: list[tuple[str, Finding]]) -> Imported:
    first = group[0]
    large = physics.too_large(first.replica)
    if large:
        findings.append((first.file, Finding("", True, "precision", first.replica.precision, large)))
    of_rows: dict[int, list[Finding]] = {
        id(row): [*plausibility.of_row(row.load), *physics.against_physics(row.load, row.replica)]
        for row in group
    }
    sizes: dict[tuple[float | None, float | None], list[Placed]] = {}
    for row in group:
        sizes.setdefault((row.load.input_tokens, row.load.output_tokens), []).append(row)
    for rows in sizes.values():
        ordered = sorted(rows, key=lambda row: plausibility.load_of(row.load))
        by_load = {id(row.load): row for row in ordered}
        if first.load.load_mode != SLO_MAXIMUM:
            for load, found in _across([row.load for row in ordered]):
                of_rows[id(by_load[id(load)])].append(found)
    findings += [(row.file, finding) for row in group for finding in of_rows[id(row)]]
    bare = [stored_row(row, of_rows[id(row)]) for row in group]
    return identified(group, bare)


def _same_sizes(placed: Sequence[Placed]) -> list[Placed]:
    """Loads whose mean sizes differ by :data:`SAME_SIZE` at most are of one size: their smallest.

    Drawn lengths never repeat exactly. The smallest claims the least; the flag keeps the mean measured.
    """
    found: list[Placed] = []
    sizes: dict[tuple[str, ...], list[list[int]]] = {}
    for row in sorted(placed, key=lambda row: (row.load.input_tokens or 0.0, row.load.output_tokens or 0.0)):
        found.append(row)
        clusters = sizes.setdefault(row.key, [])
        own = next((cluster for cluster in clusters if _near(found[cluster[0]].load, row.load)), None)
        if own is None:
            clusters.append(own := [])
        own.append(len(found) - 1)
    for cluster in (cluster for clusters in sizes.values() for cluster in clusters):
        least = [min(getattr(found[i].load, name) or 0.0 for i in cluster) for name in _SIZE]
        for i in cluster:
            load = found[i].load
            if [load.input_tokens, load.output_tokens] != least and load.input_tokens and load.output_tokens:
                flag = f"mean-size-{load.input_tokens:.6g}x{load.output_tokens:.6g}"
                moved = replace(
                    load, input_tokens=least[0], output_tokens=least[1], flags=(*load.flags, flag)
                )
                found[i] = replace(found[i], load=moved)
    return found


def _near(first: Load, second: Load) -> bool:
    pairs = [(getattr(first, name) or 0.0, getattr(second, name) or 0.0) for name in _SIZE]
    return all(abs(a - b) <= SAME_SIZE * min(a, b) for a, b in pairs)


def _across(loads: Sequence[Load]) -> list[tuple[Load, Finding]]:
    """Findings over loads, each with the row it is about."""
    found = []
    for i, load in enumerate(loads[1:], 1):
        found += [(load, finding) for finding in plausibility.across_loads(loads[i - 1 : i + 1])]
    return found


def refuse(understood: Understood) -> None:
    """Stop where a row cannot be true.

    Raises:
        InputFileError: names the first such row; how many more there are.
    """
    refusals = understood.refusals
    if not refusals:
        return
    file, first = refusals[0]
    more = f" (and {len(refusals) - 1} more, above)" if len(refusals) > 1 else ""
    value = float(f"{first.value:.4g}") if isinstance(first.value, float) else first.value
    raise InputFileError(file, ".".join(filter(None, (first.place, first.field))), value, first.reason + more)


def single_loads(profile: Imported) -> int:
    """Sizes measured under one load alone: shown, but no SLO is answered from them."""
    rates: dict[tuple[float, float], set[float]] = {}
    for row in profile.rows:
        if row["not_evidence_because"] is None and row["load_mode"] in (CLOSED_LOOP, OPEN_LOOP):
            rates.setdefault((row["input_tokens"], row["output_tokens"]), set()).add(row["requests_per_s"])
    simulated = profile.rows[0]["kind"] == EvidenceKind.SIMULATED.value
    return 0 if simulated else sum(1 for values in rates.values() if len(values) == 1)
