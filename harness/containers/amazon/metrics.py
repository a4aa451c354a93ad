r"""Lines of the log that become metrics, as Amazon's algorithms print them.

The service finds metrics in the log by regular expressions such as ``#quality_metric: host=\S+, test msd
<loss>=(\S+)``. The form of the lines is that of logs in AWS's public notebooks.
"""

from __future__ import annotations


def quality(
    channel: str, name: str, value: float, *, loss: bool, host: str = "algo-1", epoch: int | None = None
) -> None:
    """Print a metric of a channel: ``#quality_metric: host=algo-1, test msd <loss>=1.5``.

    :param loss: True if smaller is better, False for a score.
    """
    at = "" if epoch is None else f"epoch={epoch}, "
    kind = "loss" if loss else "score"
    print(f"#quality_metric: host={host}, {at}{channel} {name} <{kind}>={float(value)!r}", flush=True)


def progress(percent: float, host: str = "algo-1") -> None:
    """Print how much of the training is done."""
    print(f"#progress_metric: host={host}, completed {percent:g} % of epochs", flush=True)


def throughput(records: int, seconds: float, host: str = "algo-1") -> None:
    """Print how many records were trained in a second."""
    print(
        f"#throughput_metric: host={host}, train throughput={records / max(seconds, 1e-9)} records/second", flush=True
    )
