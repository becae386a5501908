"""AWS GuardDuty: what the table `maps/guardduty.toml` can't say."""

from __future__ import annotations

import polars as pl

from nonself.sources.json_source import JsonSource
from nonself.sources.mapping import shipped

_INBOUND = 1


def source() -> JsonSource:
    """Findings, as EventBridge and exports (`service.action`) and as the command line (`Service.Action`) write them."""
    return JsonSource(shipped("guardduty"), _derived)


def _derived(frame: pl.DataFrame) -> pl.DataFrame:
    """A connection as it was opened, and the severity's band. The table takes what is watched for the source."""
    inbound = (pl.col("direction_id") == _INBOUND) & pl.col("dst_ip").is_not_null()
    swapped = [("src_ip", "dst_ip"), ("dst_ip", "src_ip"), ("src_port", "dst_port"), ("dst_port", "src_port")]
    score = pl.col("score")
    band = pl.when(score >= 9).then(5).when(score >= 7).then(4).when(score >= 4).then(3).when(score > 0).then(2)  # AWS's bands
    return frame.with_columns(
        *(pl.when(inbound).then(pl.col(other)).otherwise(pl.col(name)).alias(name) for name, other in swapped),
        band.cast(pl.Int8).alias("severity_id"),
    )
