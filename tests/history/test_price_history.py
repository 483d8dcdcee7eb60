"""A price over time: imported history and snapshots as one series, and its chart."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from history_builders import an_offer, publish

from advisor.catalog.history import Observation, PriceHistory, history_folder, price_history
from advisor.cli.price_chart import CARRIED, RISER, SEEN, price_chart
from advisor.domain import Market
from advisor.errors import CorruptSnapshot, UnknownName, UsageError
from catalogs.build.history import build

if TYPE_CHECKING:
    from pathlib import Path

G6 = ("g6.xlarge", "us-east-1")


def told(history: PriceHistory) -> list[tuple[str, str, str]]:
    return [
        (str(seen.usd_per_hour.normalize()), seen.valid_from.isoformat(), seen.observed_until.isoformat())
        for seen in history.observations
    ]


def test_snapshots_tell_each_price_once_from_first_to_last_sight(tmp_path: Path) -> None:
    paths = [
        publish(tmp_path, f"2026-11-{day:02}", an_offer(usd, f"2026-11-{day:02}"))
        for day, usd in ((1, "0.80"), (8, "0.80"), (15, "0.70"))
    ]
    history = price_history(*G6, snapshots=paths, imported=())
    assert told(history) == [("0.8", "2026-11-01", "2026-11-08"), ("0.7", "2026-11-15", "2026-11-15")]


def test_a_row_kept_with_its_old_stamp_is_no_new_sighting(tmp_path: Path) -> None:
    paths = [publish(tmp_path, day, an_offer("0.80", "2026-11-01")) for day in ("2026-11-01", "2026-11-08")]
    assert told(price_history(*G6, snapshots=paths, imported=())) == [("0.8", "2026-11-01", "2026-11-01")]


def test_a_price_seen_again_after_a_long_silence_is_another_observation(tmp_path: Path) -> None:
    paths = [publish(tmp_path, day, an_offer("0.80", day)) for day in ("2026-01-01", "2026-11-08")]
    assert len(price_history(*G6, snapshots=paths, imported=()).observations) == 2


def test_superseded_prices_are_history_and_estimates_are_not(tmp_path: Path) -> None:
    path = publish(
        tmp_path,
        "2026-11-08",
        an_offer("0.90", "2026-10-01", flags=("superseded",)),
        an_offer("0.80", "2026-11-08"),
        an_offer("0.10", "2024-08-09", market=Market.SPOT, flags=("estimated_price",)),
    )
    history = price_history(*G6, snapshots=[path], imported=())
    assert [usd for usd, _, _ in told(history)] == ["0.9", "0.8"]


def test_market_zone_and_first_day_narrow_the_series(tmp_path: Path) -> None:
    days = ("2026-11-01", "2026-11-08", "2026-11-15")
    paths = [
        publish(
            tmp_path,
            day,
            an_offer("0.80", day),
            an_offer(f"0.3{n}", day, market=Market.SPOT, zone="use1-az1"),
            an_offer(f"0.4{n}", day, market=Market.SPOT, zone="use1-az2"),
        )
        for n, day in enumerate(days)
    ]
    spot = price_history(*G6, Market.SPOT, snapshots=paths, imported=(), zone="use1-az2")
    assert [usd for usd, _, _ in told(spot)] == ["0.4", "0.41", "0.42"]
    since = price_history(
        *G6, Market.SPOT, snapshots=paths, imported=(), zone="use1-az2", since=date(2026, 11, 10)
    )
    assert [usd for usd, _, _ in told(since)] == ["0.41", "0.42"]  # 0.41 was still in force that day
    with pytest.raises(UnknownName, match="did you mean use1-az"):
        price_history(*G6, snapshots=paths, imported=(), zone="use1-az9")


def test_names_nobody_priced_are_told_with_near_ones(tmp_path: Path) -> None:
    paths = [publish(tmp_path, "2026-11-01", an_offer())]
    with pytest.raises(UnknownName, match=r"did you mean g6\.xlarge"):
        price_history("g6.xlrge", "us-east-1", snapshots=paths, imported=())
    with pytest.raises(UnknownName, match=r"region with a price of g6\.xlarge 'us-east-2'"):
        price_history("g6.xlarge", "us-east-2", snapshots=paths, imported=())
    with pytest.raises(UnknownName):
        price_history("g6.xlarge", "us-east-1", snapshots=(), imported=())


def test_one_name_at_two_providers_asks_which(tmp_path: Path) -> None:
    path = publish(tmp_path, "2026-11-01", an_offer("1"), an_offer("2", provider="lambda"))
    with pytest.raises(UsageError, match="aws and lambda"):
        price_history(*G6, snapshots=[path], imported=())
    assert told(price_history(*G6, snapshots=[path], imported=(), provider="lambda"))[0][0] == "2"


def test_a_broken_file_is_named_never_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "2026-11-01-000000000000.parquet"
    broken.write_bytes(b"PAR1 but no more")
    with pytest.raises(CorruptSnapshot, match="cannot be read"):
        price_history(*G6, snapshots=[broken], imported=())


def test_a_folder_with_an_odd_name_is_read_as_it_is(tmp_path: Path) -> None:
    path = publish(tmp_path / "it's [here]*", "2026-11-01", an_offer())
    assert len(price_history(*G6, snapshots=[path], imported=()).observations) == 1


IMPORTED = sorted(history_folder().glob("*.parquet"))


def test_the_shipped_history_tells_the_cut_of_june_2025() -> None:
    history = price_history("p5.48xlarge", "us-east-1", Market.ON_DEMAND, snapshots=(), imported=IMPORTED)
    assert told(history) == [("98.32", "2023-09-18", "2025-03-31"), ("55.04", "2025-06-23", "2026-07-20")]
    assert history.observations[0].licence == "Apache-2.0"
    assert "karpenter-provider-aws" in history.observations[0].source


def test_the_shipped_history_tells_the_slip_in_poland() -> None:
    slip = ("Standard_ND96amsr_A100_v4", "polandcentral", Market.ON_DEMAND)
    assert [usd for usd, *_ in told(price_history(*slip, snapshots=(), imported=IMPORTED))] == [
        "46.861", "7.692", "46.89"
    ]  # fmt: skip


def test_a_price_per_accelerator_is_told_for_the_instance() -> None:
    """2026-05-08, vast, 2 × A100 80GB PCIe in US: median 0.4048 per accelerator-hour."""
    history = price_history(
        "2x_a100_pcie_80gb", "US", Market.ON_DEMAND, snapshots=(), imported=IMPORTED, provider="vast"
    )
    assert history.observations[0].usd_per_hour == Decimal("0.8096")
    assert history.observations[0].valid_from == date(2026, 5, 8)


ON_DEMAND = "date,region,instance_type,on_demand_usd_per_hour\n2024-01-01,r,t,1\n"


def collected(folder: Path) -> Path:
    """A made-up folder of collected history with one type each."""
    history = folder / "prices" / "history"
    history.mkdir(parents=True)
    files = {
        "aws_spot_daily_2023_2024.csv": "date,region,instance_type,spot_usd_per_hour\n"
        "2024-01-01,r,t,1\n2024-01-02,r,t,2\n2024-01-04,r,t,2\n",
        "azure_spot_daily_2023_2024.csv": "date,region,instance_type,spot_usd_per_hour\n2024-01-01,r,t,1\n",
        "spot_daily_2023_2024_snapshot_dates.csv": "date\n2024-01-01\n2024-01-02\n2024-01-03\n2024-01-09\n",
        "gcp_weekly_2026.csv": "date,region,instance_type,on_demand_usd_per_hour,spot_usd_per_hour\n"
        "2026-05-04,r,t,4,1\n2026-05-11,r,t,4,\n",
        "aws_us_east_1_on_demand_2023_2026.csv": ON_DEMAND,
        "azure_on_demand_2023_2026.csv": ON_DEMAND,
        "neocloud_daily_2026.csv": "date,provider,accelerator_name,accelerator_form,accelerator_count,region,"
        "rental_type,min_usd_per_gpu_hour,median_usd_per_gpu_hour,max_usd_per_gpu_hour,n_offers\n"
        "2026-05-01,vast,H200,SXM,2,US,spot,1,1.5,2,3\n2026-05-02,vast,H200,SXM,2,US,spot,1,1.5,3,4\n"
        "2026-05-20,vast,H200,SXM,2,US,spot,1,1.5,2,3\n"
        "2026-05-01,runpod,H200,SXM,1,secure,on_demand,3,3,3,1\n"
        "2026-05-01,runpod,H200,SXM,1,any,on_demand,2,2,2,1\n",
        "aws_spot_availability_traces_2022.csv": (
            "zone,accelerator_name,accelerator_count,gap_seconds,n_samples,unavailable_fraction,"
            "preemption_events,run_lengths_state_colon_count\nz,V100-16GB,1,600,5,0.4,1,0:3 1:2\n"
        ),
    }
    for name, text in files.items():
        (history / name).write_text(text)
    return folder


def rows(path: Path, columns: str) -> list[tuple[object, ...]]:
    import duckdb

    return duckdb.connect().execute(f"SELECT {columns} FROM read_parquet(?)", [str(path)]).fetchall()  # noqa: S608


def test_a_change_only_file_stays_change_only_and_says_until_when_it_was_seen(tmp_path: Path) -> None:
    build(collected(tmp_path / "from"), tmp_path)
    found = rows(
        tmp_path / "history" / "aws_spot_2023_2024.parquet", "usd_per_hour, valid_from, observed_until"
    )
    assert found == [
        (Decimal(1), date(2024, 1, 1), date(2024, 1, 1)),
        (Decimal(2), date(2024, 1, 2), date(2024, 1, 9)),
    ]
    blank_is_no_price = rows(
        tmp_path / "history" / "gcp_2026.parquet", "market, usd_per_hour, observed_until"
    )
    assert blank_is_no_price == [
        ("on_demand", Decimal(4), date(2026, 5, 11)),
        ("spot", Decimal(1), date(2026, 5, 11)),
    ]


def test_a_daily_file_becomes_runs_that_end_where_the_series_fell_silent(tmp_path: Path) -> None:
    build(collected(tmp_path / "from"), tmp_path)
    columns = "provider, region, instance_type, usd_per_hour, accelerators, valid_from, observed_until, basis"
    assert rows(tmp_path / "history" / "neocloud_2026.parquet", columns) == [
        ("runpod", "global", "secure_1x_h200", Decimal(3), Decimal(1), date(2026, 5, 1), date(2026, 5, 1),
         "per_accelerator"),
        ("vast", "US", "2x_h200", Decimal("1.5"), Decimal(2), date(2026, 5, 1), date(2026, 5, 2),
         "per_accelerator"),
        ("vast", "US", "2x_h200", Decimal("1.5"), Decimal(2), date(2026, 5, 20), date(2026, 5, 20),
         "per_accelerator"),
    ]  # fmt: skip


def test_availability_probes_keep_their_runs(tmp_path: Path) -> None:
    build(collected(tmp_path / "from"), tmp_path)
    path = tmp_path / "history" / "availability" / "aws_spot_2022.parquet"
    assert rows(path, "zone, accelerator, run, available, samples") == [
        ("z", "v100-sxm-16gb", 1, True, 3),
        ("z", "v100-sxm-16gb", 2, False, 2),
    ]


def test_the_same_source_makes_the_same_bytes(tmp_path: Path) -> None:
    source = collected(tmp_path / "from")
    for name in ("one", "two"):
        build(source, tmp_path / name)
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_every_file_shipped_names_its_source_and_stays_small() -> None:
    listed = (history_folder() / "SOURCES.md").read_text()
    assert len(IMPORTED) == 6
    for path in IMPORTED:
        assert f"| {path.name} |" in listed
        assert path.stat().st_size < 150_000
        assert rows(path, "count(*) FILTER (source IS NULL OR usd_per_hour <= 0)") == [(0,)]
        assert rows(path, "count(*) FILTER (observed_until < valid_from)") == [(0,)]


def an_observation(usd: str, since: str, until: str) -> Observation:
    days = (date.fromisoformat(since), date.fromisoformat(until))
    return Observation("aws", "r", None, "t", Market.SPOT, Decimal(usd), *days, "s", None, "f")


def test_a_chart_has_a_value_at_every_row_and_a_day_at_both_ends() -> None:
    lines = price_chart(
        [an_observation("100", "2024-01-01", "2024-06-30"), an_observation("50", "2024-07-01", "2024-12-31")],
        date(2025, 6, 30),
        60,
    )
    assert max(map(len, lines)) <= 60
    assert [line.split("┤")[0].strip() for line in lines if "┤" in line] == [
        "105", "90", "75", "60", "45", "30", "15", "0"
    ]  # fmt: skip
    assert lines[-2].split() == ["2024-01-01", "2024-09-30", "2025-06-30"]
    assert lines[-1] == f"USD an hour: {SEEN} seen, {CARRIED} carried forward, nobody looked."


def test_a_chart_draws_steps_and_tells_seen_from_carried() -> None:
    lines = price_chart(
        [an_observation("100", "2024-01-01", "2024-06-30"), an_observation("50", "2024-07-01", "2024-12-31")],
        date(2025, 6, 30),
        60,
    )
    row = {line.split("┤")[0].strip(): line.split("┤")[1] for line in lines if "┤" in line}
    assert row["105"].strip(SEEN) == ""
    assert row["45"].lstrip()[0] == SEEN
    assert row["45"].endswith(CARRIED)
    assert RISER in row["75"]
    assert len(row["45"]) == 60 - 5


def test_a_chart_of_small_moves_says_that_its_axis_does_not_start_at_zero() -> None:
    lines = price_chart(
        [
            an_observation("0.80", "2024-01-01", "2024-01-31"),
            an_observation("0.81", "2024-02-01", "2024-02-28"),
        ],
        date(2024, 2, 28),
        80,
    )
    assert lines[-1].endswith("the axis does not start at 0.")
    assert [line.split("┤")[0].strip() for line in lines if "┤" in line] == ["0.82", "0.81", "0.80"]


def test_a_chart_of_one_price_on_one_day_is_drawn_too() -> None:
    lines = price_chart([an_observation("2.5", "2024-01-01", "2024-01-01")], date(2024, 1, 1), 40)
    assert sum(SEEN in line for line in lines[:-1]) == 1
