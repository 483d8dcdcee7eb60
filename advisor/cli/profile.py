"""`advisor profile`: what is known about how fast replicas are, and where each figure comes from."""

from __future__ import annotations

import typer

from advisor.cli import (
    profile_compare,
    profile_estimate,
    profile_fit,
    profile_import,
    profile_list,
    profile_measure,
    profile_next,
    profile_show,
    profile_simulate,
)

app = typer.Typer(
    help="Throughput profiles: ours, your own, estimates, and what to measure next.", no_args_is_help=True
)

app.command("list")(profile_list.list_)
app.command("show")(profile_show.show)
app.command("import")(profile_import.import_)
app.command("measure")(profile_measure.measure)
app.command("forget")(profile_import.forget)
app.command("compare")(profile_compare.compare)
app.command("estimate")(profile_estimate.estimate)
app.command("next")(profile_next.next_)
app.command("simulate")(profile_simulate.simulate)
app.command("fit")(profile_fit.fit)
