"""A third party's adapter, told by the environment what to say."""

import json
from datetime import datetime
from decimal import Decimal

from advisor.domain import Availability, Market, Offer, QuotaLimit, QuotaUnit
from advisor.errors import MissingCredentials, Unavailable
from advisor.provider import Aspect, Ledger, Unseen, collected


class FakeCloud:
    name = "fakecloud"
    permissions = "fakecloud: read-only access to its price list."

    def __init__(self, said):
        self.said = said

    @classmethod
    def from_env(cls, environ):
        if "FAKECLOUD" not in environ:
            raise MissingCredentials("fakecloud: set FAKECLOUD")
        return cls(json.loads(environ["FAKECLOUD"], parse_float=Decimal))

    def collect(self, scope, now):
        if "error" in self.said:
            raise Unavailable(self.said["error"])
        ledger = Ledger(self.name)
        for item in self.said["items"]:
            if "sku" not in item:
                ledger.reject("malformed_item", "item", "no sku")
                continue
            ledger.offer(_offer(item, now), item)
        quotas = [
            QuotaLimit(q["provider"], q["region"], q["pool"], QuotaUnit(q["unit"]), Decimal(q["limit"]))
            for q in self.said.get("quotas", ())
        ]
        unseen = [Unseen(Aspect.PRICE, Market.SPOT, "fakecloud sells no spot")]
        return collected(
            self.name, [ledger.reading()], now=now, quotas=quotas, unseen=unseen, regions_done=["r1"]
        )


def _offer(item, now: datetime):
    return Offer(
        "fakecloud",
        "r1",
        None,
        item["sku"],
        Market.ON_DEMAND,
        Decimal(str(item["price"])),
        "l4-24gb",
        Decimal(1),
        8,
        32.0,
        Availability.AVAILABLE,
        "fakecloud",
        "list",
        now,
        "fakecloud price list",
        None,
        None,
    )
