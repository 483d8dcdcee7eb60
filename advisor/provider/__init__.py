"""The contract of a provider adapter, and how adapters are found.

An adapter turns what one vendor says into offers, quotas and reasons. Third parties register theirs under
the entry-point group ``advisor.providers``, exactly as the built-in ones do; a module is imported only when
its provider is asked for. Three states, never two: an offer (known), a :class:`Rejection` (said, but
unusable), an :class:`Unseen` (could not be asked, or is not published).
"""

from __future__ import annotations

from advisor.provider.contract import (
    CLOCK_TOLERANCE,
    GLOBAL_REGION,
    REJECTION_REASONS,
    Answer,
    Aspect,
    Collected,
    Fetch,
    PricedOffer,
    Provider,
    Rejection,
    Scope,
    Unseen,
)
from advisor.provider.evidence import canonical_bytes
from advisor.provider.progress import Tell, reporter, reporting
from advisor.provider.reading import Ledger, Reading, collected
from advisor.provider.registry import ENTRY_POINT_GROUP, load_provider, registered

__all__ = [
    "CLOCK_TOLERANCE",
    "ENTRY_POINT_GROUP",
    "GLOBAL_REGION",
    "REJECTION_REASONS",
    "Answer",
    "Aspect",
    "Collected",
    "Fetch",
    "Ledger",
    "PricedOffer",
    "Provider",
    "Reading",
    "Rejection",
    "Scope",
    "Tell",
    "Unseen",
    "canonical_bytes",
    "collected",
    "load_provider",
    "registered",
    "reporter",
    "reporting",
]
