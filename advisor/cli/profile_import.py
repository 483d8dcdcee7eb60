"""`advisor profile import`, `measure` and `forget`: the user's own measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.output import Col, Format, Listing, note, write_listing
from advisor.domain import SloStatistic
from advisor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.profiles.importers.reading import Reading
    from advisor.profiles.importing import Given, Imported, Names, Understood
    from advisor.profiles.plausibility import Finding

    Record = dict[str, Any]

ModelOption = Annotated[str | None, typer.Option(help="Model that was run, where the file does not say.")]
AcceleratorOption = Annotated[str | None, typer.Option(help="Accelerator it ran on, e.g. h100-sxm-80gb.")]
TpOption = Annotated[int | None, typer.Option("--tp", min=1, max=1024, help="Accelerators per replica.")]
PrecisionOption = Annotated[
    str | None, typer.Option(help="Of the weights: bf16, fp16, fp8, fp4, int8, int4.")
]
EngineOption = Annotated[str | None, typer.Option(help="Serving engine, e.g. vLLM.")]
EngineVersionOption = Annotated[str | None, typer.Option(help="Its version.")]
SourceOption = Annotated[str | None, typer.Option(help="Who took the figures; default: tool and file.")]
LicenceOption = Annotated[str | None, typer.Option(help="Licence of the figures.")]
DraftOption = Annotated[int, typer.Option(min=0, max=16, help="Speculative draft tokens per pass, if any.")]
FormatOption = Annotated[Format, typer.Option("--format", help="Dress of the result.")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file.")]


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Results; the loads of one sweep together.")
    ],
    model: ModelOption = None,
    accelerator: AcceleratorOption = None,
    tp: TpOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    engine_version: EngineVersionOption = None,
    source: SourceOption = None,
    licence: LicenceOption = None,
    date: Annotated[str | None, typer.Option(help="When it was measured, YYYY-MM-DD.")] = None,
    concurrency: Annotated[
        float | None, typer.Option(min=1, help="Requests in flight, where the file does not say its load.")
    ] = None,
    tpot_ms: Annotated[float | None, typer.Option(help="Limit that a matrix of rates keeps.")] = None,
    slo_stat: Annotated[SloStatistic, typer.Option(help="Statistic that limit binds.")] = SloStatistic.MEAN,
    input_tokens: Annotated[str | None, typer.Option(help="Sizes of a matrix' rows: 25,100,250")] = None,
    output_tokens: Annotated[str | None, typer.Option(help="Sizes of its columns: 25,100,250")] = None,
    draft_tokens: DraftOption = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what was understood, keep nothing.")
    ] = False,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Keep your own measurements: they win over the package's from then on.

    Reads vllm bench serve, GuideLLM, inference-perf, AIPerf, genai-perf, Mélange, AIBrix, aiconfigurator,
    CSV and profile files, told by content. What a file does not state must be given by option.

    Example: [b]advisor profile import fixtures/profiles/imports/csv/plain.csv --dry-run[/]
    """
    from advisor.profiles.importers.registry import read_file
    from advisor.profiles.importing import Given

    given = Given(
        model,
        accelerator,
        tp,
        precision,
        engine,
        engine_version,
        source,
        licence,
        _day(date),
        concurrency,
        _positive("--tpot-ms", tpot_ms),
        slo_stat.value,
        rising_numbers("--input-tokens", input_tokens),
        rising_numbers("--output-tokens", output_tokens),
        draft_tokens,
    )
    keep([read_file(path) for path in files], given, dry_run=dry_run, form=form, output=output)


def forget(
    profile_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a profile of your own.")],
) -> None:
    """Remove a profile of your own; the package's stay.

    Example: [b]advisor profile forget own-0123456789ab[/]
    """
    from advisor.profiles import own_store

    note(f"forgot {own_store.forget(profile_id, own_folder())}")


