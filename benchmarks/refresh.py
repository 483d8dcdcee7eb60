"""A whole refresh against loopback servers: 30 regions of three clouds, 50 ms late with every answer.

    python benchmarks/refresh.py [--regions 30] [--delay-ms 50] [--bulk-mb 10] [--profile FILE]

The servers stand in a process of their own and hold the contract suite's typical answers, once per region.
Every refresh is the whole command in a fresh process, Python's start included. All in one run:

    with keys      `advisor refresh -p aws -p azure -p gcp`, then the same again
    without keys   `advisor refresh -p aws -p azure`: AWS's price list files of 30 regions, then again
    bare paging    what the questions cost by themselves: the very requests the adapters had sent, sent again,
                   nothing parsed; one after another over one connection, and as many at once as the adapter

Cached are answers fetched over the project's own HTTP session (Azure's prices, Google's billing catalogue,
AWS's Spot Advisor) and what was found in AWS's price list files: all that is public. What boto3 and Google's
Compute SDK are asked (stock, quotas, spot prices) is asked every time, on purpose: it is what changes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection

ROOT: Final = Path(__file__).resolve().parents[1]
TYPICAL: Final = {
    name: ROOT / "fixtures" / "providers" / name / "typical" for name in ("aws", "azure", "gcp")
}
CLOUDS: Final = tuple(TYPICAL)
AT_ONCE: Final = {"aws": 10, "azure": 6, "gcp": 6}
"""Requests under way at a time: REGIONS_AT_ONCE, WORKERS, _WORKERS of the adapters."""
VERSION: Final = "20260910195514"
EC2: Final = {
    "DescribeInstanceTypes": "instance-types.xml",
    "DescribeInstanceTypeOfferings": "offerings.us-west-2.xml",
    "DescribeSpotPriceHistory": "spot.us-west-2.documented.xml",
}
JSON_TARGETS: Final = {
    "GetProducts": "products.us-west-2.json",
    "ListServiceQuotas": "quotas.documented.json",
    "ListAWSDefaultServiceQuotas": "default-quotas.documented.json",
    "GetMetricData": "usage.documented.json",
}
SKUS: Final = ("skus.1.recorded.json", "skus.2.documented.json", "skus.3.synthetic.json")


@dataclass(frozen=True)
class Asked:
    """One request as it was received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


# --- the vendors


class World:
    """What each vendor answers."""

    def __init__(self, regions: int, bulk_mb: int) -> None:
        from aws_bulk import blocks

        from providers.azure.regions import REGIONS

        self._head, self._block, self._times = blocks(bulk_mb)

        self.aws = [f"{place}-{side}-{n}" for n in (1, 2, 3) for place in ("us", "eu", "ap", "sa", "ca")
                    for side in ("east", "west")][:regions]  # fmt: skip
        self.azure = REGIONS[:regions]
        self.gcp = [
            f"{place}{n}" for n in range(1, 11) for place in ("us-central", "europe-west", "asia-east")
        ]
        self.gcp = self.gcp[:regions]
        self._retail = json.loads((TYPICAL["azure"] / "retail-prices.json").read_text())
        self._listing = _google_listing(self.gcp)
        self._pages = _google_pages(self.gcp)

    def answer(self, cloud: str, asked: Asked) -> bytes:
        """The body of the answer."""
        return {"aws": self._aws, "azure": self._azure, "gcp": self._gcp}[cloud](asked)

    def _public(self, path: str) -> bytes:
        """AWS without keys: the index of price lists, a region's list, or the Spot Advisor's file."""
        if path.endswith("/region_index.json"):
            where = f"/offers/v1.0/aws/AmazonEC2/{VERSION}/{{}}/index.json"
            entries = {name: {"currentVersionUrl": where.format(name)} for name in self.aws}
            return json.dumps({"regions": entries}).encode()
        if path.endswith("/index.csv"):
            here = path.split("/")[-2].encode()
            return self._head + self._block.replace(b"us-east-1", here) * self._times
        return (TYPICAL["aws"] / "spot-advisor.json").read_bytes()

    def _aws(self, asked: Asked) -> bytes:
        if asked.method == "GET":
            return self._public(asked.path)
        target = asked.headers.get("x-amz-target", "").rpartition(".")[2]
        if target:
            here = json.loads(asked.body).get("Filters", [{}] * 7)[6].get("Value", "")
            content = (TYPICAL["aws"] / JSON_TARGETS[target]).read_bytes()
            return content.replace(b"us-west-2", here.encode()) if here else content
        action = re.search(rb"Action=(\w+)", asked.body)[1].decode()  # type: ignore[index]
        if action == "DescribeRegions":
            return self._aws_regions()
        here = asked.headers["authorization"].split("/")[2]
        return (TYPICAL["aws"] / EC2[action]).read_bytes().replace(b"us-west-2", here.encode())

    def _aws_regions(self) -> bytes:
        items = "".join(
            f"<item><regionName>{name}</regionName><optInStatus>opted-in</optInStatus></item>"
            for name in self.aws
        )
        space = "http://ec2.amazonaws.com/doc/2016-11-15/"
        name = "DescribeRegionsResponse"
        return f'<{name} xmlns="{space}"><regionInfo>{items}</regionInfo></{name}>'.encode()

    def _azure(self, asked: Asked) -> bytes:
        words = unquote_plus(asked.path)
        here = re.search(r"armRegionName eq '(\w+)'", words)[1]  # type: ignore[index]
        half = len(self._retail["Items"]) // 2
        second = "$skip=" in words
        items = self._retail["Items"][half:] if second else self._retail["Items"][:half]
        link = None if second else "https://prices.azure.com:443/api/retail/prices?$skip=1000"
        return json.dumps(
            {"Items": [{**i, "armRegionName": here} for i in items], "NextPageLink": link}
        ).encode()

    def _gcp(self, asked: Asked) -> bytes:
        place = urlsplit(asked.path).path
        if place.endswith("/skus"):
            page = re.search(r"pageToken=p(\d)", asked.path)
            return self._pages[int(page[1]) if page else 0]
        for ending, file in (("/acceleratorTypes", "accelerator-types"), ("/quotaInfos", "quota-infos"),
                             ("/regions", "regions"), ("/example-project", "project")):  # fmt: skip
            if place.endswith(ending):
                return (TYPICAL["gcp"] / f"{file}.json").read_bytes()
        return self._listing


