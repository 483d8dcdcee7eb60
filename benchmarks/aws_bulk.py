"""How fast, and in how much memory, AWS's public price list file is read: a synthetic us-east-1 of 300 MB.

    .venv/bin/python benchmarks/aws_bulk.py [MB]

Three figures: the parser alone, the parser behind a loopback HTTP server as the adapter runs it, and csv's
DictReader on every line for comparison. The mix of rows follows the real file: nearly all are reserved terms.
"""

from __future__ import annotations

import csv
import io
import resource
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from pathlib import Path

from advisor.provider import Ledger
from providers._settings import http_settings
from providers.aws.bulk import CHUNK_BYTES, BulkFiles, RegionFile, matching_rows
from providers.aws.prices import ListReader

COLUMNS = (
    "SKU",
    "OfferTermCode",
    "RateCode",
    "TermType",
    "PriceDescription",
    "EffectiveDate",
    "StartingRange",
    "EndingRange",
    "Unit",
    "PricePerUnit",
    "Currency",
    "RelatedTo",
    "LeaseContractLength",
    "PurchaseOption",
    "OfferingClass",
    "Product Family",
    "serviceCode",
    "Location",
    "Location Type",
    "Instance Type",
    "Current Generation",
    "Instance Family",
    "vCPU",
    "Physical Processor",
    "Clock Speed",
    "Memory",
    "Storage",
    "Network Performance",
    "Processor Architecture",
    "Tenancy",
    "Operating System",
    "License Model",
    "usageType",
    "operation",
    "CapacityStatus",
    "GPU",
    "GPU Memory",
    "MarketOption",
    "Normalization Size Factor",
    "Pre Installed S/W",
    "Processor Features",
    "Region Code",
    "serviceName",
)
PREAMBLE = (
    '"FormatVersion","v1.0"\n"Disclaimer","synthetic"\n"Publication Date","2026-09-10T19:55:14Z"\n'
    '"Version","20260910195514"\n"OfferCode","AmazonEC2"\n'
)


def line(number: int) -> str:
    """One row: 47 of 48 are reserved terms or another system; every 480th is an accelerator's price."""
    on_demand = number % 48 == 0
    chip = number % 480 == 0
    kind = "p5.48xlarge" if chip else f"m{number % 9}.{number % 24}xlarge"
    system = "Linux" if chip or number % 96 == 0 else ("Windows", "RHEL", "SUSE", "Linux")[number % 4]
    values = dict.fromkeys(COLUMNS, "NA") | {
        "SKU": f"SYNTHETIC{number:09d}",
        "TermType": "OnDemand" if on_demand else "Reserved",
        "PriceDescription": f"$55.04 per On Demand {system} {kind} Instance Hour",
        "Unit": "Hrs",
        "PricePerUnit": "55.0400000000",
        "Currency": "USD",
        "Location": "US East (N. Virginia)",
        "Location Type": "AWS Region",
        "Instance Type": kind,
        "vCPU": "192",
        "Memory": "2048 GiB",
        "GPU": "8" if chip else "",
        "GPU Memory": "640 GB HBM3" if chip else "NA",
        "Tenancy": "Shared" if number % 3 == 0 else "Dedicated",
        "Operating System": system,
        "License Model": "No License required",
        "operation": "RunInstances",
        "CapacityStatus": "Used" if number % 2 == 0 else "UnusedCapacityReservation",
        "MarketOption": "OnDemand",
        "Pre Installed S/W": "NA",
        "Processor Features": "Intel AVX; Intel AVX2; Intel AVX512; Intel Turbo " * 9,
        "Region Code": "us-east-1",
        "serviceName": "Amazon Elastic Compute Cloud",
    }
    return ",".join(f'"{value}"' for value in values.values()) + "\n"


def blocks(megabytes: int) -> tuple[bytes, bytes, int]:
    """The head of the file, a block of rows, and how often it is repeated."""
    head = (PREAMBLE + ",".join(f'"{column}"' for column in COLUMNS) + "\n").encode()
    block = "".join(line(number) for number in range(4800)).encode()
    return head, block, megabytes * 1_000_000 // len(block)


def chunked(head: bytes, block: bytes, times: int) -> chain[bytes]:
    """The file as the network hands it over."""
    pieces = [block[start : start + CHUNK_BYTES] for start in range(0, len(block), CHUNK_BYTES)]
    return chain([head], chain.from_iterable(repeat(pieces, times)))


def serve(head: bytes, block: bytes, times: int) -> ThreadingHTTPServer:
    """The file on a loopback server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(head) + len(block) * times))
            self.end_headers()
            self.wfile.write(head)
            for _ in range(times):
                self.wfile.write(block)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    head, block, times = blocks(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
    size = len(head) + len(block) * times
    print(f"synthetic file: {size / 1e6:.0f} MB, {4800 * times:,} rows")

    began = time.perf_counter()
    rows = sum(1 for _ in matching_rows("bench", chunked(head, block, times), 2**40))
    report("parser alone", size, began, rows)

    server = serve(head, block, times)
    with tempfile.TemporaryDirectory() as folder:
        environ = {"ADVISOR_HTTP_CACHE": str(Path(folder) / "http.sqlite"), "ADVISOR_HTTP_CACHE_S": "300"}
        bulk = BulkFiles(f"http://127.0.0.1:{server.server_address[1]}", http_settings(environ))
        for what in ("over loopback HTTP", "again, from its cache"):
            began = time.perf_counter()
            answer = bulk.offers(RegionFile("us-east-1", "20260910195514", "/us-east-1/index.csv"))
            ledger = Ledger("aws")
            reader = ListReader(ledger, "us-east-1", {}, frozenset(), None, "benchmark", datetime.now(UTC))
            reader.read_rows(answer.payload)
            report(what, size, began, len(ledger.reading().offers))
    server.shutdown()

    began = time.perf_counter()
    text = io.StringIO((head + block).decode().split('"AmazonEC2"\n', 1)[1])
    found = sum(row["TermType"] == "OnDemand" and row["GPU"] != "" for row in csv.DictReader(text))
    report("csv.DictReader on all (one block)", len(head + block), began, found)


def report(what: str, size: int, began: float, rows: int) -> None:
    """One line: seconds, MB/s, peak memory so far."""
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:36} {seconds:7.2f} s {size / 1e6 / seconds:8.0f} MB/s {rows:7} rows, peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
