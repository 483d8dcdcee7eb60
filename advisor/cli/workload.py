"""`advisor workload`: how large requests are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from advisor.cli.workload_matrix import matrix
from advisor.errors import UsageError

if TYPE_CHECKING:
    from advisor.domain import Workload
    from advisor.workload.named import Fit

MISSING = "–"

app = typer.Typer(help="Request-size distributions: list, show, fit one from a trace.", no_args_is_help=True)

InputEdges = Annotated[str | None, typer.Option(help="Upper input edges in tokens, e.g. 25,100,250.")]
OutputEdges = Annotated[str | None, typer.Option(help="Upper output edges in tokens, e.g. 25,100,250.")]
InputColumn = Annotated[str | None, typer.Option(help="Column of the input lengths, if not a usual name.")]
OutputColumn = Annotated[str | None, typer.Option(help="Column of the output lengths, if not a usual name.")]
TimestampColumn = Annotated[
    str | None, typer.Option(help="Column of the arrival times, if not a usual name.")
]
TimestampUnit = Annotated[str | None, typer.Option(help="Unit of the arrival times: s, ms, us, ns or iso.")]


@app.command("list")
def list_(form: FormatOption = Format.TABLE, output: OutputOption = None) -> None:
    """The named workloads that ship with the advisor.

    Example: advisor workload list --format csv
    """
    from advisor.workload.named import DEFAULT_WORKLOAD, named_workload, workload_names

    records = []
    for name in workload_names():
        named = named_workload(name)
        workload = named.workload
        records.append(
            {
                "name": name,
                "default": name == DEFAULT_WORKLOAD,
                "requests": workload.requests,
                "rate_requests_per_s": workload.rate_requests_per_s,
                "duration_s": named.duration_s,
                "buckets": len(workload.buckets),
                **named.statistics,
                "licence": workload.licence,
                "source": workload.source,
                "note": workload.note,
            }
        )
    footer = (
        f"{DEFAULT_WORKLOAD} is the default. {MISSING} is not known: no arrival times, or a mixture.",
        "`advisor workload show NAME` gives shares, source and cautions; --format json every figure.",
    )
    columns = _LIST_COLUMNS if form in (Format.TABLE, Format.MARKDOWN) else _every_column(records)
    write_listing(Listing("Named workloads", columns, records, footer), form, output)


@app.command()
def show(
    workload: Annotated[str, typer.Argument(help="A name, a workload file or a trace.")],
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Shares of a workload, input sizes down, output sizes across.

    Example: advisor workload show azure-2023-conv
    """
    from advisor.workload.named import load_workload

    found = load_workload(workload)
    if form is Format.JSON:
        from advisor.workload.workload_file import workload_document

        write_text(json_text(workload_document(found)), output)
    elif form is Format.CSV:
        write_listing(_bucket_listing(found), form, output)
    else:
        write_listing(matrix(found), form, output)


@app.command()
def fit(
    trace: Annotated[str, typer.Argument(help="A trace (CSV, JSONL, JSON array, Parquet) or a name.")],
    output: OutputOption = None,
    form: Annotated[
        Format | None, typer.Option("--format", "-f", help="A report instead of the workload file.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The workload's name; the file's if not given.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Where the trace comes from; the file's name if not given.")
    ] = None,
    input_edges: InputEdges = None,
    output_edges: OutputEdges = None,
    input_column: InputColumn = None,
    output_column: OutputColumn = None,
    timestamp_column: TimestampColumn = None,
    timestamp_unit: TimestampUnit = None,
) -> None:
    """Make a workload file from a trace of token counts, with its rate if it has arrival times.

    `-o out.yaml` writes what `recommend --workload out.yaml` accepts (`out.json` writes JSON).

    Example: advisor workload fit requests.csv -o out.yaml --input-edges 100,1000,10000
    """
    from advisor.workload.columns import TraceColumns
    from advisor.workload.workload_file import workload_yaml

    if output is not None and form is None and output.suffix.casefold() not in (".yaml", ".yml", ".json"):
        raise UsageError(f"-o {output}: a workload file ends in .yaml, .yml or .json (or say --format)")
    columns = TraceColumns(input_column, output_column, timestamp_column, timestamp_unit)  # type: ignore[arg-type]
    result = _fitted(trace, name, source, input_edges, output_edges, columns)
    note(*_report(result))
    if form in (Format.TABLE, Format.MARKDOWN):
        write_listing(matrix(result.workload, result.last_edges), form, output)
    elif form is Format.CSV:
        write_listing(_bucket_listing(result.workload), form, output)
    elif form is Format.JSON or (output is not None and output.suffix.casefold() == ".json"):
        from advisor.workload.workload_file import workload_document

        write_text(json_text(workload_document(result.workload)), output)
    else:
        write_text(workload_yaml(result.workload), output)


