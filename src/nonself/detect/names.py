"""The names detectors speak in: entity roles, columns, and what is derived from columns, in one table.

A name in a content table is, in this order, a derived name (`DERIVED`, `_EITHER`), an entity role (`core.entities.ROLES`; role names
win over columns of the same name), or a column of the event schema. All give strings; null means that the event has none.

Folding replaces what varies without meaning (numbers, GUIDs, hashes, temporary names, profile folders) by `#`, so that the next build of
a program or the next user's copy of it is the same thing. Folds read the first `_READ` characters.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from nonself.core import enrich
from nonself.core.entities import BY_ROLE, entity
from nonself.core.schema import SCHEMA

_READ = 1_024
_WORDS, _ARGUMENTS = 24, 320
"""Words and characters of a command line's arguments that are kept."""
_WHOLE = 480

_GUID = r"\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?"
_SID = r"s-1-5-21-[0-9-]+"
_HEX = r"\b(?:0x[0-9a-f]+|[0-9a-f]{8,})\b"
_VERSION = r"\d+(?:\.\d+)+|\d{3,}"
_TEMPORARY = r"(^|\\)(~|tmp|is-|_mei|nsi|nst|nsu)[0-9a-z_-]*(?:\.tmp)?"
_LAST_TWO = r"([^.]+\.(?:(?:co|com|org|net|ac|gov|edu|or|ne|go)\.[a-z]{2}|[^.]+))$"
"""The last two labels of a name, or three where the second is a registry's own, as in `co.uk`."""


def _text(column: str) -> pl.Expr:
    value = pl.col(column).str.head(_READ).str.to_lowercase().str.strip_chars()
    return pl.when(value != "").then(value)


def _fold(value: pl.Expr) -> pl.Expr:
    return value.str.replace_all(_GUID, "#").str.replace_all(_HEX, "#").str.replace_all(_VERSION, "#")


def _base(column: str) -> pl.Expr:
    name = _text(column).str.replace(r"^.*[\\/]", "")
    return _fold(name.str.replace(_TEMPORARY, "${1}${2}#"))


def _path(column: str) -> pl.Expr:
    value = _text(column).str.replace_all("/", "\\", literal=True).str.replace(r"^(?:\\\?\?\\|\\\\\?\\)?(?:[a-z]:|\\device\\[^\\]+)", "")
    return _fold(value.str.replace(r"\\(users|home)\\[^\\]+", r"\${1}\#").str.replace_all(_TEMPORARY, "${1}${2}#"))


def _arguments() -> pl.Expr:
    """The words of a command line after the program, at most `_WORDS`, each once: folders apart from names, profiles, GUIDs and numbers
    folded, addresses cut to scheme and host, encoded texts to `##`. "" where there are none or the source did not say."""
    value = _text("cmdline").str.replace(r"^(?:\x22[^\x22]*\x22|\S+)\s*", "")
    value = value.str.replace_all(r"\b([a-z]{3,6})://([^/\s\x22':|<>]+)[^\s\x22'|<>]*", " ${1}://${2} ")
    value = value.str.replace_all(r"(?:[a-z0-9+=]+/)*[a-z0-9+=]{40,}[a-z0-9+=/]*", "##")
    value = value.str.replace_all(_GUID, "#").str.replace_all(_HEX, "#").str.replace_all(r"\d+", "#")
    value = value.str.replace_all(r"\b[a-z]:([\\/])", "${1}").str.replace_all(r"([\\/](?:users|home)[\\/])[^\\/\s\x22]+", "${1}#")
    value = value.str.replace_all(r"(^|[\s\x22'=(>,;])([\\/]{1,2}(?:[^\\/\s\x22']+[\\/]+)+)", "${1}${2} ")
    words = value.str.extract_all(r"[^\s\x22'=,;|&()<>{}\[\]]+").list.head(_WORDS).list.unique(maintain_order=True)
    return words.list.join(" ").str.head(_ARGUMENTS).fill_null("")


def _as_written(column: str) -> pl.Expr:
    """In the letters' own case, which random names mix; without GUIDs, random by design; short enough for a key to hold it whole."""
    value = pl.col(column).str.head(_WHOLE).str.replace_all("(?i)" + _GUID, "#").str.strip_chars()
    return pl.when(value != "").then(value)


