"""Native fields that Elastic's pipelines have renamed to ECS ones: brought back, where the event's own data no longer holds them."""

from __future__ import annotations

from typing import Any

from nonself.sources.windows_fields import Flat, members, text

_PROCESS = {
    "process.entity_id": "ProcessGuid", "process.pid": "ProcessId", "process.executable": "Image",
    "process.command_line": "CommandLine", "process.working_directory": "CurrentDirectory",
    "process.parent.entity_id": "ParentProcessGuid", "process.parent.pid": "ParentProcessId",
    "process.parent.executable": "ParentImage", "process.parent.command_line": "ParentCommandLine",
    "process.pe.original_file_name": "OriginalFileName",
}  # fmt: skip
_ACTING = {"process.entity_id": "SourceProcessGUID", "process.pid": "SourceProcessId", "process.executable": "SourceImage"}
_SYSMON = _PROCESS | {
    "source.ip": "SourceIp", "source.port": "SourcePort", "source.domain": "SourceHostname", "destination.ip": "DestinationIp",
    "destination.port": "DestinationPort", "destination.domain": "DestinationHostname", "network.transport": "Protocol",
    "registry.path": "TargetObject", "dns.question.name": "QueryName", "sysmon.dns.status": "QueryStatus", "dll.path": "ImageLoaded",
    "file.path": "TargetFilename", "registry.data.strings": "Details", "file.name": "PipeName",
    "file.code_signature.signed": "Signed", "dll.code_signature.signed": "Signed",
}  # fmt: skip
_SECURITY = {
    "source.ip": "IpAddress", "source.port": "IpPort", "source.domain": "WorkstationName", "process.executable": "ProcessName",
    "process.pid": "ProcessId", "file.path": "ObjectName",
}  # fmt: skip
_CREATED = {
    "process.pid": "NewProcessId", "process.executable": "NewProcessName", "process.command_line": "CommandLine",
    "process.parent.executable": "ParentProcessName", "process.parent.pid": "ProcessId",
}  # fmt: skip
_SCRIPT = {
    "powershell.file.script_block_text": "ScriptBlockText", "powershell.file.script_block_id": "ScriptBlockId", "file.path": "Path",
    "powershell.command.invocation_details": "Payload", "process.command_line": "HostApplication",
}  # fmt: skip
_LOGONS = (4624, 4625, 4634, 4647, 4768, 4769, 4771, 4776)  # Elastic's user is whom these are about; of all others it is who acted
_INITIATED = {"egress": "true", "outbound": "true", "ingress": "false", "inbound": "false"}
_HASHED = ("process.hash", "file.hash", "dll.hash")


def fields(record: Flat, provider: str, event_id: int | None) -> Flat:
    """Native fields of an event by what its ECS fields say. A pipeline keeps what it does not rename, so these come second."""
    found = {native: text(value) for path, native in _names(provider.lower(), event_id).items() if (value := _at(record, path)) is not None}
    user, domain = _at(record, "user.name"), _at(record, "user.domain")
    if isinstance(user, str):
        if "sysmon" in provider.lower():
            found["User"] = f"{domain}\\{user}" if isinstance(domain, str) else user
        else:
            side = "Target" if event_id in _LOGONS else "Subject"
            found |= {f"{side}UserName": user, f"{side}DomainName": text(domain)}
    if (initiated := _INITIATED.get(text(_at(record, "network.direction")))) is not None:
        found["Initiated"] = initiated
    answers = _at(record, "dns.answers")
    if isinstance(answers, list):
        found["QueryResults"] = ";".join(text(members(answer).get("data")) for answer in answers)
    digests = next((digests for path in _HASHED if (digests := members(_at(record, path)))), {})
    if digests:
        found["Hashes"] = ",".join(f"{name.upper()}={text(digest)}" for name, digest in digests.items())
    return found


def _names(provider: str, event_id: int | None) -> dict[str, str]:
    if "sysmon" in provider:
        return _ACTING if event_id in (8, 10) else _SYSMON | {"file.path": "ImageLoaded"} if event_id in (6, 7) else _SYSMON
    if "powershell" in provider:
        return _SCRIPT
    return _CREATED if event_id == 4688 else _SECURITY if "security-auditing" in provider else {}


def _at(record: Flat, path: str) -> Any:
    node: Any = record
    for part in path.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node
