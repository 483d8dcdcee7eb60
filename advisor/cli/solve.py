"""``advisor solve``: the allocation problem alone, in the config format of the Mélange release."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advisor.cli.output import Col, Format, Listing, json_text, note, write_listing, write_text
from advisor.errors import PlanningError, UsageError

if TYPE_CHECKING:
    from advisor.optimize.melange import MelangeConfig
    from advisor.optimize.problem import Solution


class Split(StrEnum):
    """How a bucket's stream may be divided among GPUs."""

    SLICES = "slices"
    FLUID = "fluid"


def solve(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Mélange config (JSON).")],
    split: Annotated[
        Split,
        typer.Option(
            help="slices: slice_factor equal parts a bucket, as the release; fluid: any split, never dearer."
        ),
    ] = Split.SLICES,
    time_limit_s: Annotated[
        float, typer.Option(help="Stop after so many seconds with the best fleet found.")
    ] = 60.0,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="json or table, csv, markdown.")
    ] = Format.JSON,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to a file instead of stdout.")
    ] = None,
) -> None:
    """Cheapest GPU counts for a Mélange config, proved.

    Example: advisor solve fixtures/melange/example.json --split fluid --format table
    """

    from advisor.optimize import melange

    if not 0 < time_limit_s < float("inf"):
        raise UsageError(f"--time-limit-s {time_limit_s:g} is not allowed; a positive number of seconds")
    problem = melange.read_config(config)
    for line in melange.notes(problem):
        note(f"note: {line}")
    try:
        solution = melange.solve_config(problem, split=split.value, time_limit_s=time_limit_s)
    except PlanningError as error:
        if form is not Format.JSON:
            raise
        write_text(json_text({"status": "infeasible", "reason": str(error)}), output)
        raise typer.Exit(error.exit_code) from None
    if form is Format.JSON:
        write_text(json_text(melange.answer(problem, solution)), output)
    else:
        write_listing(_listing(problem, solution, split), form, output)


def _listing(config: MelangeConfig, solution: Solution, split: Split) -> Listing:
    served = dict.fromkeys(solution.instances, 0.0)
    for (gpu, _, _), rate in solution.load_requests_per_s.items():
        served[gpu] += rate
    records: list[dict[str, Any]] = [
        {
            "gpu": gpu.name,
            "count": solution.instances[gpu.name],
            "usd_per_hour_each": gpu.usd_per_hour,
            "usd_per_hour": gpu.usd_per_hour * solution.instances[gpu.name],
            "requests_per_s": served[gpu.name],
        }
        for gpu in config.gpus
        if gpu.name in solution.instances
    ]
    proof = (
        "proved optimal"
        if solution.proved
        else f"not proved: within {solution.relative_gap:.2%} of the bound"
    )
    return Listing(
        "Cheapest fleet",
        (
            Col("gpu", "GPU"),
            Col("count", "count", numeric=True),
            Col("usd_per_hour_each", "$/h each", numeric=True),
            Col("usd_per_hour", "$/h", numeric=True),
            Col("requests_per_s", "requests/s", numeric=True, text=lambda rate: f"{rate:.3f}"),
        ),
        records,
        (
            f"Total ${solution.usd_per_hour:f}/h, {proof} ({split.value} split).",
            f"{solution.solver}, {solution.solve_seconds:.3f} s.",
        ),
    )
