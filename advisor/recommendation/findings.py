"""What a request is answered from, and everything found on the way to the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from advisor.recommendation.holding import HeldNow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.catalog.selection import Selection
    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import Bucket
    from advisor.optimize.candidates import Joined
    from advisor.profiles.query import ProfileStore
    from advisor.recommendation.request import Request
    from advisor.recommendation.siting import Siting


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything public a plan rests on: prices, facts, throughput."""

    snapshot: Snapshot
    facts: Facts
    profiles: ProfileStore


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the coverage asked for leaves out of one service."""

    share: float  #: of its requests
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """A request with what was selected, joined and left out for it."""

    request: Request
    catalog: Catalog
    account: Account | None
    selected: Selection
    joined: Joined
    left_out: tuple[LeftOut, ...]  #: per service
    now: datetime
    siting: Siting
    holding: HeldNow = field(default_factory=HeldNow)
    location_of: Mapping[str, str] = field(
        default_factory=dict
    )  #: per ``provider:region``, where users matter
