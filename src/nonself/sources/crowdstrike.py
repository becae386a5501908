"""CrowdStrike's sensor events and detections: what their tables in `maps/` can't say."""

from __future__ import annotations

import polars as pl

from nonself.sources.json_source import JsonSource
from nonself.sources.mapping import shipped

_ENDS = (("src_ip", "dst_ip"), ("src_port", "dst_port"))


def sources() -> tuple[JsonSource, JsonSource]:
    """The events of the data replicator, and the event streams."""
    return JsonSource(shipped("crowdstrike-fdr"), _from_the_source), JsonSource(shipped("crowdstrike-streams"), _derived)


def _from_the_source(frame: pl.DataFrame) -> pl.DataFrame:
    """CrowdStrike says which end is the machine: where the other began, as of a logon, that one is the source."""
    comes_in = pl.col("op").str.contains("^(?:UserLogon|NetworkReceiveAccept)").fill_null(False) | (pl.col("direction_id") == 1).fill_null(
        False
    )
    swapped = [pl.when(comes_in).then(there).otherwise(here).alias(here) for ends in _ENDS for here, there in (ends, ends[::-1])]
    return frame.with_columns(swapped)


def _derived(frame: pl.DataFrame) -> pl.DataFrame:
    """Older detections name the folder and the file of a program apart."""
    name, folder = pl.col(".event.FileName"), pl.col("image")
    between = pl.when(folder.str.starts_with("/")).then(pl.lit("/")).otherwise(pl.lit("\\"))
    apart = name.is_not_null() & ~folder.str.to_lowercase().str.ends_with(name.str.to_lowercase())
    whole = pl.when(apart).then(pl.concat_str(folder.str.strip_chars_end("/\\"), between, name)).otherwise(folder)
    return _from_the_source(frame.with_columns(whole.alias("image")))
