"""Schema of the metadata that benchmarks record in ``extra_info`` of pytest-benchmark's JSON.

:class:`ExtraInfo` writes it and reads it back. Writing refuses a value that reading would not return. Reading takes a
value that is damaged, or that another program wrote in another form, for one that was not recorded: those who need it
then report that it is missing. Other keys of ``extra_info`` belong to the benchmark that recorded them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from harness.aws.pricing import Price
from harness.errors import ResultsError

INSTANCE_TYPES = ("training_instance_type", "endpoint_instance_type")
"""Keys that have a meaning in AWS only: the local AWS accepts the names and is no such machine."""

REHEARSAL = "rehearsal"
"""Mode of results of real mode in the local AWS's account (``harness serve --enforce-iam``)."""

SETTINGS = (
    "mode",
    "region",
    *INSTANCE_TYPES,
    "training_instance_count",
    "endpoint_instance_count",
    "spark_master",
)
"""Settings of the harness that every benchmark records."""

COMPARED = (*SETTINGS, "spark_conf", "cores", "spark", "sdk", "xgboost", "java", "python", "dataset", "rows", "bytes")
"""Keys in which two results must agree, so that their times are times of the same thing."""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _positive(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and 0 < value < math.inf else None


def _latency(value: Any) -> Latency | None:
    return Latency.read(value) if isinstance(value, Mapping) else None


def _price(value: Any) -> Price | None:
    """Return a price without its instance type, which is another member; None without source or date."""
    if not isinstance(value, Mapping) or not value.get("source") or not value.get("date"):
        return None
    usd = _positive(value.get("usd_per_hour"))
    return Price("", "hosting", usd, str(value["source"]), str(value["date"])) if usd else None


def _read_by(read: Callable[[Any], Any]) -> Any:
    """Return a field that is None by default.

    :param read: returns a value of JSON as the field has it, or None if it is not of the field's form.
    """
    return field(default=None, metadata={"read": read})


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Latency of a benchmark's requests, in seconds. A percentile is None if too few requests support it."""

    p50: float | None = _read_by(_positive)
    p90: float | None = _read_by(_positive)
    p99: float | None = _read_by(_positive)
    requests: int | None = _read_by(_count)
    """Number of requests that the percentiles are of."""

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Latency:
        """Return the latency in some JSON."""
        return cls(**_values(cls, content))


@dataclass(frozen=True, kw_only=True)
class ExtraInfo:
    """Metadata of one benchmark in one run. None is for a value that was not recorded; an empty text is unknown."""

    mode: str | None = _read_by(_text)
    """``mock``, ``real``, or ``rehearsal`` for real mode in a local AWS."""
    region: str | None = _read_by(_text)
    training_instance_type: str | None = _read_by(_text)
    endpoint_instance_type: str | None = _read_by(_text)
    training_instance_count: int | None = _read_by(_count)
    endpoint_instance_count: int | None = _read_by(_count)
    spark_master: str | None = _read_by(_text)
    spark_conf: str | None = _read_by(_text)
    """Options of Spark as ``name=value``, separated by commas; ``default`` if none was given."""
    cores: int | None = _read_by(_count)
    """Number of cores that the process may use."""
    spark: str | None = _read_by(_text)
    """Version, as are the four below."""
    sdk: str | None = _read_by(_text)
    xgboost: str | None = _read_by(_text)
    java: str | None = _read_by(_text)
    python: str | None = _read_by(_text)
    commit: str | None = _read_by(_text)
    """Id of the commit, followed by ``+`` if there were changes beyond it."""
    dataset: str | None = _read_by(_text)
    """Hash of the data, see :func:`harness.bench.results.provenance.data_hash`."""
    rows: float | None = _read_by(_positive)
    """Number of rows of a round."""
    bytes: float | None = _read_by(_positive)
    """Number of bytes of a round, as they are read or sent."""
    endpoint: str | None = _read_by(_text)
    """Name of the endpoint in AWS. Runs on one endpoint share its machines."""
    price: Price | None = _read_by(_price)  # noqa: RUF009 - a field
    """Price of one instance of the endpoint."""
    block: int | None = _read_by(_count)
    """Number of the block, from 1, if variants alternated (:mod:`harness.bench.alternation`)."""
    latency: Latency | None = _read_by(_latency)  # noqa: RUF009 - a field

    @property
    def in_aws(self) -> bool:
        """True if the benchmark ran in AWS; False in mock mode and in a rehearsal, and if no mode is recorded."""
        return self.mode == "real"

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> ExtraInfo:
        """Return the metadata in a benchmark's ``extra_info``."""
        found = cls(**_values(cls, content))
        if found.price is None:
            return found
        return replace(found, price=replace(found.price, instance_type=found.endpoint_instance_type or ""))

    def as_json(self) -> dict[str, Any]:
        """Return what was recorded, for ``extra_info``.

        :raises ResultsError: a value would not be read back as it is.
        """
        recorded = {name: value for name, value in vars(self).items() if value is not None}
        content = recorded | {
            name: _parts(value) for name, value in recorded.items() if isinstance(value, (Price, Latency))
        }
        back = ExtraInfo.read(content)
        for name, value in recorded.items():
            if getattr(back, name) != value:
                raise ResultsError(
                    f"A benchmark records {name} {value!r}, which no reader of its results would accept.",
                    fix="record positive numbers for rows and bytes, counts from 0, and text for the rest",
                )
        return content


def _values(kind: type[Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a dataclass's fields that some JSON has."""
    return {each.name: each.metadata["read"](content.get(each.name)) for each in fields(kind)}


def _parts(value: Price | Latency) -> dict[str, Any]:
    if isinstance(value, Price):
        return {"usd_per_hour": value.hourly, "source": value.source, "date": value.date}
    return {name: part for name, part in vars(value).items() if part is not None}
