"""The fields of Windows logon records: 4624, 4625, 4634, 4672, 4720, the domain controller's 4768, 4769 and 4776, and 4698 and 7045."""

from __future__ import annotations

from nonself.lab.world.company import DOMAIN, NETBIOS, Account, Machine
from nonself.lab.world.emit_windows import NO_GUID, PRIVILEGES, Fields, Session

REALM = DOMAIN.upper()
_NOBODY: Fields = {"SubjectUserSid": "S-1-0-0", "SubjectUserName": "-", "SubjectDomainName": "-", "SubjectLogonId": "0x0"}


def _self(machine: Machine) -> Fields:
    name = f"{machine.name.upper()}$"
    return {"SubjectUserSid": "S-1-5-18", "SubjectUserName": name, "SubjectDomainName": NETBIOS, "SubjectLogonId": "0x3e7"}


def _package(ntlm: bool, kind: int) -> Fields:
    if kind in (2, 7, 10):
        return {"LogonProcessName": "User32 ", "AuthenticationPackageName": "Negotiate", "LmPackageName": "-", "KeyLength": "0"}
    if ntlm:
        return {"LogonProcessName": "NtLmSsp ", "AuthenticationPackageName": "NTLM", "LmPackageName": "NTLM V2", "KeyLength": "128"}
    return {"LogonProcessName": "Kerberos", "AuthenticationPackageName": "Kerberos", "LmPackageName": "-", "KeyLength": "0"}


def logged_on(where: Session, kind: int, source: str, port: int, workstation: str, ntlm: bool, elevated: bool) -> Fields:
    """4624 of logon type `kind` on `where.machine`, from address `source`."""
    local = kind in (2, 5, 7, 10)
    account = where.account
    return {
        **(_self(where.machine) if local else _NOBODY),
        "TargetUserSid": account.sid if account else "S-1-5-18",
        "TargetUserName": account.login if account else "SYSTEM",
        "TargetDomainName": NETBIOS if local or ntlm else REALM,
        "TargetLogonId": where.logon_id,
        "LogonType": str(kind),
        **_package(ntlm, kind),
        "WorkstationName": where.machine.name.upper() if kind in (2, 7, 10) else workstation if ntlm else "-",
        "LogonGuid": NO_GUID if ntlm else where.guid,
        "TransmittedServices": "-",
        "ProcessId": "0x2c4" if local else "0x0",
        "ProcessName": "C:\\Windows\\System32\\svchost.exe" if local else "-",
        "IpAddress": source,
        "IpPort": str(port),
        "ImpersonationLevel": "%%1833",
        "RestrictedAdminMode": "-",
        "TargetOutboundUserName": "-",
        "TargetOutboundDomainName": "-",
        "VirtualAccount": "%%1843",
        "TargetLinkedLogonId": "0x0",
        "ElevatedToken": "%%1842" if elevated else "%%1843",
    }


def failed(machine: Machine, login: str, kind: int, source: str, port: int, workstation: str, unknown: bool = False) -> Fields:
    """4625: a wrong password, or (`unknown`) a name that does not exist."""
    return {
        **(_self(machine) if kind in (2, 7, 10) else _NOBODY),
        "TargetUserSid": "S-1-0-0",
        "TargetUserName": login,
        "TargetDomainName": NETBIOS,
        "Status": "0xc000006d",
        "FailureReason": "%%2313",
        "SubStatus": "0xc0000064" if unknown else "0xc000006a",
        "LogonType": str(kind),
        **_package(kind == 3, kind),
        "WorkstationName": workstation,
        "TransmittedServices": "-",
        "ProcessId": "0x0" if kind == 3 else "0x2c4",
        "ProcessName": "-" if kind == 3 else "C:\\Windows\\System32\\svchost.exe",
        "IpAddress": source,
        "IpPort": str(port),
    }


def logged_off(where: Session, kind: int) -> Fields:
    """4634."""
    account = where.account
    return {
        "TargetUserSid": account.sid if account else "S-1-5-18",
        "TargetUserName": where.login,
        "TargetDomainName": NETBIOS,
        "TargetLogonId": where.logon_id,
        "LogonType": str(kind),
    }


