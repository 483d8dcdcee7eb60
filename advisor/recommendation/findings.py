"""What a request is answered from, and everything found on the way to the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.catalog.selection import Selection
    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import Bucket
    from advisor.optimize.candidates import Joined
    from advisor.profiles.query import ProfileStore
    from advisor.recommendation.request import Request


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything public a plan rests on: prices, facts, throughput."""

    snapshot: Snapshot
    facts: Facts
    profiles: ProfileStore


@dataclass(frozen=True, slots=True)
class Findings:
    """A request with what was selected, joined and left out for it."""

    request: Request
    catalog: Catalog
    account: Account | None
    selected: Selection
    joined: Joined
    left_out_share: float  #: of requests, by the coverage asked for
    left_out: tuple[Bucket, ...]
    now: datetime
