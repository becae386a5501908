"""Small files in the shape of public data sets, written from their descriptions, an attack in each labelled in the set's way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

START = datetime(2017, 7, 3, 8, tzinfo=UTC)
UNSW_WIDTH = 49


def cic(folder: Path) -> None:
    head = (
        "id,Flow ID,Src IP,Src Port,Dst IP,Dst Port,Protocol,Timestamp,Flow Duration,Total Fwd Packet,Total Bwd packets,"
        "Total Length of Fwd Packet,Total Length of Bwd Packet,Fwd Seg Size Min,Label,Attempted Category"
    )
    rows = [
        f"{n},192.168.10.{n % 5}-1,192.168.10.{n % 5},{40_000 + n},192.168.10.50,80,6,{START + timedelta(minutes=n):%Y-%m-%d %H:%M:%S.%f},"
        f"{1_000 * n},{n % 7},3,{n}.0,22.0,20,BENIGN,-1"
        for n in range(60)
    ]
    rows += [
        f"{100 + n},x,172.16.0.1,{50_000 + n},192.168.10.50,80,6,2017-07-04 10:00:{n:02},NaN,Infinity,1,2,3,20,{label},-1"
        for n, label in enumerate(("DoS Hulk",) * 9 + ("DoS Hulk - Attempted",) * 3 + ("Web Attack - XSS",))
    ]
    (folder / "tuesday.csv").write_text("\n".join([head, *rows]) + "\n")


def unsw(folder: Path) -> None:
    rows = []
    for n in range(40):
        cells = ["0"] * UNSW_WIDTH
        attacks = n % 10 == 9
        cells[:9] = [f"59.166.0.{n % 4}", str(1_024 + n), "149.171.126.6", "-" if n == 3 else "53", "udp", "CON", "0.5", "132", "164"]
        cells[13], cells[16], cells[17] = "dns", "2", "2"
        cells[28], cells[29] = str(1_421_927_414 + n), str(1_421_927_415 + n)
        cells[47], cells[48] = (" Fuzzers " if attacks else ""), str(int(attacks))
        rows.append(",".join(cells))
    (folder / "UNSW-NB15_1.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\r\n")
    (folder / "NUSW-NB15_features.csv").write_text("No.,Name,Type,Description\n1,srcip,nominal,Source IP address\n")


def ctu(folder: Path) -> None:
    head = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label"
    rows = [
        f"2011/08/10 09:{n // 60:02}:{n % 60:02}.5,1.5,tcp,147.32.84.{n % 9},{2_000 + n},   ->,74.125.1.1,80,S_RA,0,0,4,244,124,"
        f"flow={'From-Normal-V42-Jist' if n % 2 else 'Background-TCP-Established'}"
        for n in range(50)
    ]
    rows += [
        f"2011/08/10 11:00:{n:02}.5,1.5,tcp,147.32.84.165,{2_000 + n},   ->,60.190.1.{n},25,S_,0,,4,244,244,flow=From-Botnet-V42-{what}"
        for n, what in enumerate(("TCP-Attempt-SPAM",) * 8 + ("UDP-DNS",) * 2)
    ]
    (folder / "capture20110810.binetflow").write_text("\n".join([head, *rows]) + "\n")


def lanl(folder: Path, days: int = 9, users: int = 8) -> None:
    auth = [
        f"{day * 86_400 + 30_000 + 60 * n + user},U{user}@DOM1,U{user}@DOM1,C{user},C{100 + n % 3},Kerberos,Network,LogOn,Success"
        for day in range(days)
        for n in range(6)
        for user in range(users)
    ]
    red = [f"{(days - 1) * 86_400 + 40_000 + n},U3@DOM1,C17693,C{200 + n}" for n in range(30)]
    auth += [f"{at},{who},?,{src},{dst},NTLM,Network,LogOn,Success" for at, who, src, dst in (row.split(",") for row in red)]
    (folder / "auth.txt").write_text("\n".join(auth) + "\n")
    (folder / "redteam.txt").write_text("\n".join(red) + "\nnot a label\n")
    (folder / "flows.txt").write_text("1,0,C1065,389,C3799,N10451,6,10,5323\n1,9,C1423,N1136,C1707,N1,6,5,847\n")
    (folder / "proc.txt").write_text("1,C1$@DOM1,C1,P16,Start\n2,C1$@DOM1,C1,P16,End\n")
    (folder / "dns.txt").write_text("2,C4653,C5030\n2,C5782,C16712\n")


def cert(folder: Path) -> None:
    when = [f"{datetime(2010, 1, 4, tzinfo=UTC) + timedelta(hours=h):%m/%d/%Y %H:%M:%S}" for h in range(400)]
    files = {
        "logon": ("id,date,user,pc,activity", lambda n: f"NGF{n % 3:04},PC-{n % 3:04},{'Logon' if n % 2 else 'Logoff'}"),
        "device": ("id,date,user,pc,activity", lambda n: f"DTAA/NGF{n % 3:04},PC-0001,{'Connect' if n % 2 else 'Disconnect'}"),
        "file": ("id,date,user,pc,filename,content", lambda n: f'NGF0001,PC-0001,C:\\a\\{n}.doc,"D0-CF, {n}"'),
        "email": (
            "id,date,user,pc,to,cc,bcc,from,size,attachments,content",
            lambda n: f"NGF0001,PC-0001,a@x.example;b@x.example,,,n@y.example,{1_000 + n},0,text",
        ),
        "http": ("id,date,user,pc,url,content", lambda n: f"NGF0001,PC-0001,http://wikileaks.example/Julian/{n}.php,words and words"),
    }
    for kind, (head, row) in files.items():
        lines = [f"{{{kind.upper()}-{n:04}}},{when[n]},{row(n)}" for n in range(20)]
        (folder / f"{kind}.csv").write_text("\n".join([head, *lines]) + "\n")
    answers = folder / "answers" / "r4.2-1"
    answers.mkdir(parents=True)
    (folder / "answers" / "insiders.csv").write_text("dataset,scenario,details,user,start,end\n4.2,1,r4.2-1-NGF0001.csv,NGF0001,a,b\n")
    told = [f"http,{{HTTP-{n:04}}},{when[n]},NGF0001,PC-0001,http://wikileaks.example/Julian/{n}.php,words" for n in range(5, 8)]
    told += [f'device,{{DEVICE-0007}},{when[7]},NGF0001,PC-0001,"Connect"']
    (answers / "r4.2-1-NGF0001.csv").write_text("\n".join(told) + "\n")


def optc(folder: Path) -> None:
    def record(n: int, kind: str, action: str, properties: dict[str, str]) -> dict[str, object]:
        return {
            "action": action, "actorID": f"a{n}", "hostname": f"SysClient020{n % 2}.systemia.example", "id": f"i{n}", "object": kind,
            "objectID": f"o{n}", "pid": 100 + n, "ppid": -1, "principal": "SYSTEMIA\\zleazer", "properties": properties, "tid": -1,
            "timestamp": f"2019-09-23T11:{n:02}:33.644-04:00",
        }  # fmt: skip

    parts = [
        ("PROCESS", "CREATE", {"image_path": "\\Device\\HarddiskVolume1\\a.exe", "command_line": "a.exe -x", "parent_image_path": "b.exe"}),
        ("FLOW", "MESSAGE", {"src_ip": "142.20.56.2", "src_port": "51000", "dest_ip": "132.197.158.98", "dest_port": "80",
                             "l4protocol": "6", "direction": "outbound", "size": "120"}),
        ("FILE", "WRITE", {"file_path": "\\??\\C:\\t.txt"}),
        ("USER_SESSION", "LOGIN", {"logon_id": "0x1", "requesting_user": "admin"}),
    ]  # fmt: skip
    lines = [orjson.dumps(record(n, *parts[n % 4])) for n in range(40)]
    (folder / "ecar-0201.json").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "truth.csv").write_text("host,start,end,step\nSysClient0201,2019-09-23T15:10:00Z,2019-09-23T15:20:00Z,day 1: initial agent\n")


MAKERS: dict[str, Callable[[Path], None]] = {
    "cic-ids2017": cic, "unsw-nb15": unsw, "ctu-13": ctu, "lanl": lanl, "cert": cert, "optc": optc,
}  # fmt: skip
"""Set -> what writes a small one into a folder. (evtx-baseline: any EVTX file.)"""
