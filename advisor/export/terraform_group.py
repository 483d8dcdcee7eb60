"""Instances of a line that are alike, which is what an instance group of any cloud holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advisor.export.cluster import PREFIX
from advisor.export.order import dns_label, price_note
from advisor.export.serving import Work, crowded, not_served, works
from advisor.text import printable

if TYPE_CHECKING:
    from advisor.export.order import Line


@dataclass(frozen=True, slots=True)
class Group:
    """One instance group."""

    line: Line
    work: Work  #: without seats where nothing can be started

    @property
    def name(self) -> str:
        """Unique in the export."""
        return self.work.name

    @property
    def comment(self) -> str:
        """What the whole line costs; the groups after its first refer to it."""
        first = self.name == self.line.name
        return price_note(self.line.purchase) if first else f"{self.work.instances} more of {self.line.name}"

    @property
    def ports(self) -> list[int]:
        """Of the engines on every instance."""
        return [seat.port for seat in self.work.seats]

    def tags(self) -> dict[str, str]:
        """What the machines are, for bills and inventories."""
        services = "+".join(dict.fromkeys(seat.stand.service.name for seat in self.work.seats))
        said = {"line": self.line.name, "service": services or "none"}
        return {f"{PREFIX}-{key}": dns_label(printable(value)) for key, value in said.items()}


def groups(line: Line) -> list[Group]:
    """The line's instances; one group without work where nothing can be started on them."""
    if not_served(line) or crowded(line):
        return [Group(line, Work(line.name, (), line.purchase.instances))]
    return [Group(line, work) for work in works(line)]
