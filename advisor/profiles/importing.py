"""From what files state and the user adds to profiles: facts resolved, rows checked, runs of one replica
together.

Nothing is averaged and no row is dropped in silence: a row is kept, kept with a flag, or the whole import
is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from advisor.domain import EvidenceKind
from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.profiles import memory, plausibility
from advisor.profiles.evidence import shape_key
from advisor.profiles.importers import melange
from advisor.profiles.importers.reading import CLOSED_LOOP, OPEN_LOOP, SLO_MAXIMUM, Stats
from advisor.profiles.own_store import OWN_ID
from advisor.profiles.plausibility import Finding, Replica

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from advisor.domain import Accelerator, Model
    from advisor.profiles.importers.reading import Load, Reading, Stated

    Row = dict[str, Any]

OPTIONS: Final = {
    "model": "--model",
    "accelerator": "--accelerator",
    "tensor_parallel": "--tp",
    "precision": "--precision",
    "engine": "--engine",
}
"""What a profile cannot be without, and the option that says it."""

SAME_SIZE: Final = 0.05
"""Largest difference between mean sizes of loads that count as one size."""

_SIZE: Final = ("input_tokens", "output_tokens")
_STATISTICS: Final = ("mean", "p50", "p90", "p99")
_ENGINES: Final = {
    "vllm": "vLLM",
    "sglang": "SGLang",
    "tensorrt-llm": "TensorRT-LLM",
    "trtllm": "TensorRT-LLM",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What the user adds; None leaves it to the file."""

    model: str | None = None
    accelerator: str | None = None
    tensor_parallel: int | None = None
    precision: str | None = None
    engine: str | None = None
    engine_version: str | None = None
    source: str | None = None
    licence: str | None = None
    date: str | None = None
    concurrency: float | None = None  #: of files that do not state their load
    tpot_ms: float | None = None  #: limit that a matrix of rates keeps
    slo_statistic: str = "mean"  #: which statistic of it
    input_tokens: tuple[float, ...] = ()  #: sizes a matrix' rows stand for
    output_tokens: tuple[float, ...] = ()
    draft_tokens: int = 0  #: speculative tokens per pass


@dataclass(frozen=True, slots=True)
class Imported:
    """One profile, ready to be stored."""

    profile_id: str
    rows: tuple[Row, ...]
    statistics: tuple[str, ...]  #: stated by at least one row, e.g. ``TPOT mean``
    missing: tuple[str, ...]  #: what nobody said
    source: str


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


@dataclass(frozen=True, slots=True)
class Names:
    """How spellings become facts; handed in, since facts live in another room."""

    model: Callable[[str], Model]
    accelerator: Callable[[str], Accelerator]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row with what it is about."""

    file: str
    load: Load
    replica: Replica
    stated: Stated
    source: str

    @property
    def key(self) -> tuple[str, ...]:
        """Rows of one profile share it; closed loops and open arrivals are different curves."""
        s = self.stated
        parts = (
            s.evidence.value,
            self.replica.model.id,
            self.replica.precision,
            s.kv_precision,
            s.engine,
            s.engine_version,
            self.replica.accelerator.id,
            s.accelerators,
            self.replica.tensor_parallel,
            s.pipeline_parallel,
            s.date,
            s.licence,
            s.error_pct,
            self.load.load_mode,
        )
        return tuple("" if part is None else str(part) for part in parts)


def understand(readings: Iterable[Reading], given: Given, names: Names) -> Understood:
    """Profiles and findings of all files together.

    Raises:
        UsageError: something neither file nor options say; names the options.
        InputFileError: a file is about another model or accelerator than the options say.
    """
    notes: list[str] = []
    placed: list[_Placed] = []
    for reading in readings:
        notes += reading.notes
        placed += [_place(reading, load, given, names, notes) for load in reading.loads]
    groups: dict[tuple[str, ...], list[_Placed]] = {}
    for row in _same_sizes(placed):
        groups.setdefault(row.key, []).append(row)
    findings: list[tuple[str, Finding]] = []
    profiles = [_profile(group, findings) for group in groups.values()]
    return Understood(tuple(profiles), tuple(findings), tuple(dict.fromkeys(notes)))


def _place(reading: Reading, load: Load, given: Given, names: Names, notes: list[str]) -> _Placed:
    load = _loaded(reading.file, load, given)
    stated = _stated(reading, load.stated, given)
    model = _model(reading.file, stated, given, names, notes)
    chip = _accelerator(reading.file, load.stated, given, names)
    precision = (stated.precision or "").strip().casefold()
    if precision not in memory.PRECISIONS:
        raise UnknownName("precision", stated.precision or "", memory.PRECISIONS)
    degree = stated.tensor_parallel or 1
    pipeline = stated.pipeline_parallel or 1
    stated = replace(
        stated,
        accelerators=stated.accelerators or degree * pipeline,
        pipeline_parallel=pipeline,
        engine=_ENGINES.get((stated.engine or "").casefold(), stated.engine),
    )
    tool = " ".join(word for word in (reading.tool, reading.tool_version) if word)
    source = given.source or stated.source or f"{tool}, {reading.file}"
    return _Placed(
        reading.file, load, Replica(model, chip, precision, degree, given.draft_tokens), stated, source
    )


def _stated(reading: Reading, stated: Stated, given: Given) -> Stated:
    """The file's word, completed by the options; contradictions are refused."""
    for field in ("tensor_parallel", "precision", "engine", "engine_version", "date", "licence"):
        said, added = getattr(stated, field), getattr(given, field)
        if said is not None and added is not None and str(said).casefold() != str(added).casefold():
            raise InputFileError(reading.file, field, said, f"{added} was given: the file says otherwise")
        if said is None:
            stated = replace(stated, **{field: added})
    missing = [
        option
        for field, option in OPTIONS.items()
        if (getattr(stated, field) if field != "accelerator" else stated.accelerator or given.accelerator)
        is None
        and getattr(given, field) is None
    ]
    if missing:
        raise UsageError(
            f"{reading.file} ({reading.tool}) does not say what was run: give {', '.join(missing)}"
        )
    return stated


