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
from advisor.profiles.findings import RowFinding
from advisor.profiles.imported_rows import OwnProfile as OwnProfile
from advisor.profiles.imported_rows import identified, stored_row
from advisor.profiles.importers.reading import CLOSED_LOOP, OPEN_LOOP, SLO_MAXIMUM
from advisor.profiles.placing import Given as Given
from advisor.profiles.placing import Names as Names
from advisor.profiles.placing import place, require_stated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from advisor.profiles.importers.reading import ImportedFile, ImportedRow
    from advisor.profiles.placing import PlacedRow

SAME_SIZE: Final = 0.05
"""Largest difference between mean sizes of loads that count as one size."""

_SIZE: Final = ("input_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Understood:
    """All that came of an import."""

    profiles: tuple[OwnProfile, ...]
    findings: tuple[tuple[str, RowFinding], ...]  #: file and what is wrong there
    notes: tuple[str, ...]

    @property
    def refusals(self) -> tuple[tuple[str, RowFinding], ...]:
        """Those that stop the import."""
        return tuple((file, finding) for file, finding in self.findings if finding.refused)


def understand(readings: Iterable[ImportedFile], given: Given, names: Names) -> Understood:
    """Profiles and findings of all files together.

    Raises:
        UsageError: something neither file nor options say; names the options.
        InputFileError: a file is about another model or accelerator than the options say.
    """
    notes: list[str] = []
    placed: list[PlacedRow] = []
    readings = tuple(readings)
    require_stated(readings, given)
    for reading in readings:
        notes += reading.notes
        placed += [place(reading, row, given, names, notes) for row in reading.rows]
    groups: dict[tuple[object, ...], list[PlacedRow]] = {}
    for row in _same_sizes(placed):
        groups.setdefault(row.key, []).append(row)
    findings: list[tuple[str, RowFinding]] = []
    profiles = [_profile(group, findings) for group in groups.values()]
    return Understood(tuple(profiles), tuple(findings), tuple(dict.fromkeys(notes)))


def _profile(group: Sequence[PlacedRow], findings: list[tuple[str, RowFinding]]) -> OwnProfile:
    first = group[0]
    large = physics.too_large(first.replica)
    if large:
        found = RowFinding("", True, "precision", first.replica.precision, large)
        findings.append((first.row.file, found))
    of_rows: dict[int, list[RowFinding]] = {
        id(one.row): [*plausibility.of_row(one.row), *physics.against_physics(one)] for one in group
    }
    sizes: dict[tuple[float | None, float | None], list[ImportedRow]] = {}
    for one in group:
        sizes.setdefault((one.row.input_tokens, one.row.output_tokens), []).append(one.row)
    for rows in sizes.values() if first.row.load_mode != SLO_MAXIMUM else ():
        for row, finding in plausibility.across_loads(sorted(rows, key=plausibility.load_of)):
            of_rows[id(row)].append(finding)
    findings += [(one.row.file, finding) for one in group for finding in of_rows[id(one.row)]]
    return identified(group, [stored_row(one, of_rows[id(one.row)]) for one in group])


def _same_sizes(placed: Sequence[PlacedRow]) -> list[PlacedRow]:
    """Loads whose mean sizes differ by :data:`SAME_SIZE` at most are of one size: their smallest.

    Drawn lengths never repeat exactly. The smallest claims the least; the flag keeps the mean measured. Rows
    stay in the order they were read.
    """
    found = list(placed)
    order = sorted(range(len(found)), key=lambda i: [getattr(found[i].row, name) or 0.0 for name in _SIZE])
    sizes: dict[tuple[object, ...], list[list[int]]] = {}
    for index in order:
        one = found[index]
        clusters = sizes.setdefault(one.key, [])
        own = next((cluster for cluster in clusters if _near(found[cluster[0]].row, one.row)), None)
        if own is None:
            clusters.append(own := [])
        own.append(index)
    for cluster in (cluster for clusters in sizes.values() for cluster in clusters):
        least = [min(getattr(found[i].row, name) or 0.0 for i in cluster) for name in _SIZE]
        for i in cluster:
            found[i] = replace(found[i], row=_moved(found[i].row, least))
    return found


def _moved(row: ImportedRow, size: Sequence[float]) -> ImportedRow:
    """The row as of another size, which it nearly has."""
    if [row.input_tokens, row.output_tokens] == size or not row.input_tokens or not row.output_tokens:
        return row
    flag = f"mean-size-{row.input_tokens:.6g}x{row.output_tokens:.6g}"
    return replace(row, input_tokens=size[0], output_tokens=size[1], flags=(*row.flags, flag))


def _near(first: ImportedRow, second: ImportedRow) -> bool:
    pairs = [(getattr(first, name) or 0.0, getattr(second, name) or 0.0) for name in _SIZE]
    return all(abs(a - b) <= SAME_SIZE * min(a, b) for a, b in pairs)


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


def single_loads(profile: OwnProfile) -> int:
    """Sizes measured under one load alone: shown, but no SLO is answered from them."""
    loads: dict[tuple[float, float], set[tuple[float, float]]] = {}
    for row in profile.rows:
        if row["not_evidence_because"] is None and row["load_mode"] in (CLOSED_LOOP, OPEN_LOOP):
            load = row["concurrency"] if row["concurrency"] is not None else row["request_rate_offered"]
            size = (row["input_tokens"], row["output_tokens"])
            loads.setdefault(size, set()).add((load, row["requests_per_s"]))
    simulated = profile.rows[0]["kind"] == EvidenceKind.SIMULATED.value
    return 0 if simulated else sum(1 for runs in loads.values() if _one_load(runs))


def _one_load(runs: set[tuple[float, float]]) -> bool:
    return len({load for load, _ in runs}) == 1 or len({rate for _, rate in runs}) == 1
