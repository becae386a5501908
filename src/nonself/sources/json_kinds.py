"""The kinds of JSON records that a table alone describes (`maps/NAME.toml`), and those with some code beside their table."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from nonself.sources import cloudtrail, crowdstrike, guardduty, m365, suricata
from nonself.sources.json_source import JsonSource
from nonself.sources.mapping import shipped

TABLES: tuple[str, ...] = (
    "guardduty", "security-hub", "aws-waf", "route53",
    "gcp-audit", "k8s-audit", "entra-signin", "entra-audit", "azure-activity", "m365-audit",
    "okta", "auth0", "onelogin", "duo-auth", "duo-admin", "onepassword", "teleport", "tailscale",
    "gworkspace", "github-audit", "github-webhook", "slack-audit", "atlassian", "asana", "box", "dropbox", "docusign", "notion", "zendesk",
    "zoom", "salesforce", "snowflake-login", "snowflake-query", "databricks", "mongodb-atlas", "snyk", "tines", "wiz", "anthropic",
    "openai",
    "cloudflare", "umbrella", "zscaler-audit", "proofpoint", "proofpoint-clicks",
    "wazuh", "elastic-alerts", "upwind", "osquery",
)  # fmt: skip
"""Asked in this order: of two that know a record the first reads it."""
_OWN: dict[str, Callable[[], JsonSource]] = {"guardduty": guardduty.source, "m365-audit": m365.source}
"""Those of them with code beside the table."""


@cache
def sources() -> tuple[JsonSource, ...]:
    """One source a kind; each passes on records of the others that it meets."""
    tables = (_OWN[name]() if name in _OWN else JsonSource(shipped(name)) for name in TABLES)
    found = (cloudtrail.source(), suricata.source(), *tables, *crowdstrike.sources())
    for source in found:
        source.beside(found)
    return found