def _model(file: str, stated: Stated, given: Given, names: Names, notes: list[str]) -> Model:
    if given.model is None:
        try:
            return names.model(stated.model or "")
        except UnknownName as error:
            raise UsageError(f"{file}: {error}; --model says which model it is") from None
    model = names.model(given.model)
    if stated.model is None:
        return model
    try:
        said = names.model(stated.model)
    except UnknownName:
        notes.append(f"the file calls the model {stated.model!r}; taken as {model.id}, as --model says")
        return model
    if said.id != model.id and shape_key(said) != shape_key(model):
        raise InputFileError(
            file, "model", stated.model, f"--model {given.model} was given: the file is of another"
        )
    return model


def _accelerator(file: str, stated: Stated, given: Given, names: Names) -> Accelerator:
    """The option narrows what the file leaves open: ``A100`` to ``a100-sxm-80gb``."""
    if given.accelerator is None:
        try:
            return names.accelerator(stated.accelerator or "")
        except UsageError as error:
            raise UsageError(f"{file}: {error}; --accelerator says which it is") from None
    chip = names.accelerator(given.accelerator)
    try:
        said = names.accelerator(stated.accelerator) if stated.accelerator else chip
    except UsageError:
        return chip
    if said.id != chip.id:
        allowed = f"--accelerator {given.accelerator} was given: the file is of another"
        raise InputFileError(file, "accelerator", stated.accelerator, allowed)
    return chip


def _loaded(file: str, load: Load, given: Given) -> Load:
    """A row with the load, the sizes and the limit that only the options know."""
    if load.load_mode is None:
        if given.concurrency is None:
            raise UsageError(f"{_at(file, load.place)} does not say its load: give --concurrency")
        load = replace(load, load_mode=CLOSED_LOOP, concurrency=given.concurrency)
    if load.load_mode != SLO_MAXIMUM:
        return load
    if load.input_tokens is None and melange.cell_of(load.place):
        if not given.input_tokens or not given.output_tokens:
            raise UsageError(
                f"{file} does not say the sizes of its rows and columns: give --input-tokens and"
                " --output-tokens"
            )
        load = melange.sized(load, given.input_tokens, given.output_tokens, file)
    if load.slo_tpot_ms is None and load.unfit is None:
        if given.tpot_ms is None:
            raise UsageError(f"{file} does not say which limit its rates keep: give --tpot-ms")
        limit = Stats(**{given.slo_statistic: given.tpot_ms})
        load = replace(load, slo_tpot_ms=given.tpot_ms, tpot=limit)
    return load


def _profile(group: Sequence[_Placed], findings: list[tuple[str, Finding]]) -> Imported:
    first = group[0]
    large = plausibility.too_large(first.replica)
    if large:
        findings.append((first.file, Finding("", True, "precision", first.replica.precision, large)))
    of_rows: dict[int, list[Finding]] = {
        id(row): [*plausibility.of_row(row.load), *plausibility.against_physics(row.load, row.replica)]
        for row in group
    }
    sizes: dict[tuple[float | None, float | None], list[_Placed]] = {}
    for row in group:
        sizes.setdefault((row.load.input_tokens, row.load.output_tokens), []).append(row)
    for rows in sizes.values():
        ordered = sorted(rows, key=lambda row: plausibility.load_of(row.load))
        by_load = {id(row.load): row for row in ordered}
        if first.load.load_mode != SLO_MAXIMUM:
            for load, found in _across([row.load for row in ordered]):
                of_rows[id(by_load[id(load)])].append(found)
    findings += [(row.file, finding) for row in group for finding in of_rows[id(row)]]
    bare = [_row(row, of_rows[id(row)]) for row in group]
    return _identified(group, bare)