def measure(
    url: Annotated[str, typer.Argument(metavar="URL", help="Base URL of an OpenAI-compatible endpoint.")],
    model: Annotated[str, typer.Option(help="Model that runs there.")],
    accelerator: Annotated[str, typer.Option(help="Accelerator it runs on.")],
    tp: Annotated[int, typer.Option("--tp", min=1, max=1024, help="Accelerators per replica.")],
    precision: Annotated[str, typer.Option(help="Of the weights.")],
    engine: Annotated[str, typer.Option(help="Serving engine, e.g. vLLM.")],
    tokenizer: Annotated[str, typer.Option(help="Tokenizer: a folder on disk or a repository name.")],
    tpot_ms: Annotated[float, typer.Option(help="Stop a size once its mean TPOT is beyond this.")],
    served_model: Annotated[
        str | None, typer.Option(help="Its name at the endpoint; default: the model's.")
    ] = None,
    ttft_ms: Annotated[float | None, typer.Option(help="Stop too once its mean TTFT is beyond this.")] = None,
    engine_version: EngineVersionOption = None,
    sizes: Annotated[str | None, typer.Option(help="INxOUT,…; default: the whole bucket grid.")] = None,
    concurrencies: Annotated[str, typer.Option(help="Loads to try, rising.")] = "1,2,4,8,16,32,64,128,256",
    requests: Annotated[int, typer.Option(min=1, help="Requests per unit of concurrency.")] = 8,
    state: Annotated[Path, typer.Option(help="Where finished loads are kept; run again to resume.")] = Path(
        "advisor-measure"
    ),
    guidellm: Annotated[str, typer.Option(help="GuideLLM's command.")] = "guidellm",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and show, keep nothing.")] = False,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Drive GuideLLM against a running endpoint over the bucket grid, and keep what it finds.

    Needs GuideLLM: pip install 'llm-fleet-advisor[measure]'. An interrupted run resumes where it stopped.

    Example: [b]advisor profile measure http://127.0.0.1:8000 --model Llama-3.1-8B --accelerator h100-sxm-80gb
    --tp 1 --precision bf16 --engine vLLM --tokenizer ./tokenizer --tpot-ms 80 --sizes 1000x250[/]
    """
    from advisor.profiles.importing import Given
    from advisor.profiles.measure import Campaign, GuideLlm, run_campaign

    given = Given(model, accelerator, tp, precision, engine, engine_version)
    limit = _positive("--tpot-ms", tpot_ms)
    campaign = Campaign(
        url=url,
        model=served_model or names().model(model).hf_id,
        tokenizer=tokenizer,
        sizes=request_sizes(sizes),
        concurrencies=tuple(int(load) for load in rising_numbers("--concurrencies", concurrencies)),
        tpot_ms=limit if limit is not None else tpot_ms,
        ttft_ms=_positive("--ttft-ms", ttft_ms),
        requests_each=requests,
    )
    readings = run_campaign(campaign, state, GuideLlm(guidellm), note)
    keep(readings, given, dry_run=dry_run, form=form, output=output)


def keep(
    readings: Sequence[Reading], given: Given, *, dry_run: bool, form: Format, output: Path | None
) -> None:
    """Show what was understood, refuse what cannot be true, store the rest."""
    from advisor.profiles import own_store
    from advisor.profiles.importing import refuse, understand

    understood = understand(readings, given, names())
    write_listing(_understood(readings, understood), form, output)
    note(*(_said(file, finding) for file, finding in understood.findings))
    refuse(understood)
    if dry_run:
        note("nothing was kept (--dry-run)")
        return
    for profile, path in zip(
        understood.profiles, own_store.save(understood.profiles, own_folder()), strict=True
    ):
        note(f"kept {profile.profile_id} in {path}")


def _said(file: str, finding: Finding) -> str:
    where = ": ".join(word for word in (file, finding.place, finding.field) if word)
    return f"{where}: {'refused' if finding.refused else 'flagged'}: {finding.reason}"


def own_folder() -> Path:
    """Where the user's profiles live."""
    from advisor.catalog.store import advisor_home
    from advisor.profiles.own_store import FOLDER

    return advisor_home() / FOLDER


def names() -> Names:
    """Spellings as the catalog resolves them."""
    from advisor.catalog.facts import load_facts
    from advisor.profiles.importing import Names

    facts = load_facts()
    return Names(facts.model, facts.accelerator)


def _understood(readings: Sequence[Reading], understood: Understood) -> Listing:
    from advisor.profiles.importing import single_loads

    words = _files(readings)
    words += understood.notes
    alone = sum(single_loads(profile) for profile in understood.profiles)
    if alone:
        words.append(
            f"{alone} sizes have one load alone: kept and shown, but no SLO is answered from them; import the"
            " loads of a sweep together."
        )
    records = [_record(profile, understood) for profile in understood.profiles]
    return Listing("Understood", _COLUMNS, records, tuple(words))


def _files(readings: Sequence[Reading]) -> list[str]:
    """What each file was taken for, files of one tool together."""
    by_tool: dict[str, list[str]] = {}
    for reading in readings:
        tool = f"{reading.tool} {reading.tool_version or ''}".rstrip()
        by_tool.setdefault(tool, []).append(reading.file)
    return [
        f"{tool}: {', '.join(files[:3])}{f' and {len(files) - 3} more' if len(files) > 3 else ''}"
        for tool, files in by_tool.items()
    ]


def _record(profile: Imported, understood: Understood) -> Record:
    rows, first = profile.rows, profile.rows[0]
    loads = sorted({f"{row['load_mode']} {_load(row)}".strip() for row in rows}, key=_natural)
    unfit = sorted({row["not_evidence_because"] for row in rows if row["not_evidence_because"]})
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
        "loads": ", ".join(loads),
        "statistics": ", ".join(profile.statistics) or None,
        "missing": ", ".join(profile.missing) or None,
        "flagged": "; ".join([*flags, *unfit]) or None,
        "source": profile.source,
        "profile_id": profile.profile_id,
    }


