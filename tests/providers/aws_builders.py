"""What AWS says, with everything defaulted that a test is not about."""

from __future__ import annotations

import json

from conftest import NOW

from advisor.provider import Ledger
from providers.aws.hardware import parse_instance_types
from providers.aws.prices import ListReader
from providers.aws.spot import SpotSurroundings, parse_spot_history

COLUMNS = (
    "SKU",
    "OfferTermCode",
    "RateCode",
    "TermType",
    "PriceDescription",
    "EffectiveDate",
    "Unit",
    "PricePerUnit",
    "Currency",
    "Product Family",
    "serviceCode",
    "Location",
    "Location Type",
    "Instance Type",
    "Instance Family",
    "vCPU",
    "Memory",
    "Tenancy",
    "Operating System",
    "License Model",
    "usageType",
    "operation",
    "CapacityStatus",
    "GPU",
    "GPU Memory",
    "MarketOption",
    "Pre Installed S/W",
    "Region Code",
)
PREAMBLE = (
    '"FormatVersion","v1.0"\n'
    '"Disclaimer","This pricing list is for informational purposes only."\n'
    '"Publication Date","2026-09-10T19:55:14Z"\n'
    '"Version","20260910195514"\n'
    '"OfferCode","AmazonEC2"\n'
)


def a_product(usd="55.0400000000", unit="Hrs", description=None, currency="USD", **changed):
    """One element of GetProducts' PriceList: p5.48xlarge in us-east-1, on demand, Linux."""
    attributes = {
        "instanceType": "p5.48xlarge",
        "vcpu": "192",
        "memory": "2048 GiB",
        "gpu": "8",
        "gpuMemory": "640 GB HBM3",
        "instanceFamily": "GPU instance",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "preInstalledSw": "NA",
        "licenseModel": "No License required",
        "marketoption": "OnDemand",
        "operation": "RunInstances",
        "regionCode": "us-east-1",
        "locationType": "AWS Region",
        **changed,
    }
    attributes = {key: value for key, value in attributes.items() if value is not None}
    dimension = {"unit": unit, "pricePerUnit": {currency: usd}}
    if description is not None:
        dimension["description"] = description
    terms = {"OnDemand": {"X.JRTCKXETXF": {"priceDimensions": {"X.JRTCKXETXF.6YS6EN2CT7": dimension}}}}
    return {"product": {"sku": "X", "attributes": attributes}, "terms": terms}


def a_line(**changed):
    """One row of the CSV file, column by column; the same offer as :func:`a_product`."""
    return {
        **dict.fromkeys(COLUMNS, ""),
        "SKU": "3D4V8UAYEMB38GU2",
        "TermType": "OnDemand",
        "Unit": "Hrs",
        "PricePerUnit": "55.0400000000",
        "Currency": "USD",
        "Location Type": "AWS Region",
        "Instance Type": "p5.48xlarge",
        "Instance Family": "GPU instance",
        "vCPU": "192",
        "Memory": "2048 GiB",
        "Tenancy": "Shared",
        "Operating System": "Linux",
        "License Model": "No License required",
        "operation": "RunInstances",
        "CapacityStatus": "Used",
        "GPU": "8",
        "GPU Memory": "640 GB HBM3",
        "MarketOption": "OnDemand",
        "Pre Installed S/W": "NA",
        "Region Code": "us-east-1",
        **changed,
    }


def a_file(*lines, columns=COLUMNS, preamble=PREAMBLE):
    """The CSV file of a region, as bytes."""
    quoted = [
        ",".join(f'"{value}"' for value in row) for row in [columns, *(line.values() for line in lines)]
    ]
    return (preamble + "\n".join(quoted) + "\n").encode()


def a_type(name="p5.48xlarge", chip="H100", count=8, mib=81920, **changed):
    """One element of DescribeInstanceTypes, as the API layer hands it over."""
    gpu = {"Name": chip, "Count": count, "MemoryInfo": {"SizeInMiB": mib}}
    return {
        "InstanceType": name,
        "SupportedUsageClasses": ["on-demand", "spot"],
        "VCpuInfo": {"DefaultVCpus": 192},
        "MemoryInfo": {"SizeInMiB": 2097152},
        "GpuInfo": {"Gpus": [gpu]},
        **changed,
    }


def a_spot_row(**changed):
    """One element of DescribeSpotPriceHistory."""
    return {
        "AvailabilityZone": "us-east-1a",
        "AvailabilityZoneId": "use1-az1",
        "InstanceType": "p5.48xlarge",
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": "28.670400",
        "Timestamp": "2026-11-22T10:00:00+00:00",
        **changed,
    }


def shapes_of(*types):
    """Shapes, types told about, and rejections."""
    ledger = Ledger("aws")
    shapes, told = parse_instance_types({"InstanceTypes": list(types)}, ledger)
    return shapes, told, ledger.reading().rejections


def read_products(*products, types=None, offered=None, region="us-east-1"):
    """What the price list's API says; without types the list's own columns identify the chips."""
    shapes, told, _ = shapes_of(*(types or ()))
    ledger = Ledger("aws")
    reader = ListReader(ledger, region, shapes, told, offered, "not asked", NOW)
    reader.read_products(
        {"PriceList": [one if isinstance(one, str) else json.dumps(one) for one in products]}
    )
    reader.missing()
    return ledger.reading()


def read_rows(*rows, region="us-east-1"):
    """What rows of the CSV file say."""
    ledger = Ledger("aws")
    reader = ListReader(ledger, region, {}, frozenset(), None, "not asked", NOW)
    reader.read_rows({"rows": list(rows)})
    return ledger.reading()


def read_spot(*rows, types=None, offered=None, list_prices=None, bands=None, scores=None):
    """What the spot history says of us-east-1."""
    shapes, told, _ = shapes_of(*([a_type()] if types is None else types))
    ledger = Ledger("aws")
    around = SpotSurroundings(shapes, told, offered, list_prices or {}, bands or {}, scores or {})
    parse_spot_history({"SpotPriceHistory": list(rows)}, ledger, "us-east-1", around, NOW)
    return ledger.reading()


def offers_of(reading):
    """Offers by id."""
    return {priced.offer.id: priced.offer for priced in reading.offers}


def reasons(reading):
    """Rejection reasons, in order."""
    return [rejection.reason for rejection in reading.rejections]