def _last_part(column: str) -> pl.Expr:
    value = pl.col(column).str.tail(_WHOLE).str.extract(r"([^\\/]+)$").str.replace_all("(?i)" + _GUID, "#").str.strip_chars()
    return pl.when(value != "").then(value)


def _registry() -> pl.Expr:
    key = (
        _text("reg_key")
        .str.replace(r"^hkey_local_machine|^\\registry\\machine", "hklm")
        .str.replace(r"^hkey_users|^\\registry\\user", "hku")
    )
    return key.str.replace_all(_SID, "#").str.replace_all(_GUID, "#").str.replace_all(r"\d{2,}", "#")


def _parent_domain(name: pl.Expr) -> pl.Expr:
    return name.str.replace("^domain:", "").str.extract(_LAST_TWO)


def _chosen_domain(name: pl.Expr) -> pl.Expr:
    """By the public suffix list, or else its last labels; none of names made of addresses."""
    plain = name.str.replace("^domain:", "")
    known = pl.coalesce(plain.map_batches(enrich.chosen_domain, return_dtype=pl.String), plain.str.extract(_LAST_TWO))
    return pl.when(~plain.str.ends_with(".arpa")).then(known)


def _port() -> pl.Expr:
    """Protocol and port; ports from 49152 up are handed out to clients (RFC 6335) and say nothing by their number."""
    number = pl.when(pl.col("dst_port") >= 49_152).then(pl.lit("high")).otherwise(pl.col("dst_port").cast(pl.String))
    return pl.concat_str([pl.col("proto").fill_null("any"), pl.lit("/"), number])


def _signature() -> pl.Expr:
    known = pl.when(pl.col("signed")).then(pl.lit("signed")).otherwise(pl.lit("unsigned"))
    return pl.when(pl.col("signed").is_null()).then(pl.lit("signature unknown")).otherwise(known)


FAILED, ANSWERED = "failed", "answered"
_NO_REPLY = ("REQ", "new", "......S.")
"""States of a connection that was asked for and got no reply, as Argus, Suricata and nfdump say it."""

_MULTICAST = (1_900, 3_702, 5_353, 5_355)
"""Ports of services that are asked by multicast: SSDP, WS-Discovery, mDNS, LLMNR."""


def _outcome() -> pl.Expr:
    """Whether an attempt to connect was answered; null for what is no attempt.

    Where the source does not say it, a TCP connection of at most two packets sent has failed, since one that succeeds takes three; one of
    UDP or ICMP has, if nothing came back. No attempts are the connections whose start was not seen, and replies told as flows of their
    own: TCP without a SYN, UDP from a service to a client's port (one that was asked by multicast is not seen to answer), ICMP's answers
    and complaints (types 0, 3 and 11).
    """
    tcp, code = pl.col("proto") == "tcp", pl.col("status_code")
    silent = pl.max_horizontal("pkts_in", "bytes_in") == 0
    no_start = code.str.contains(r"^[.UAPRFCE]{6,8}$") | code.is_in(["OTH", "SHR", "RSTRH"])
    port = pl.col("src_port")
    serves = (pl.col("bytes_in").is_null() & port.is_between(1, 1_023)) | port.is_in(_MULTICAST)
    reply = (~tcp & serves & (pl.col("dst_port") > 1_023)) | (port.is_in([0, 3, 11]) & pl.col("proto").str.starts_with("icmp"))
    short = (pl.col("pkts_in").is_not_null() & (pl.col("pkts_out") <= 2)) | code.is_in(_NO_REPLY)
    told = pl.when(pl.col("status_id") == 2).then(pl.lit(FAILED)).when(pl.col("status_id") == 1).then(pl.lit(ANSWERED))
    told = told.when((tcp & no_start).fill_null(False) | reply.fill_null(False)).then(None)
    return told.when(pl.when(tcp).then(short).otherwise(silent).fill_null(False)).then(pl.lit(FAILED)).otherwise(pl.lit(ANSWERED))


def _place() -> pl.Expr:
    """Country and, where it is known, autonomous system of the source: `DE AS64500`."""
    number = pl.concat_str([pl.lit(" AS"), pl.col("asn").cast(pl.String)]).fill_null("")
    return pl.concat_str([_text("country").str.to_uppercase().str.head(2), number])