def _fitted(
    trace: str,
    name: str | None,
    source: str | None,
    input_edges: str | None,
    output_edges: str | None,
    columns: Any,
) -> Fit:
    """The fit of a trace file, or of a named workload's own trace with its source and licence."""
    from advisor.workload.buckets import DEFAULT_INPUT_EDGES, DEFAULT_OUTPUT_EDGES, parse_edges
    from advisor.workload.named import file_words, fit_named, fit_trace, is_path
    from advisor.workload.trace import read_trace

    if name is not None and not (0 < len(name) <= 100 and name.isprintable()):
        raise UsageError(f"--name: {name[:60]!r} is not allowed; one line of 1 to 100 characters")
    if source is not None and not (0 < len(source) <= 2000 and source.isprintable()):
        raise UsageError(f"--source: {source[:60]!r} is not allowed; one line of 1 to 2,000 characters")
    rows = parse_edges(input_edges, "--input-edges") if input_edges is not None else DEFAULT_INPUT_EDGES
    cells = parse_edges(output_edges, "--output-edges") if output_edges is not None else DEFAULT_OUTPUT_EDGES
    if not is_path(trace):
        fit = fit_named(trace, rows, cells)
        renamed = replace(fit.workload, name=name or fit.workload.name, source=source or fit.workload.source)
        return replace(fit, workload=renamed)
    path = Path(trace)
    found = fit_trace(read_trace(path, columns), *file_words(path), rows, cells)
    renamed = replace(
        found.workload, name=name or found.workload.name, source=source or found.workload.source
    )
    return replace(found, workload=renamed)


def _every_column(records: list[dict[str, Any]]) -> tuple[Col, ...]:
    keys = dict.fromkeys(key for record in records for key in record)
    return tuple(Col(key, key) for key in keys)


def _report(result: Fit) -> list[str]:
    """What was read, for stderr."""
    from advisor.workload.named import unread_words

    workload = result.workload
    rate = workload.rate_requests_per_s
    lines = [
        f"{workload.name}: {workload.requests:,} requests in {len(workload.buckets)} buckets, "
        + (
            f"{rate:.4g} requests/s over {result.duration_s:,.0f} s"
            if rate
            else "no arrival times, so no rate"
        )
    ]
    if rate is None and result.duration_s is not None:
        lines[0] = lines[0].replace("no arrival times, so no rate", "all at the same time, so no rate")
    if result.arrivals_from:
        lines.append(f"arrival times: column {result.arrivals_from}")
    if result.unread_times:
        lines.append(unread_words(result.unread_times))
    if result.zero_outputs:
        lines.append(f"requests without output: {result.zero_outputs:,}, each counted as 1 output token")
    if result.overflow:
        lines.append(f"requests beyond the last edge: {result.overflow:,}, in buckets up to the largest seen")
    if result.out_of_order:
        lines.append(f"rows out of order in time: {result.out_of_order:,}, sorted")
    return lines


def _bucket_listing(workload: Workload) -> Listing:
    """One record per bucket."""
    keys = (
        "input_tokens_min", "input_tokens_max", "output_tokens_min", "output_tokens_max",
        "share", "input_tokens", "output_tokens", "size_basis",
    )  # fmt: skip
    records = [{key: getattr(bucket, key) for key in keys} for bucket in workload.buckets]
    columns = tuple(Col(key, key, numeric=key != "size_basis") for key in keys)
    return Listing(f"Workload {workload.name}", columns, records)


def _count(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}"


def _rate(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def _short_source(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:39]}…"


_LIST_COLUMNS = (
    Col("name", "workload"),
    Col("requests", "requests", numeric=True, text=_count),
    Col("rate_requests_per_s", "req/s", numeric=True, text=_rate, importance=2),
    Col("input_tokens_mean", "mean in", numeric=True, text=_count),
    Col("output_tokens_mean", "mean out", numeric=True, text=_count),
    Col("input_tokens_p50", "p50 in", numeric=True, text=_count, importance=4),
    Col("output_tokens_p50", "p50 out", numeric=True, text=_count, importance=4),
    Col("licence", "licence", importance=3),
    Col("source", "source", text=_short_source, importance=5),
)
