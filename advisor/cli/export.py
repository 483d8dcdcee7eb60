"""`advisor export`: a plan in the words of what provisions it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli import options
from advisor.cli.output import note, write_text
from advisor.errors import PlanningError, UsageError
from advisor.export.targets import TARGETS, Target
from advisor.text import printable

if TYPE_CHECKING:
    from advisor.export.bundle import Bundle
    from advisor.export.order import Facts
    from advisor.plan.plan import Plan

_FILE_ENDINGS = (".yaml", ".yml", ".tf", ".json")  # .tf.json ends in .json


def export(
    plan: Annotated[str, typer.Argument(help="Plan file, or - for standard input.", metavar="PLAN")],
    to: Annotated[Target, typer.Option("--to", help="What the plan is handed to.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A folder; or, where the export is a single file, that file."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Ask the target's own tool, where it is installed; write only with -o."),
    ] = False,
    edited: options.Edited = False,
) -> None:
    """Write the files that provision a plan: the same instances, at the plan's prices.

    skypilot: a task per purchase line. skypilot-service: a SkyServe service.
    terraform: instance groups on AWS, Azure and Google Cloud.
    karpenter: node pools. kubernetes: vLLM Deployments. gateway: weights.
    aibrix: GPU profiles. litellm: a router's weights. dstack: fleets and services.
    What a target cannot hold is named on stderr.

    Example: [b]advisor recommend --region us-east-1 --format json | advisor export - --to skypilot[/]
    """
    from advisor.catalog.facts import load_facts
    from advisor.cli.export_folder import write_folder
    from advisor.cli.profile_options import own_folder
    from advisor.export.order import Facts
    from advisor.export.replayed import profiles_changed, replayed
    from advisor.export.targets import export as exported
    from advisor.export.targets import joined
    from advisor.plan.read import read_plan
    from advisor.profiles.query import ProfileStore
    from advisor.verification import capacities_of

    asked, facts = read_plan(plan, edited=edited), load_facts()
    profiles = ProfileStore.load(own=own_folder())
    known = Facts(
        facts.models, facts.accelerators, replayed(facts, profiles), capacities_of(asked, facts, profiles)
    )
    bundle = exported(asked, to, known)
    if profiles_changed(asked, profiles):
        note("the throughput profiles are not those of the plan: engine versions and batches are today's")
    if check:
        _checked(asked, bundle, to, known)
    if output is None and check:
        return
    if output is None:
        write_text(joined(bundle, to), None)
        if len(bundle.files) > 1:
            note(f"{len(bundle.files)} files, each for a place of its own: -o FOLDER writes them apart")
    elif output.suffix.casefold() in _FILE_ENDINGS and not output.is_dir():
        _write_file(bundle, output, to, force=force)
    else:
        write_folder(bundle.files, output, force=force)
    _say(bundle, output)


def _checked(plan: Plan, bundle: Bundle, to: Target, facts: Facts) -> None:
    """Say what was checked; a refusal ends the command with nothing written."""
    from advisor.export.check import check
    from advisor.export.order import order

    verdicts = check(order(plan, facts), to, bundle)
    write_text("".join(f"{one}\n" for one in verdicts), None)
    refused = [one for one in verdicts if one.holds is False]
    if refused:
        raise PlanningError(f"{to.value}: {len(refused)} of {len(verdicts)} checks refused what was written")


def _write_file(bundle: Bundle, output: Path, to: Target, *, force: bool) -> None:
    ending, name = TARGETS[to].ending, output.name.casefold()
    if not name.endswith((ending, ending.replace(".yaml", ".yml"))):
        raise UsageError(f"-o {output}: files of {to.value} end in {ending}; a folder takes any name")
    if output.is_file() and not force:
        raise UsageError(f"{output} is there already; --force replaces it")
    if len(bundle.files) > 1:
        names = ", ".join(file.name for file in bundle.files)
        raise UsageError(f"-o {output}: the export has {len(bundle.files)} files ({names}); name a folder")
    write_text(bundle.files[0].text, output)


def _say(bundle: Bundle, output: Path | None) -> None:
    if output is not None:
        names = ", ".join(file.name for file in bundle.files)
        note(f"wrote {printable(str(output))}: {names}")
    note(*(printable(f"left out: {one.line}: {one.why}") for one in bundle.left_out))
    note(*(f"fill in: {words}" for words in bundle.fill_in))
