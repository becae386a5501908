"""AWS CloudTrail: what the table `maps/cloudtrail.toml` can't say."""

from __future__ import annotations

import re
from functools import lru_cache

import polars as pl

from nonself.sources.json_source import JsonSource
from nonself.sources.mapping import shipped

_OTHER = 99


def source() -> JsonSource:
    """Calls to AWS. `op` is the API operation, `svc` the service, `channel` the event category."""
    return JsonSource(shipped("cloudtrail"), _derived)


def _derived(frame: pl.DataFrame) -> pl.DataFrame:
    service = pl.col("svc").str.strip_suffix(".amazonaws.com")
    failed = pl.col(".responseElements.ConsoleLogin") == "Failure"
    reads = (pl.col(".readOnly") == "true") & (pl.col("class_uid") == 6003) & (pl.col("activity_id") == _OTHER)
    return frame.with_columns(
        service.alias("svc"),
        _users(frame),
        pl.when(service == "iam").then(pl.col(".requestParameters.userName")).alias("tgt_user"),
        pl.when(failed).then(pl.lit(2, pl.Int8)).otherwise(pl.col("status_id")).alias("status_id"),
        pl.when(failed).then(pl.coalesce("status_code", ".errorMessage", pl.lit("Failure"))).otherwise("status_code").alias("status_code"),
        pl.when(reads).then(pl.lit(2, pl.Int16)).otherwise(pl.col("activity_id")).alias("activity_id"),
        pl.coalesce(_arn(), _object(), "resource").alias("resource"),
    )


_WHO = ("user_type", "user", ".userIdentity.invokedBy", ".userIdentity.principalId", "user_uid")


def _users(frame: pl.DataFrame) -> pl.Series:
    actors = zip(*(frame[name].to_list() for name in _WHO), strict=True)
    return pl.Series("user", [_user(*actor) for actor in actors], dtype=pl.String)


@lru_cache(65_536)
def _user(kind: str | None, name: str | None, invoked: str | None, principal: str | None, uid: str | None) -> str | None:
    """Who acted: of a role's session the session's name, with the role beside it; of a service its name."""
    if kind in ("AssumedRole", "FederatedUser") and uid:
        return re.split("[/:]", uid)[-1] or None
    if kind == "Root":
        return "root"
    return name or invoked or (principal or uid or "").rsplit(":", 1)[-1] or None


def _arn() -> pl.Expr:
    return pl.coalesce(".resources.0.ARN", ".resources.0.arn")


def _object() -> pl.Expr:
    """The S3 bucket or object of a call, by its ARN."""
    bucket, key = pl.col(".requestParameters.bucketName"), pl.col(".requestParameters.key")
    path = pl.concat_str(pl.lit("/"), pl.when(key != "").then(key)).fill_null("")
    return pl.when(bucket != "").then(pl.concat_str(pl.lit("arn:aws:s3:::"), bucket, path))