def _google_listing(regions: list[str]) -> bytes:
    """Machine types of us-central1's zones, in every region."""
    text = json.loads((TYPICAL["gcp"] / "machine-types.json").read_text())
    zones = {zone: held for zone, held in text["items"].items() if "us-central1-" in zone}
    items = {}
    for region in regions:
        copied = json.dumps(zones).replace("us-central1", region)
        items |= json.loads(copied)
    return json.dumps({**text, "items": items}).encode()


def _google_pages(regions: list[str]) -> list[bytes]:
    """Every SKU that is sold in us-central1, sold in every region; three pages."""
    pages = []
    for number, file in enumerate(SKUS):
        text = json.loads((TYPICAL["gcp"] / file).read_text())
        for sku in text["skus"]:
            if "us-central1" in sku["serviceRegions"]:
                sku["serviceRegions"] = regions
        text["nextPageToken"] = f"p{number + 1}" if number + 1 < len(SKUS) else ""
        pages.append(json.dumps(text).encode())
    return pages


def serve(connection: Connection, regions: int, delay_s: float, bulk_mb: int) -> None:
    """The vendors' process: tells its addresses, then what it was asked whenever somebody wants to know."""
    world = World(regions, bulk_mb)
    log: dict[str, list[Asked]] = defaultdict(list)
    servers = {cloud: _server(cloud, world, log, delay_s) for cloud in CLOUDS}
    connection.send(
        {cloud: f"http://127.0.0.1:{server.server_address[1]}" for cloud, server in servers.items()}
    )
    while connection.recv() is not None:
        connection.send({cloud: list(log[cloud]) for cloud in CLOUDS})
        log.clear()


def _server(cloud: str, world: World, log: dict[str, list[Asked]], delay_s: float) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are two writes; the delay is to be ours alone

        def do_GET(self) -> None:
            self.play(b"")

        def do_POST(self) -> None:
            self.play(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def play(self, body: bytes) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            log[cloud].append(asked)
            content = world.answer(cloud, asked)
            time.sleep(delay_s)
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if content[:1] in b"{[" else "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


# --- the refresh


@dataclass(frozen=True)
class Run:
    """One refresh as a user sees it."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    told: Mapping[str, Any]


def environ(urls: Mapping[str, str], home: Path) -> dict[str, str]:
    """Made-up keys, redirected endpoints, a home of its own."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "ADVISOR_HOME": str(home / "advisor"),
        "ADVISOR_HTTP_CACHE": str(home / "http.sqlite"),
        "AWS_ENDPOINT_URL": urls["aws"],
        "AWS_ACCESS_KEY_ID": "AKIAMADEUP7EXAMPLE00",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_EC2_METADATA_DISABLED": "true",
        "ADVISOR_AWS_SPOT_ADVISOR_URL": urls["aws"],
        "ADVISOR_AWS_BULK_URL": urls["aws"],
        "ADVISOR_AZURE_RETAIL_URL": urls["azure"],
        "ADVISOR_GCP_BILLING_URL": urls["gcp"],
        "ADVISOR_GCP_COMPUTE_URL": urls["gcp"],
        "ADVISOR_GCP_QUOTAS_URL": urls["gcp"],
        "GOOGLE_API_KEY": "made-up",
        "GOOGLE_CLOUD_PROJECT": "example-project",
    }


