"""The same sweep on a Dask cluster: ``pip install 'llm-fleet-advisor[dask]'``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.simulate.sweep import run_job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distributed import Client

    from advisor.simulate.sweep import Job


def on_cluster(jobs: Sequence[Job], client: Client) -> list[bytes]:
    """All jobs on the workers of a cluster, results in the jobs' order; the bytes are those of a serial run.

    Args:
        jobs: what to replay; workers need this package, and the folder of own profiles if a job names one.
        client: a connected ``distributed.Client``; a ``LocalCluster`` for one machine.
    """
    futures = client.map(run_job, list(jobs), pure=True, key="advisor-replay")
    results: list[bytes] = client.gather(futures)  # type: ignore[no-untyped-call]
    return results
