"""`advisor profile measure`: a running endpoint, driven over the bucket grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli.output import Format, FormatOption, OutputOption, note, working
from advisor.cli.profile_kept import keep, names
from advisor.cli.profile_options import (
    EngineVersionOption,
    positive_ms,
    precision_id,
    request_sizes,
    rising_numbers,
)
from advisor.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from advisor.profiles.importers.reading import ImportedFile
    from advisor.profiles.importing import Given
    from advisor.profiles.measure import Campaign, Generator
    from advisor.profiles.replica import Replica


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

    Needs GuideLLM: pip install 'llm-fleet-advisor\\[measure]'. An interrupted run resumes where it stopped.

    Example: [b]advisor profile measure http://127.0.0.1:8000 --model Llama-3.1-8B --accelerator h100-sxm-80gb
    --tp 1 --precision bf16 --engine vLLM --tokenizer ./tokenizer --tpot-ms 80 --sizes 1000x250[/]
    """
    from advisor.profiles.importing import Given
    from advisor.profiles.measure import Campaign, GuideLlm

    given = Given(model, accelerator, tp, precision, engine, engine_version)
    runs = _runs(given)
    limit = positive_ms("--tpot-ms", tpot_ms)
    campaign = Campaign(
        url=url,
        model=served_model or runs.model.hf_id,
        tokenizer=tokenizer,
        sizes=request_sizes(sizes),
        concurrencies=tuple(int(load) for load in rising_numbers("--concurrencies", concurrencies)),
        tpot_ms=limit if limit is not None else tpot_ms,
        ttft_ms=positive_ms("--ttft-ms", ttft_ms),
        requests_each=requests,
        replica=f"{runs.model.id} {runs.precision} {tp} x {runs.accelerator.id} {engine} {engine_version}",
    )
    keep(measured(campaign, state, GuideLlm(guidellm)), given, dry_run=dry_run, form=form, output=output)


def _runs(given: Given) -> Replica:
    """What is said to run there: told before hours are spent on it, not after.

    Raises:
        UsageError: a name is not known, or the weights cannot be there.
    """
    from advisor.profiles.engines import Engine
    from advisor.profiles.physics import too_large
    from advisor.profiles.replica import Replica, Shape

    known = names()
    replica = Replica(
        known.model(given.model or ""),
        precision_id(given.precision or ""),
        known.accelerator(given.accelerator or ""),
        Shape(given.tensor_parallel or 1),
        Engine.named(given.engine, given.engine_version),
    )
    if reason := too_large(replica):
        raise UsageError(reason)
    return replica


def measured(campaign: Campaign, state: Path, generator: Generator) -> list[ImportedFile]:
    """Every load of the campaign, each said as it ends.

    Raises:
        Interrupted: by the user; the message says what is left and how to go on.
    """
    from advisor.profiles.measure import run_campaign

    try:
        return run_campaign(campaign, state, _Watched(generator), note)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: no profile yet; finished loads stay in {state}, the same command goes on there"
        ) from None


@dataclass(frozen=True, slots=True)
class _Watched:
    """A generator that a terminal shows at work."""

    inner: Generator

    def run(self, campaign: Campaign, size: tuple[int, int], concurrency: int, result: Path) -> None:
        with working(f"{size[0]}x{size[1]} at {concurrency}"):
            self.inner.run(campaign, size, concurrency, result)
