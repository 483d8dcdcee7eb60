"""The replica that was planned and replayed: version, batch, prefill chunk, precision of the KV cache.

The plan names the profiles its figures rest on; this asks them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advisor.errors import AdvisorError
from advisor.profiles.engines import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.catalog.facts import Facts
    from advisor.plan.plan import Allocation, Plan, ServiceLine
    from advisor.profiles.query import ProfileStore


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replica's figures rest on; None where no evidence says."""

    engine_version: str | None = None
    max_sequences: int | None = None
    chunk_tokens: int | None = None
    kv_precision: str = "fp16"


NOTHING_KNOWN = Replayed()


def replayed(facts: Facts, profiles: ProfileStore) -> Callable[[Allocation, str, ServiceLine], Replayed]:
    """Asks the profiles about an allocation on an accelerator."""
    from advisor.simulate.drive import drive

    def ask(allocation: Allocation, accelerator: str, service: ServiceLine) -> Replayed:
        kv_precision = Engine.named(service.engine).kv_precision(service.precision)
        try:
            spec = drive(allocation, accelerator, service, facts, profiles).spec
            version = _version(allocation, facts, profiles, service)
        except (AdvisorError, KeyError):
            return Replayed(kv_precision=kv_precision)  # another catalog's names: what the plan says remains
        return Replayed(version, spec.max_sequences, spec.chunk_tokens, kv_precision)

    return ask


def _version(
    allocation: Allocation, facts: Facts, profiles: ProfileStore, service: ServiceLine
) -> str | None:
    """Of the engine, in the profile that answers for most of the replicas' work among those that name one."""
    named = {profile.id: profile for profile in profiles.profiles(facts.models[service.model])}
    work: dict[str, float] = {}
    for load in allocation.load:
        profile = named.get(load.profile.id)
        if profile is not None and profile.engine_version and profile.engine == service.engine:
            share = load.requests_per_s / max(load.capacity_requests_per_s, 1e-12)
            work[profile.engine_version] = work.get(profile.engine_version, 0.0) + share
    return max(sorted(work), key=lambda version: work[version], default=None)


def profiles_changed(plan: Plan, profiles: ProfileStore) -> bool:
    """Whether the profiles at hand are not those the plan was made with."""
    return plan.inputs.profiles_sha256 != profiles.profiles_sha256