def _load(row: Record) -> str:
    value = row["concurrency"] if row["concurrency"] is not None else row["request_rate_offered"]
    return "" if value is None else f"{value:g}"


def _natural(text: str) -> tuple[str, float]:
    mode, _, value = text.partition(" ")
    return mode, float(value or 0)


def _positive(option: str, value: float | None) -> float | None:
    if value is not None and not 0 < value < 1e9:
        raise UsageError(f"{option}: {value:g} is not allowed; a positive number of milliseconds is")
    return value


def _day(text: str | None) -> str | None:
    import datetime as dt

    try:
        return dt.date.fromisoformat(text).isoformat() if text else None
    except ValueError:
        raise UsageError(f"--date: {text!r} is not allowed; a day as YYYY-MM-DD is") from None


def rising_numbers(option: str, text: str | None) -> tuple[float, ...]:
    """Rising whole numbers, comma-separated."""
    if text is None:
        return ()
    words = text.split(",")
    numbers = [int(word) for word in words if word.strip().isdecimal() and len(word) < 9]
    if len(numbers) != len(words) or numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise UsageError(f"{option}: {text!r} is not allowed; rising whole numbers, e.g. 25,100,250, are")
    return tuple(float(number) for number in numbers)


def request_sizes(text: str | None) -> tuple[tuple[int, int], ...]:
    """``1000x250,4000x250`` or, by default, every size of the bucket grid."""
    if text is None:
        from advisor.workload.buckets import DEFAULT_INPUT_EDGES, DEFAULT_OUTPUT_EDGES

        return tuple((i, o) for i in DEFAULT_INPUT_EDGES for o in DEFAULT_OUTPUT_EDGES)
    pairs = [word.strip().partition("x") for word in text.split(",")]
    if not all(i.isdecimal() and o.isdecimal() and int(i) > 0 and int(o) > 1 for i, _, o in pairs):
        raise UsageError(
            f"--sizes: {text!r} is not allowed; INxOUT, e.g. 1000x250,4000x250, is (2 tokens out or more)"
        )
    return tuple((int(i), int(o)) for i, _, o in pairs)


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