HERE = "here"
"""The source of a logon that came from nowhere else."""
TAGGED = ("logon_source", "logon_target")
"""Names that give entities, or other words in their place."""
_SYSTEM = r"^(system|local service|network service|anonymous logon)(@|$)|^(dwm|umfd)-"

_AUTOMATIC = r"\$$|[.@](amazonaws|gserviceaccount)\.com$"
"""Users that are machines, or the services of a cloud."""


def _account() -> pl.Expr:
    """The account that logs on, without its domain, which logs write in several ways; local accounts keep their machine. Of an explicit
    use of credentials (4648) it is the account they are of."""
    explicit = pl.col("op") == "4648"
    name = pl.when(explicit).then(pl.col("tgt_user")).otherwise(pl.col("user")).str.to_lowercase()
    whole = pl.when(explicit).then(entity("tgt_user")).otherwise(entity("user"))
    bare = pl.when(name.str.contains("@", literal=True)).then(name.str.split("@").list.first())
    value = pl.coalesce(bare, whole.str.replace(r"^user:(?:[^\\]*\\)?", ""))
    return pl.when((value != "") & ~value.str.contains(_SYSTEM)).then(value)


def _identity() -> pl.Expr:
    """The user, or its uid where it has no name."""
    return pl.coalesce(entity("user"), pl.concat_str([pl.lit("user:"), _text("user_uid")]))


def _person() -> pl.Expr:
    """An identity that is no machine account and no service of a cloud: who works by the clock has no hours."""
    return pl.when(~_identity().str.contains(_AUTOMATIC)).then(_identity())


def _logon_target() -> pl.Expr:
    """The machine logged on to; of a ticket the machine whose service it is for."""
    ticket = _text("svc").str.extract(r"^(?:[a-z]+/)?([^/@$.]+)(?:[.@][^/]*)?\$?$")
    named = _text("svc").str.contains(r"/|\$$") & ~_text("svc").str.starts_with("krbtgt")
    service = pl.when((pl.col("auth_protocol") == "Kerberos") & named).then(pl.lit("host:") + ticket)
    otherwise = pl.coalesce(service, entity("host"), entity("dst_host"), entity("dst_ip"))
    return pl.when(pl.col("op") == "4648").then(entity("dst_host")).otherwise(otherwise)


def _logon_source() -> pl.Expr:
    """The address or machine a logon comes from, `HERE` for none other than its target."""
    said = pl.when(pl.col("op") == "4648").then(entity("host")).otherwise(pl.coalesce(entity("src_ip"), entity("src_host")))
    return pl.when(said == _logon_target()).then(pl.lit(HERE)).otherwise(said.fill_null(HERE))


def _deed(column: str, kind: str, *words: str) -> pl.Expr:
    """Two values: what one of the words gives away (within the text; all of it, for a word led by `=`), or anything else. All that y does
    is looked at, so that who never does it is counted too."""
    text = pl.col(column).str.head(_READ).str.to_lowercase()
    tests = [text == word[1:] if word[0] == "=" else text.str.contains(word, literal=True) for word in words]
    return pl.when(pl.any_horizontal(tests)).then(pl.lit(kind)).otherwise(
        pl.when(text.is_not_null()).then(pl.lit("anything else"))
    )  # fmt: skip


