"""The error tree. Each leaf has one exit code and a message that says what would make it a yes.

AdvisorError                     1   (never raised bare)
├─ UsageError                    2   a bad option, or a bad file the user handed in
│  ├─ UnknownName                2   a name we do not know, with the nearest ones we do
│  └─ InputFileError             2   file, field, value, what is allowed
├─ PlanningError                 3   an expected "no"
│  ├─ NoCandidates               3   nothing that may be bought can serve the demand
│  ├─ Infeasible                 3   candidates exist, but quotas or limits forbid every fleet
│  └─ PlanRefused                3   a plan failed verification
├─ DataError                     4   our own data
│  ├─ CorruptSnapshot            4   unreadable, truncated, or not what its name says
│  ├─ StaleSnapshot              4   older than the limit in force
│  └─ ProfileMissing             4   no throughput evidence where some is required
├─ ProviderError                 5   a provider's API: partial (5) or nothing at all (6)
│  ├─ MissingCredentials         5
│  ├─ AccessDenied               5
│  ├─ Unavailable                5
│  ├─ PayloadError               5
│  └─ NothingPublished           6
├─ SolverFailed                  7   no usable answer
└─ Interrupted                 130   Ctrl-C, where something was kept

Expected outcomes print one line and the next step; all outside this tree is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN_CHARACTERS = 80


class AdvisorError(Exception):
    """Root of everything the advisor raises on purpose; ``exit_code`` is the process exit code."""

    exit_code: ClassVar[int] = 1


class UsageError(AdvisorError):
    """A bad option or a bad input file."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is not known, with up to three near ones that are."""

    def __init__(self, what: str, value: str, known: Iterable[str]) -> None:
        names = sorted(set(known))
        folded = {name.casefold(): name for name in names}
        near = difflib.get_close_matches(value.casefold(), folded, n=3, cutoff=0.55)
        if near:
            hint = f"did you mean {', '.join(folded[name] for name in near)}?"
        elif len(names) <= 12:
            hint = f"known: {', '.join(names) or 'none'}"
        else:
            hint = f"{len(names)} are known"
        super().__init__(f"unknown {what} '{value}': {hint}")
        self.what = what
        self.value = value
        self.near = tuple(folded[name] for name in near)


class InputFileError(UsageError):
    """One bad field of a file the user handed in; a blank field stands for the file as a whole."""

    def __init__(self, file: str, field: str, value: object, allowed: str) -> None:
        plain = not field or isinstance(value, Decimal)
        shown = " ".join(str(value).split()) if plain else repr(value)
        if len(shown) > _SHOWN_CHARACTERS:
            shown = shown[: _SHOWN_CHARACTERS - 3] + "..."
        trouble = f"{file}: {field}: {shown} is not allowed" if field else f"{file}: {shown}"
        super().__init__(f"{trouble}; {allowed}")
        self.file = file
        self.field = field
        self.value = value
        self.allowed = allowed


class PlanningError(AdvisorError):
    """An expected "no"."""

    exit_code = 3


class NoCandidates(PlanningError):
    """Nothing that may be bought can serve the demand."""


class Infeasible(PlanningError):
    """Candidates exist, but the limits in force forbid every fleet."""


class PlanRefused(PlanningError):
    """A plan that does not hold up against its own inputs."""


class DataError(AdvisorError):
    """Our own data is unusable."""

    exit_code = 4


class CorruptSnapshot(DataError):
    """A snapshot that is unreadable, truncated, or not what its name says."""


class StaleSnapshot(DataError):
    """A snapshot older than the limit in force."""


class ProfileMissing(DataError):
    """No throughput evidence where some is required."""


class ProviderError(AdvisorError):
    """A provider's API did not give what was asked; something was still published."""

    exit_code = 5


class MissingCredentials(ProviderError):
    """The provider needs credentials and none were found."""


class AccessDenied(ProviderError):
    """The credentials do not permit the call."""


class Unavailable(ProviderError):
    """The API did not answer in time, or answered with a server error."""


class PayloadError(ProviderError):
    """The API answered with something that is not what it documents."""


class NothingPublished(ProviderError):
    """No provider gave anything; the last snapshot stays in place."""

    exit_code = 6


class SolverFailed(AdvisorError):
    """The solver gave no usable answer."""

    exit_code = 7


class Interrupted(AdvisorError):
    """Ctrl-C, where something was kept that the message says how to go on from."""

    exit_code = 130  # 128 + SIGINT, as shells report it