def _same_sizes(placed: Sequence[_Placed]) -> list[_Placed]:
    """Loads whose mean sizes differ by :data:`SAME_SIZE` at most are of one size: their smallest.

    Drawn lengths never repeat exactly. The smallest claims the least; the flag keeps the mean measured.
    """
    found: list[_Placed] = []
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


def _row(row: _Placed, findings: Sequence[Finding]) -> Row:
    """A row in the columns of the shipped evidence, and a few more."""
    load, stated, replica = row.load, row.stated, row.replica
    unfit = [load.unfit, *(finding.unfit for finding in findings), _no_replica(row), _no_pace(load)]
    flags = sorted({*load.flags, *(finding.flag for finding in findings if finding.flag)})
    if replica.draft_tokens:
        flags.append(f"speculative-{replica.draft_tokens}-draft-tokens")
    times = {
        f"{name}_{key}_ms": getattr(getattr(load, name), key)
        for name in ("ttft", "tpot", "e2e")
        for key in _STATISTICS
    }
    return {
        "kind": stated.evidence.value,
        "licence": stated.licence or "not stated",
        "model": replica.model.id,
        "model_as_published": stated.model or replica.model.id,
        "shape": shape_key(replica.model),
        "precision": replica.precision,
        "kv_precision": stated.kv_precision,
        "engine": stated.engine,
        "engine_version": stated.engine_version,
        "accelerator": replica.accelerator.id,
        "accelerators": stated.accelerators,
        "tensor_parallel": replica.tensor_parallel,
        "pipeline_parallel": stated.pipeline_parallel,
        "workload": load.workload,
        "input_tokens": load.input_tokens,
        "output_tokens": load.output_tokens,
        "load_mode": load.load_mode,
        "concurrency": load.concurrency,
        "request_rate_offered": load.request_rate_offered,
        **times,
        "requests_per_s": load.requests_per_s,
        "output_tokens_per_s": load.output_tokens_per_s,
        "slo_ttft_ms": load.slo_ttft_ms,
        "slo_tpot_ms": load.slo_tpot_ms,
        "date": stated.date,
        "flags": ";".join(flags) or None,
        "not_evidence_because": next((why for why in unfit if why), None),
        "error_pct": stated.error_pct,
        "completed_requests": load.completed,
        "failed_requests": load.failed,
        "source": row.source,
    }


def _no_replica(row: _Placed) -> str | None:
    stated = row.stated
    whole = stated.pipeline_parallel == 1 and stated.accelerators == row.replica.tensor_parallel
    return None if whole else "not one tensor-parallel replica"


def _no_pace(load: Load) -> str | None:
    return None if load.tpot.stated else "no rate or no time per output token"


def _identified(group: Sequence[_Placed], rows: Sequence[Row]) -> Imported:
    """The profile with an id that its content decides."""
    ordered = sorted(rows, key=_order)
    digest = hashlib.sha256(json.dumps(ordered, sort_keys=True, default=str).encode()).hexdigest()[:12]
    first, stated = group[0], group[0].stated
    engine = "-".join(word for word in (stated.engine, stated.engine_version) if word)
    pipeline = f"pp{stated.pipeline_parallel}" if stated.pipeline_parallel != 1 else ""
    name = (
        ":".join(
            [
                stated.evidence.value,
                f"{OWN_ID}{digest}",
                first.replica.model.id,
                first.replica.precision,
                engine,
                first.replica.accelerator.id,
                f"tp{first.replica.tensor_parallel}{pipeline}",
            ]
        )
        .casefold()
        .replace(" ", "-")
    )
    kept = tuple({"profile_id": name, "source_id": f"{OWN_ID}{digest}", **row} for row in ordered)
    statistics = dict.fromkeys(
        f"{what.upper()} {key}"
        for what in ("tpot", "ttft", "e2e")
        for key in _STATISTICS
        if any(row[f"{what}_{key}_ms"] is not None for row in rows)
    )
    missing = [
        name
        for name, value in (
            ("engine version", stated.engine_version),
            ("date", stated.date),
            ("licence", stated.licence),
            ("KV precision", stated.kv_precision),
        )
        if value is None
    ]
    return Imported(name, kept, tuple(statistics), tuple(missing), first.source)


def _order(row: Row) -> tuple[float, ...]:
    def number(name: str) -> float:
        value = row[name]
        return -math.inf if value is None else float(value)

    return tuple(
        map(
            number,
            (
                "input_tokens",
                "output_tokens",
                "concurrency",
                "request_rate_offered",
                "tpot_mean_ms",
                "requests_per_s",
            ),
        )
    )


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


def _at(file: str, place: str) -> str:
    return f"{file}: {place}" if place else file
