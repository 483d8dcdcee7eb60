"""Where a replay's inputs come from: the facts and profiles in the package, and the user's own profiles."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from advisor.errors import UsageError
from advisor.simulate.replaying import ReplayInputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from advisor.plan.plan import Plan
    from advisor.workload.trace import Trace


@lru_cache(maxsize=4)
def open_inputs(own_profiles: Path | None = None) -> ReplayInputs:
    """Facts and throughput evidence, read once per process.

    Raises:
        ProfileMissing: the installation is incomplete.
    """
    from advisor.catalog.facts import load_facts
    from advisor.profiles.query import ProfileStore

    return ReplayInputs(load_facts(), ProfileStore.load(own=own_profiles))


def open_traces(plan: Plan, given: Sequence[str]) -> dict[str, Trace]:
    """The traces of ``FILE`` or ``SERVICE=FILE``, by service; a shipped workload's name stands for its trace.

    Raises:
        UsageError: a bare file for a plan of several services, or a service named twice or not at all.
        InputFileError: not a readable trace.
    """
    from advisor.workload.named import load_trace

    names = [service.name for service in plan.services]
    traces: dict[str, Trace] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or name not in names:
            if len(names) > 1:
                raise UsageError(
                    f"--trace {text!r}: the plan has {len(names)} services; say whose, as SERVICE=FILE with "
                    f"one of {', '.join(names)}"
                )
            name, file = names[0], text
        if name in traces:
            raise UsageError(f"--trace: service {name} has two traces; one is allowed")
        traces[name] = load_trace(file)
    return traces