def refreshed(
    urls: Mapping[str, str],
    home: Path,
    clouds: Sequence[str],
    *,
    keys: bool = True,
    profile: Path | None = None,
) -> Run:
    """The whole command in a fresh process."""
    environment = environ(urls, home)
    if not keys:
        environment = {name: value for name, value in environment.items() if "_ACCESS_KEY" not in name}
    words = [word for cloud in clouds for word in ("-p", cloud)]
    python = [sys.executable, *(["-m", "cProfile", "-o", str(profile)] if profile else [])]
    command = [*python, "-m", "advisor", "refresh", "--accept", "all", "--format", "json", *words]
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        out, err = process.stdout.read(), process.stderr.read()  # type: ignore[union-attr]
        _, _, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if not out:
        raise SystemExit(f"the refresh failed: {err}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, json.loads(out))


def bare_paging_s(url: str, log: Sequence[Asked], at_once: int) -> float:
    """The same requests over so many open connections, nothing parsed."""
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda number: _ask_again(url, log[number::at_once]), range(at_once)))
    return time.perf_counter() - began


def _ask_again(url: str, log: Sequence[Asked]) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for asked in log:
        headers = {name: value for name, value in asked.headers.items() if name not in ("host", "connection")}
        connection.request(asked.method, asked.path, asked.body or None, headers)
        connection.getresponse().read()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--regions", type=int, default=30)
    parser.add_argument("--delay-ms", type=float, default=50)
    parser.add_argument("--bulk-mb", type=int, default=10, help="size of each region's price list file")
    parser.add_argument("--profile", type=Path, help="write a cProfile of a further first refresh here")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    arguments = (there, options.regions, options.delay_ms / 1000, options.bulk_mb)
    vendors = context.Process(target=serve, args=arguments, daemon=True)
    vendors.start()
    urls = here.recv()

    def asked() -> dict[str, list[Asked]]:
        here.send("what were you asked?")
        return here.recv()  # type: ignore[no-any-return]

    with tempfile.TemporaryDirectory() as folder:
        with_keys(urls, asked, Path(folder) / "with")
        without_keys(urls, asked, Path(folder) / "without")
        if options.profile:
            refreshed(urls, Path(folder) / "profiled", CLOUDS, profile=options.profile)
    here.send(None)
    vendors.terminate()


def with_keys(urls: Mapping[str, str], asked: Callable[[], dict[str, list[Asked]]], home: Path) -> None:
    """All three clouds, everything they tell."""
    first = refreshed(urls, home, CLOUDS)
    log = asked()
    second = refreshed(urls, home, CLOUDS)
    again = asked()
    print("with keys     requests  bare, 1 by 1  bare, at once  adapter   rows  2nd: requests  adapter")
    bare = {}
    for cloud in CLOUDS:
        bare[cloud] = bare_paging_s(urls[cloud], log[cloud], 1)
        at_once = bare_paging_s(urls[cloud], log[cloud], AT_ONCE[cloud])
        one, two = told_of(first, cloud), told_of(second, cloud)
        print(
            f"{cloud:14}{len(log[cloud]):8}{bare[cloud]:12.2f} s{at_once:13.2f} s"
            f"{one['seconds']:7.1f} s{one['rows']:7}{len(again[cloud]):15}{two['seconds']:7.1f} s"
        )
    asked()
    slowest = max(bare, key=lambda cloud: bare[cloud])
    summed_up(first, second)
    print(
        f"    the first took {first.wall_s / bare[slowest]:.2f} x the bare paging of {slowest}, one by one\n"
    )


def without_keys(urls: Mapping[str, str], asked: Callable[[], dict[str, list[Asked]]], home: Path) -> None:
    """What is public of AWS and Azure: all of it is cached."""
    clouds = ("aws", "azure")
    first = refreshed(urls, home, clouds, keys=False)
    log = asked()
    second = refreshed(urls, home, clouds, keys=False)
    again = asked()
    print("without keys  requests  adapter   rows  2nd: requests  adapter")
    for cloud in clouds:
        one, two = told_of(first, cloud), told_of(second, cloud)
        print(
            f"{cloud:14}{len(log[cloud]):8}{one['seconds']:7.1f} s{one['rows']:7}"
            f"{len(again[cloud]):15}{two['seconds']:7.1f} s"
        )
    summed_up(first, second)


def summed_up(first: Run, second: Run) -> None:
    """Both runs in a line each."""
    print(f"    first  {first.wall_s:6.2f} s wall, {first.cpu_s:5.2f} s CPU, peak {first.peak_mib:.0f} MiB")
    print(
        f"    second {second.wall_s:6.2f} s wall, {second.cpu_s:5.2f} s CPU, peak {second.peak_mib:.0f} MiB:"
        f" {first.wall_s / second.wall_s:.1f} x faster"
    )


def told_of(run: Run, cloud: str) -> Mapping[str, Any]:
    """The summary's line of one provider."""
    return next(line for line in run.told["providers"] if line["provider"] == cloud)


if __name__ == "__main__":
    main()
