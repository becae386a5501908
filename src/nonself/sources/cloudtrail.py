"""AWS CloudTrail: what the table `maps/cloudtrail.toml` can't say."""

from __future__ import annotations

import polars as pl

from nonself.sources.json_source import JsonSource
from nonself.sources.mapping import shipped

_OTHER = 99
_SAID = (
    *(f".responseElements.{name}" for name in ("ConsoleLogin", "SwitchRole", "CheckMfa")),
    *(f".serviceEventDetails.{name}" for name in ("CredentialChallenge", "CredentialVerification", "UserAuthentication")),
)
"""Where sign-in events say how they ended: they have no error code."""


def source() -> JsonSource:
    """Calls to AWS. `op` is the API operation, `svc` the service, `channel` the event category."""
    return JsonSource(shipped("cloudtrail"), _derived)


def _derived(frame: pl.DataFrame) -> pl.DataFrame:
    service = pl.col("svc").str.strip_suffix(".amazonaws.com")
    failed = pl.coalesce(_SAID).str.contains("(?i)^fail")
    reads = (pl.col(".readOnly") == "true") & (pl.col("class_uid") == 6003) & (pl.col("activity_id") == _OTHER)
    return frame.with_columns(
        service.alias("svc"),
        _user().alias("user"),
        pl.when(service == "iam").then(pl.col(".requestParameters.userName")).alias("tgt_user"),
        pl.when(failed).then(pl.lit(2, pl.Int8)).otherwise(pl.col("status_id")).alias("status_id"),
        pl.when(failed).then(pl.coalesce("status_code", ".errorMessage", pl.lit("Failure"))).otherwise("status_code").alias("status_code"),
        pl.when(reads).then(pl.lit(2, pl.Int16)).otherwise(pl.col("activity_id")).alias("activity_id"),
        pl.coalesce(_arn(), _object(), "resource").alias("resource"),
    )


def _user() -> pl.Expr:
    """Who acted: of a role's session the session's name, with the role beside it; of a service its name."""
    kind, uid = pl.col("user_type"), _said("user_uid")
    named = pl.coalesce(_said("user"), _said(".userIdentity.invokedBy"))
    is_session = kind.is_in(("AssumedRole", "FederatedUser")) & uid.is_not_null()
    # Patterns look at what is null elsewhere: they are most of what this costs.
    owner = pl.when(named.is_null() & ~is_session.fill_null(False)).then(pl.coalesce(_said(".userIdentity.principalId"), uid))
    return (
        pl.when(is_session).then(pl.when(is_session).then(uid).str.extract("([^/:]+)$"))
        .when(kind == "Root").then(pl.lit("root"))
        .otherwise(pl.coalesce(named, owner.str.extract("([^:]+)$")))
    )  # fmt: skip


def _said(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(pl.col(column))


def _arn() -> pl.Expr:
    return pl.coalesce(".resources.0.ARN", ".resources.0.arn")


def _object() -> pl.Expr:
    """The S3 bucket or object of a call, by its ARN."""
    bucket, key = pl.col(".requestParameters.bucketName"), pl.col(".requestParameters.key")
    path = pl.concat_str(pl.lit("/"), pl.when(key != "").then(key)).fill_null("")
    return pl.when(bucket != "").then(pl.concat_str(pl.lit("arn:aws:s3:::"), bucket, path))