def privileged(where: Session) -> Fields:
    """4672: the logon holds administrator's rights."""
    return {**_subject(where), "PrivilegeList": PRIVILEGES}


def _subject(where: Session) -> Fields:
    account = where.account
    return {
        "SubjectUserSid": account.sid if account else "S-1-5-18",
        "SubjectUserName": where.login,
        "SubjectDomainName": NETBIOS,
        "SubjectLogonId": where.logon_id,
    }


def ticket_granting(account: Account, domain_sid: str, source: str, port: int) -> Fields:
    """4768: a ticket-granting ticket was asked for."""
    return {
        "TargetUserName": account.login,
        "TargetDomainName": NETBIOS,
        "TargetSid": account.sid,
        "ServiceName": "krbtgt",
        "ServiceSid": f"{domain_sid}-502",
        "TicketOptions": "0x40810010",
        "Status": "0x0",
        "TicketEncryptionType": "0x12",
        "PreAuthType": "2",
        "IpAddress": f"::ffff:{source}",
        "IpPort": str(port),
        "CertIssuerName": "",
        "CertSerialNumber": "",
        "CertThumbprint": "",
    }


def service_ticket(account: Account, service: Machine, domain_sid: str, source: str, port: int, guid: str) -> Fields:
    """4769: a ticket for a machine's services was asked for."""
    return {
        "TargetUserName": f"{account.login}@{REALM}",
        "TargetDomainName": REALM,
        "ServiceName": f"{service.name.upper()}$",
        "ServiceSid": f"{domain_sid}-{1000 + service.tag % 90}",
        "TicketOptions": "0x40810000",
        "TicketEncryptionType": "0x12",
        "IpAddress": f"::ffff:{source}",
        "IpPort": str(port),
        "Status": "0x0",
        "LogonGuid": guid,
        "TransmittedServices": "-",
    }


def ntlm_check(login: str, workstation: str, status: str = "0x0") -> Fields:
    """4776: the domain controller checked an NTLM answer."""
    return {"PackageName": "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0", "TargetUserName": login, "Workstation": workstation, "Status": status}


def service_installed(name: str, path: str, account: str = "LocalSystem", start: str = "demand start") -> Fields:
    """System 7045."""
    return {"ServiceName": name, "ImagePath": path, "ServiceType": "user mode service", "StartType": start, "AccountName": account}


def task_created(where: Session, name: str, command: str, arguments: str, day: str) -> Fields:
    """4698."""
    content = (
        '<?xml version="1.0" encoding="UTF-16"?>\n<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">\n'
        f"  <RegistrationInfo>\n    <Date>{day}</Date>\n    <Author>{where.user}</Author>\n    <URI>{name}</URI>\n  </RegistrationInfo>\n"
        "  <Triggers>\n    <CalendarTrigger>\n      <ScheduleByDay>\n        <DaysInterval>1</DaysInterval>\n      </ScheduleByDay>\n"
        "    </CalendarTrigger>\n  </Triggers>\n  <Actions>\n    <Exec>\n"
        f"      <Command>{command}</Command>\n      <Arguments>{arguments}</Arguments>\n    </Exec>\n  </Actions>\n</Task>"
    )
    return {
        **_subject(where),
        "TaskName": name,
        "TaskContent": content,
        "ClientProcessStartKey": "0",
        "ClientProcessId": "0",
        "ParentProcessId": "0",
        "RpcCallClientLocality": "0",
        "FQDN": where.machine.fqdn,
    }


def account_created(where: Session, account: Account) -> Fields:
    """4720."""
    return {
        "TargetUserName": account.login,
        "TargetDomainName": NETBIOS,
        "TargetSid": account.sid,
        **_subject(where),
        "PrivilegeList": "-",
        "SamAccountName": account.login,
        "DisplayName": account.name or "%%1793",
        "UserPrincipalName": f"{account.login}@{DOMAIN}",
        "HomeDirectory": "-",
        "ScriptPath": "-",
        "AccountExpires": "%%1794",
        "PrimaryGroupId": "513",
        "OldUacValue": "0x0",
        "NewUacValue": "0x15",
        "UserAccountControl": "\n\t\t%%2080\n\t\t%%2082\n\t\t%%2084",
    }
