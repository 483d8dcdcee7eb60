"""`advisor profile simulate`: let an optional engine fill in what nobody measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from advisor.cli.output import Format, FormatOption, OutputOption, note

_LARGEST_LOADS: Final = "1,2,4,8,16,32,64,128,256,512"


def simulate(
    model: Annotated[str, typer.Option(help="Model to simulate.")],
    accelerator: Annotated[str, typer.Option(help="Accelerator it would run on.")],
    tp: Annotated[int, typer.Option("--tp", min=1, max=64, help="Accelerators per replica.")] = 1,
    precision: Annotated[str, typer.Option(help="Of the weights: bf16, fp8, fp4 …")] = "bf16",
    engine: Annotated[str, typer.Option(help="vLLM, SGLang or TensorRT-LLM.")] = "vLLM",
    tpot_ms: Annotated[float, typer.Option(help="Stop a size once its TPOT is beyond this.")] = 200.0,
    sizes: Annotated[str | None, typer.Option(help="INxOUT,…; default: the whole bucket grid.")] = None,
    concurrencies: Annotated[str, typer.Option(help="Loads to try, rising.")] = _LARGEST_LOADS,
    model_config: Annotated[
        Path | None, typer.Option(help="Folder with the model's config.json, where it is not shipped.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where simulations are kept; default: user cache.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Simulate and show, keep nothing.")] = False,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Simulate a replica with aiconfigurator over the bucket grid, and keep it as a profile of your own.

    Needs the package: pip install 'llm-fleet-advisor\\[aiconfigurator]'. Works offline. Nothing but this
    command runs it; what it found counts as simulated from then on, `advisor profile forget` removes it.

    Example: [b]advisor profile simulate --model Qwen3-32B --accelerator H200 --tp 2 --precision fp8[/]
    """
    from advisor.cli.profile_kept import keep, names
    from advisor.cli.profile_options import request_sizes, rising_numbers
    from advisor.profiles import aiconfigurator_engine as simulator
    from advisor.profiles.engines import Engine
    from advisor.profiles.importing import Given
    from advisor.profiles.replica import Replica, Shape
    from advisor.recommendation.request import checked_number
    from advisor.units import MAX_LATENCY_MS

    checked_number("--tpot-ms", tpot_ms, above=0, at_most=MAX_LATENCY_MS)
    found, known = simulator.load_engine(), names()
    chip = known.accelerator(accelerator)
    replica = Replica(known.model(model), precision, chip, Shape(tp), Engine.named(engine))
    simulation = simulator.simulation_of(
        replica,
        request_sizes(sizes),
        tuple(int(load) for load in rising_numbers("--concurrencies", concurrencies)),
        tpot_ms,
        known=found.models,
        config=model_config,
    )
    reading = simulator.run(simulation, found, cache or _cache_folder(), note)
    given = Given(
        model, accelerator, tp, precision, engine, None, f"{simulator.PACKAGE} {found.version}", "Apache-2.0"
    )
    keep([reading], given, dry_run=dry_run, form=form, output=output)


def _cache_folder() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("advisor") / "simulations"