_DEEDS: dict[str, pl.Expr] = {
    "mailbox_deed": _deed("op", "a mailbox rule, permission or forwarding", "inboxrule", "mailboxpermission", "recipientpermission",
                          "transportrule", "set-mailbox", "forwarding"),
    "consent_deed": _deed("op", "an application or consent", "consent to application", "permission grant", "permissiongrant",
                          "add app role assignment", "add service principal.", "add application", "oauth2.as.consent",
                          "application.lifecycle.create", "oauth_application.create", "app_installed", "integration_installation.create",
                          "=authorize", "add_application"),
    "factor_deed": _deed("op", "a change of factors", "mfadevice", "mfa.factor", "security info", "strongauthentication", "2sv",
                         "two_factor", "bypass_create", "phone_create", "hardtoken", "webauthn"),
    "credential_deed": _deed("op", "a new credential", "createaccesskey", "createloginprofile", "createserviceaccountkey",
                             "service principal credentials", "certificates and secrets management", "api_token.create",
                             "token.create", "personal_access_token", "deploy_key.create", "public_key.create", "createkeypair",
                             "importkeypair", "sshpublickey", "getfederationtoken"),
    "secret_deed": _deed("op", "a read of secrets", "getsecretvalue", "accesssecretversion", "secretget", "getparameter",
                         "getpassworddata", "listsecrets", "keyget", "vaultget", "item_usage", "viewed_password"),
    "audit_deed": _deed("op", "a change of logging or detection", "stoplogging", "deletetrail", "updatetrail", "puteventselectors",
                        "deleteflowlogs", "deletedetector", "updatedetector", "disablesecurityhub", "deleteconfigurationrecorder",
                        "stopconfigurationrecorder", "deletesink", "updatesink", "adminauditlogconfig", "auditlogsearch",
                        "diagnosticsettings/delete", "audit_log_streaming", "deleteloggroup"),
    "sharing_deed": _deed("op", "an opening to others", "anonymouslink", "sharinginvitation", "sharingset", "securelinkcreated",
                          "change_document_visibility", "change_user_access", "shared_link", "public_link", "putbucketpolicy",
                          "putbucketacl", "deletepublicaccessblock", "modifysnapshotattribute", "modifyimageattribute",
                          "setiampolicy", "repo.access", "item_shared", "collab_invite"),
    "kube_deed": _deed("url_path", "a command in a container, or a read of secrets", "/exec", "/attach", "/portforward", "/secrets"),
}  # fmt: skip
"""What an API operation gives away, told from anything else."""


DERIVED: dict[str, pl.Expr] = {
    "identity": _identity(),
    "image_name": _base("image"),
    "target_name": _base("tgt_image"),
    "image_shape": _path("image"),
    "module_shape": _path("module_path"),
    "signature": _signature(),
    "arguments": _arguments(),
    "started_by": pl.coalesce(_base("parent_image"), pl.lit("?")),
    "cmd_text": _as_written("cmdline"),
    "program_file": _last_part("image"),
    "agent_text": _as_written("user_agent"),
    "service_text": _as_written("service"),
    "reg_key_shape": _registry(),
    "service_shape": _fold(_text("service")),
    "pipe_shape": _fold(_text("pipe")).str.replace_all(r"\d+", "#"),
    "query_parent": _parent_domain(entity("query")),
    "query_domain": _chosen_domain(entity("query")),
    "sni_parent": _parent_domain(entity("sni")),
    "site": pl.coalesce(_parent_domain(entity("url_host")), _text("url_host").str.replace(r":\d+$", "")),
    "user_agent_shape": _text("user_agent").str.replace_all(r"\d+(?:[._]\d+)*", "#"),
    "tls_client": pl.coalesce(_text("ja4"), _text("ja3")),
    "port": _port(),
    "outcome": _outcome(),
    "place": _place(),
    "account": _account(),
    "person": _person(),
    "logon_source": _logon_source(),
    "logon_target": _logon_target(),
    "extension": _fold(_base("file_path").str.extract(r"(\.[^.\s]{1,12})$").fill_null("(no extension)")),
    "drive": _text("file_path").str.extract(r"^([a-z]:)"),
    "device_shape": _text("resource").str.extract(r"^([^\\]+(?:\\[^\\]+)?)"),
    **_DEEDS,
}
_EITHER: dict[str, tuple[str, str]] = {
    "machine": ("host", "src_ip"),  # who sends: the host where the record names one, else the address
    "origin_of_logon": ("src_ip", "src_host"),
}
"""Names that are one entity role, or another where that is null."""
_ENTITIES = {*_EITHER, "identity", "person"}


def known() -> set[str]:
    """Every name there is."""
    return DERIVED.keys() | _EITHER.keys() | BY_ROLE.keys() | SCHEMA.keys()


def is_entity(name: str) -> bool:
    """Whether a name gives entities (`host:ws5`) rather than plain values."""
    return name in _ENTITIES or (name in BY_ROLE and name not in DERIVED)


@cache
def expression(name: str) -> pl.Expr:
    """The expression of a name over event columns; KeyError for an unknown one."""
    if name in DERIVED:
        return DERIVED[name]
    if name in _EITHER:
        return pl.coalesce(entity(role) for role in _EITHER[name])
    if name in BY_ROLE:
        return entity(name)
    return pl.col(name).cast(SCHEMA[name]).cast(pl.String)


@cache
def roots(name: str) -> tuple[str, ...]:
    """The event columns a name is made of, sorted."""
    return tuple(sorted(set(expression(name).meta.root_names())))
