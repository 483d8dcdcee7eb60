"""What is served: demand, the exact meaning of the SLO, who serves what, and what a million tokens cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from advisor.domain import EvidenceKind
from advisor.report.blocks import Block, Column, Fact, Facts, Kind, Section, Sentences, Table
from advisor.report.purchase_sections import market_words
from advisor.report.tokens import token_economics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from advisor.catalog.hosted_api import HostedPrice
    from advisor.plan.plan import Plan, ServiceLine
    from advisor.report.beside import Beside
    from advisor.report.blocks import Value
    from advisor.report.tokens import TokenEconomics

DEFINITIONS: Final = (
    (
        "TPOT: time per output token after the first, (last token − first token) / (output tokens − 1), of "
        "one request. The first token is not part of it."
    ),
    "ITL: every gap between two tokens of a request; a statistic of it is taken over all gaps.",
    "TTFT: time from the arrival of a request to its first token, queueing included.",
    "E2E: time from the arrival of a request to its last token, queueing included.",
    (
        "A statistic (mean, p50, p90, p99) is taken over the requests of one size bucket in steady state at "
        "the planned load; p99 is the value 99 % of requests stay below. Network time to the user is not "
        "part of it."
    ),
    "Headroom: the share of every replica's capacity that the plan leaves free.",
)
_SHOWN_BUCKETS: Final = 12
_SHOWN_OTHER_MODELS: Final = 5
_LIKE_FOR_LIKE: Final = ("break_even_requests_per_s", "against_load")


def demand(plan: Plan) -> Section:
    """Every service with its stream of requests."""
    blocks: list[Block] = []
    for service in plan.services:
        blocks.append(Facts(tuple(_service_facts(service))))
        largest = sorted(service.buckets, key=lambda bucket: -bucket.share)[:_SHOWN_BUCKETS]
        rest = len(service.buckets) - len(largest)
        more = f", the {len(largest)} largest of {len(service.buckets)}" if rest else ""
        blocks.append(
            Table(
                f"demand_{plan.services.index(service) + 1}",
                f"Request sizes of {service.name}{more}",
                (
                    Column("input_tokens", "Input tokens"),
                    Column("output_tokens", "Output tokens"),
                    Column("share", "Share of requests", Kind.SHARE),
                    Column("requests_per_s", "Requests/s", Kind.NUMBER),
                ),
                tuple(
                    (
                        f"{b.input_tokens_min + 1:,} to {b.input_tokens_max:,}",
                        f"{b.output_tokens_min + 1:,} to {b.output_tokens_max:,}",
                        b.share,
                        b.requests_per_s,
                    )
                    for b in largest
                ),
            )
        )
    return Section("demand", "Demand", tuple(blocks))


def _service_facts(service: ServiceLine) -> list[Fact]:
    traffic = service.traffic
    facts = [
        Fact("Service", service.name),
        Fact("Model", f"{service.model}, weights in {service.precision}"),
        Fact("Engine", f"{service.engine} (version: as in each throughput profile)"),
        Fact("Rate, requests/s", service.rate_requests_per_s, Kind.NUMBER),
        *([Fact("Rate comes from", service.rate_basis)] if service.rate_basis else []),
        Fact("Workload", f"{service.workload}: {service.workload_source}"),
        Fact("SLO", service.slo),
        Fact("Headroom", service.headroom, Kind.SHARE),
        Fact("Requests left out of the plan", service.left_out_share, Kind.SHARE),
    ]
    if traffic.prefix_cache_hit_rate:
        facts.append(Fact("Input tokens served from cache", traffic.prefix_cache_hit_rate, Kind.SHARE))
    if traffic.reasoning_tokens:
        facts.append(Fact("Hidden output tokens per request", traffic.reasoning_tokens, Kind.NUMBER))
    if traffic.lora_adapters:
        facts.append(Fact("LoRA adapters", f"{traffic.lora_adapters} of rank {traffic.lora_rank}"))
    if service.served_share < 1:
        facts.append(Fact("Requests the budget pays for", service.served_share, Kind.SHARE))
    for users in service.users:
        served = ", ".join(users.served_from) or "nowhere"
        facts.append(Fact(f"Users near {users.at}", f"{users.share:.1%} of requests, served from {served}"))
    return facts


def slo(plan: Plan) -> Section:
    """The limits, and what their words mean."""
    limits = tuple(f"{service.name}: {service.slo}." for service in plan.services)
    return Section("slo", "SLO, exact definitions", (Sentences(limits), Sentences(DEFINITIONS)))


def serving(plan: Plan) -> Section:
    """Which replicas serve what, how full they are, and how good the evidence is."""
    columns = (
        Column("service", "Service"),
        Column("line", "On"),
        Column("tensor_parallel", "Tensor parallel", Kind.COUNT),
        Column("replicas", "Replicas", Kind.COUNT),
        Column("requests_per_s", "Requests/s", Kind.NUMBER),
        Column("utilization", "Utilisation", Kind.SHARE),
        Column("evidence", "Weakest evidence"),
        Column("error_pct", "Typical error, %", Kind.NUMBER),
        Column("profile", "Profile", Kind.CODE),
    )
    rows = tuple(
        (
            a.service,
            f"{a.instance_type} {market_words(a.market)}, {a.region if a.zone is None else a.zone}",
            a.tensor_parallel,
            a.replicas,
            math.fsum(load.requests_per_s for load in a.load),
            a.utilization,
            a.profile.kind.value,
            a.profile.error_pct,
            a.profile.id,
        )
        for a in plan.allocations
    )
    return Section(
        "serving",
        "Serving, headroom and evidence of throughput",
        (Table("serving", "Replicas", columns, rows), Sentences((_evidence_mix(plan),))),
    )


def _evidence_mix(plan: Plan) -> str:
    rate = dict.fromkeys(EvidenceKind, 0.0)
    for allocation in plan.allocations:
        for load in allocation.load:
            rate[load.profile.kind] += load.requests_per_s
    whole = math.fsum(rate.values())
    parts = [f"{rate[kind] / whole:.0%} {kind.value}" for kind in EvidenceKind if whole and rate[kind]]
    return f"Throughput behind the planned requests: {', '.join(parts) or 'none'}."


def token_cost(plan: Plan, beside: Beside, fleet_usd_per_hour: Decimal) -> Section:
    """Effective dollars per million tokens, and what hosted APIs ask for the same tokens."""
    services = token_economics(plan, fleet_usd_per_hour)
    own = Table(
        "token_cost",
        "Effective cost of a million tokens on this fleet",
        (
            Column("service", "Service"),
            Column("input_tokens_per_s", "Input tokens/s", Kind.NUMBER),
            Column("output_tokens_per_s", "Output tokens/s", Kind.NUMBER),
            Column("usd_per_hour", "USD/h", Kind.USD_RATE),
            Column("usd_per_million_at_load", "USD per million at the stated load", Kind.USD_RATE),
            Column("usd_per_million_full", "USD per million at saturation", Kind.USD_RATE),
            Column("saturation_requests_per_s", "Saturated at, requests/s", Kind.NUMBER),
        ),
        tuple(
            (
                each.service.name,
                each.input_tokens_per_hour / 3600,
                each.output_tokens_per_hour / 3600,
                each.usd_per_hour,
                each.usd_per_million_at_load,
                each.usd_per_million_when_full,
                each.served_requests_per_s * each.saturation_factor,
            )
            for each in services
        ),
    )
    said = Sentences(
        (
            (
                "A million tokens are input and output tokens together, in the mix of the demand, each "
                "request at the size that stands for its bucket."
            ),
            (
                "Saturation is the same mix and routing scaled until the busiest replicas have no capacity "
                "left, headroom included; the SLO's margin is then gone."
            ),
        )
    )
    return Section(
        "token_cost", "Cost per million tokens", (own, said, *_hosted(services, beside))
    )  # fmt: skip


def _hosted(services: list[TokenEconomics], beside: Beside) -> list[Block]:
    if not beside.hosted:
        return [Sentences(("Hosted API prices: none on file.",))]
    columns: tuple[Column, ...] = (
        Column("service", "Service"),
        Column("host", "Host"),
        Column("model", "Hosted model"),
        Column("like_for_like", "Same model"),
        Column("input_usd_per_million", "Input, USD per million", Kind.USD_RATE),
        Column("output_usd_per_million", "Output, USD per million", Kind.USD_RATE),
        Column("usd_per_million", "This mix, USD per million", Kind.USD_RATE),
        Column("break_even_requests_per_s", "Break-even load, requests/s", Kind.NUMBER),
        Column("against_load", "Break-even / stated load", Kind.NUMBER),
        Column("observed_on", "Seen on", Kind.DAY),
    )
    rows = tuple(row for each in services for row in _hosted_rows(each, beside.hosted))
    like = any(price.canonical_model == each.service.model for each in services for price in beside.hosted)
    if not like:  # no row has a break-even load, and columns of dashes say nothing
        keep = [at for at, column in enumerate(columns) if column.key not in _LIKE_FOR_LIKE]
        columns = tuple(columns[at] for at in keep)
        rows = tuple(tuple(row[at] for at in keep) for row in rows)
    table = Table("hosted", "Hosted API list prices for the same tokens", columns, rows)
    return [table, Sentences(tuple(_hosted_words(services, beside)))]


def _hosted_rows(each: TokenEconomics, hosted: Sequence[HostedPrice]) -> list[tuple[Value, ...]]:
    """The very model first, then the cheapest of other models."""
    model = each.service.model
    ordered = sorted(
        hosted, key=lambda p: (p.canonical_model != model, each.hosted_usd_per_hour(p), p.model_id)
    )
    alike = [price for price in ordered if price.canonical_model == model]
    rows: list[tuple[Value, ...]] = []
    for price in [*alike, *ordered[len(alike) :][:_SHOWN_OTHER_MODELS]]:
        same = price.canonical_model == model
        load = each.break_even_requests_per_s(price) if same else None
        rows.append(
            (
                each.service.name,
                price.provider,
                f"{price.model} ({price.note})" if same and price.note else price.model,
                "yes" if same else "no",
                price.input_usd_per_million_tokens,
                price.output_usd_per_million_tokens,
                each.hosted_usd_per_million(price),
                load,
                load / each.served_requests_per_s if load and each.served_requests_per_s else None,
                price.observed_on,
            )
        )
    return rows


def _hosted_words(services: list[TokenEconomics], beside: Beside) -> list[str]:
    said = [
        f"Break-even price of {each.service.name}: a hosted API of {each.service.model} is cheaper than this "
        f"fleet below {each.usd_per_million_at_load} USD per million tokens of this mix at the stated load, "
        f"below {each.usd_per_million_when_full} at saturation."
        for each in services
        if each.usd_per_million_at_load is not None
    ]
    unmatched = [
        each.service.name
        for each in services
        if not any(price.canonical_model == each.service.model for price in beside.hosted)
    ]
    if unmatched:
        said.append(
            f"No hosted price on file is for the very model of {', '.join(unmatched)}: the rows marked "
            "'no' are other models, the cheapest on file, for orientation only."
        )
    if len(unmatched) < len(services):
        said.append(
            "Break-even load: above it this fleet is cheaper than the hosted API, below it dearer; beyond "
            "saturation more instances are needed. It is stated only for the very model the plan serves."
        )
    pages = sorted({f"{p.price_page or p.provider} ({p.source}, {p.licence})" for p in beside.hosted})
    return [*said, f"Hosted prices are list prices, collected from {', '.join(pages)}."]
