"""Small logs of web servers and security products, written for these tests: source name -> [(file name, bytes, events expected)]."""

from __future__ import annotations

AGENT = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"


def lines(*rows: str) -> bytes:
    return "".join(row + "\n" for row in rows).encode()


def access(rest: str, who: str = "10.0.0.5 - ann", stamp: str = "02/Mar/2026:10:00:01 +0100") -> str:
    return f"{who} [{stamp}] {rest}"


COMBINED = lines(
    access(f'"GET /shop/item.php?id=7 HTTP/1.1" 200 5120 "https://www.example.org/" "{AGENT}"'),
    access('"POST /login HTTP/1.1" 401 381 "-" "curl/8.5.0"', who="198.51.100.7 - -", stamp="02/Mar/2026:10:00:02 +0100"),
    access(r'"GET /x\"y HTTP/1.1" 404 12 "-" "() { :; }; echo \"x\" \\"', who="198.51.100.7 - -"),
    access(r'"\x16\x03\x01" 400 226 "-" "-"', who="2001:db8::7 - -"),
)
COMMON = lines(access('"GET / HTTP/1.0" 304 -'), access('"CONNECT mail.example.net:25 HTTP/1.1" 405 300', who="198.51.100.8 - -"))
VHOST = lines(
    access(f'"GET /a HTTP/2.0" 200 77 "-" "{AGENT}"', who="www.example.org:443 192.0.2.7 - -"),
    access('"GET http://other.example/b?c HTTP/1.1" 403 9 "-" "-"', who="shop.example.org 192.0.2.8 - bob"),
)
CHAINS = lines(
    access('"GET /1 HTTP/1.1" 200 1 "-" "x"', who="203.0.113.9, 198.51.100.7, 10.0.0.1 - -"),
    access('"GET /2 HTTP/1.1" 200 1 "-" "x"', who='"203.0.113.9, 10.0.0.1" 10.9.9.9 - -'),
    access('"GET /3 HTTP/1.1" 200 1 "-" "x"', who="- 10.9.9.9 - -"),
    access('"GET /4 HTTP/1.1" 200 1 "-" "x"', who="gate.example.org - -"),
)
NGINX = lines(
    access('"GET /1 HTTP/1.1" 200 1 "-" "x" "203.0.113.9" 0.125'),
    access('"GET /2 HTTP/1.1" 200 1 "-" "x" 512 0.250 [prod-web-80] [] 10.1.1.1:8080 5 0.248 200 0a1b'),
    access('"GET /3 HTTP/1.1" 200 1 "-" "x" rt=1.500 uct="0.000"'),
    access('"GET /4 HTTP/1.1" 200 1 "-" "x" 1234'),
)

APACHE_24 = lines(
    "[Mon Mar 02 10:00:01.902022 2026] [core:info] [pid 708:tid 4328636416] [client 198.51.100.7:50123] AH00128: File does not exist: "
    "/srv/www/x.php, referer: https://www.example.org/a",
    "[Mon Mar 02 10:00:02.5 2026] [auth_basic:error] [pid 708] [client 2001:db8::7:50124] AH01618: user bob not found: /admin",
    "[Mon Mar 02 10:00:03.000001 2026] [auth_basic:error] [pid 708:tid 1] [client 198.51.100.7:50125] AH01617: user ann: authentication "
    'failure for "/admin": Password Mismatch',
    "[Mon Mar 02 10:00:04.7 2026] [:error] [pid 9] [client 198.51.100.7:1] [client 198.51.100.7] ModSecurity: Access denied with code 403 "
    '(phase 2). Pattern match [file "/etc/r.conf"] [id "942100"] [msg "SQL Injection Attack Detected via libinjection"] '
    '[severity "CRITICAL"] [hostname "www.example.org"] [uri "/item.php"] [unique_id "Yx"]',
    "[Mon Mar 02 10:00:05.7 2026] [mpm_event:notice] [pid 1:tid 2] AH00489: Apache/2.4.62 (Debian) configured -- resuming operations",
    "[Mon Mar 02 10:00:06.7 2026] [autoindex:error] [pid 1:tid 2] (13)Permission denied: [client 198.51.100.7:2] AH01275: Can't open "
    "directory for index: /srv/www/",
)
APACHE_22 = lines(
    "[Wed Oct 11 14:32:52 2000] [error] [client 198.51.100.7] client denied by server configuration: /srv/www/test",
    "[Wed Oct 11 14:32:53 2000] [notice] caught SIGTERM, shutting down",
)

_NGINX = "2026/03/02 10:00:01 [error] 708#9: *5 "
NGINX_ERROR = lines(
    _NGINX + 'open() "/srv/www/a b.php" failed (2: No such file or directory), client: 198.51.100.7, server: www.example.org, '
    'request: "GET /a%20b.php?x=1 HTTP/1.1", host: "www.example.org", referrer: "https://www.example.org/a"',
    _NGINX + 'user "bob": password mismatch, client: 2001:db8::7, server: _, request: "GET /admin/ HTTP/2.0", host: "www.example.org"',
    _NGINX + 'user "ann" was not found in "/etc/nginx/users", client: 198.51.100.7, server: _, request: "GET /admin/ HTTP/1.1"',
    _NGINX
    + '[client 198.51.100.7] ModSecurity: Access denied with code 403 (phase 2). Matched [file "/etc/x.conf"] [line "80"] [id "949110"] '
    '[msg "Inbound Anomaly Score Exceeded"] [data ""] [severity "2"] [hostname "10.0.0.8"] [uri "/item.php"] [unique_id "17"], '
    'client: 198.51.100.7, server: _, request: "POST /item.php HTTP/1.1", host: "www.example.org"',
    "2026/03/02 10:00:02 [notice] 1#1: signal process started",
    "2026/03/02 10:00:03 [crit] 708#9: *6 SSL_do_handshake() failed (SSL: error:0A00006C:SSL routines::bad key share) while SSL "
    "handshaking, client: 198.51.100.8, server: 0.0.0.0:443",
    "2026/03/02 10:00:04 [alert] 1#1: worker process 709 exited on signal 11 (core dumped)",
)
IIS_HEAD = ("#Software: Microsoft Internet Information Services 10.0", "#Version: 1.0", "#Date: 2026-03-02 10:00:00")
IIS_FIELDS = (
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus "
    "sc-win32-status time-taken"
)
IIS = lines(
    *IIS_HEAD,
    IIS_FIELDS,
    r"2026-03-02 10:00:01 10.0.0.8 GET /owa/auth.aspx a=1&b=2 443 CORP\ann 198.51.100.7 Mozilla/5.0+(X11) https://x.example/ 200 0 0 15",
    "2026-03-02 10:00:02 10.0.0.8 POST /aspnet/x.aspx - 443 - 198.51.100.7 - - 500 0 64 1500",
)
HTTPERR = lines(
    "#Software: Microsoft HTTP API 2.0",
    "#Version: 1.0",
    "#Date: 2026-03-02 10:00:00",
    "#Fields: date time c-ip c-port s-ip s-port cs-version cs-method cs-uri sc-status s-siteid s-reason s-queuename",
    "2026-03-02 10:00:01 198.51.100.7 50123 10.0.0.8 80 HTTP/1.1 GET /a%00b?c 400 - URL -",
    "2026-03-02 10:00:02 198.51.100.7 50124 10.0.0.8 80 - - - - - Timer_ConnectionIdle -",
)
PROXY = lines(
    "#Software: SGOS 6.7",
    "#Fields: date time time-taken c-ip cs-username s-action sc-status cs-method cs-uri-scheme cs-host cs-uri-port cs-uri-path "
    "cs-uri-query cs-uri-extension cs(User-Agent) s-ip sc-bytes cs-bytes",
    '2026-03-02 10:00:01 235 10.0.0.5 ann TCP_MISS 200 GET http www.example.org 80 /a/b.exe ?x=1 exe "Mozilla/5.0 (X11)" 10.0.0.2 100 20',
    "2026-03-02 10:00:02 35 10.0.0.5 - TCP_DENIED 403 GET http evil.example 80 / - - curl/8 10.0.0.2 10 2",
)
CLOUDFRONT = lines(
    "#Version: 1.0",
    "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query "
    "cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken",
    "2026-03-02\t10:00:01\tFRA1\t2390\t192.0.2.202\tGET\td111.cloudfront.net\t/my%20file.html\t200\twww.example.org\tMozilla/4.0%20(MSIE%205)\t"
    "a=b\tzip=98101\tHit\tMRVMF7\tcdn.example.org\thttps\t23\t0.001",
    "2026-03-02\t10:00:02\tFRA1\t239\t2001:db8::1\tHEAD\td111.cloudfront.net\t/\t403\t-\t-\t-\t-\tError\tMRVMF8\tcdn.example.org\thttps\t-\t1.25",
)
FIREWALL = lines(
    "#Version: 1.5",
    "#Software: Microsoft Windows Firewall",
    "#Time Format: Local",
    "#Fields: date time action protocol src-ip dst-ip src-port dst-port size tcpflags tcpsyn tcpack tcpwin icmptype icmpcode info path",
    "",
    "2026-03-02 10:00:01 DROP TCP 192.0.2.9 10.0.0.8 50000 445 52 S 1 0 8192 - - - RECEIVE",
    "2026-03-02 10:00:02 ALLOW UDP 10.0.0.8 10.0.0.1 50001 53 0 - - - - - - - SEND",
)

_GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/73e2d6bc24d8a067"
ALB = lines(
    "https 2026-03-02T10:00:01.186641Z app/front/50dc6c495c0c9188 192.0.2.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 34 57 "
    f'"GET https://www.example.org:443/a?b=1 HTTP/1.1" "curl/8.5" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 {_GROUP} "Root=1-5833" '
    '"www.example.org" "arn:aws:acm:eu-west-1:123456789012:certificate/1" 1 2026-03-02T10:00:00.364000Z "waf,forward" "-" "-" '
    '"10.0.0.1:80" "200" "-" "-" TID_1',
    "h2 2026-03-02T10:00:02.186641Z app/front/50dc6c495c0c9188 [2001:db8::9]:2818 - -1 -1 -1 502 - 34 366 "
    r'"GET https://www.example.org:443/ HTTP/2.0" "a \"q\" b" - - - "-" "-" "-" 0 2026-03-02T10:00:02.000000Z "forward" "-" "Lambda" '
    '"-" "-" "-" "-"',
)
CLASSIC = lines(
    "2026-03-02T10:00:03.945958Z classic 192.0.2.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "
    '"GET http://www.example.org:80/ HTTP/1.1" "curl/7.38.0" - -',
    '2026-03-02T10:00:04.945958Z classic 192.0.2.39:2818 10.0.0.1:25 0.001069 0.000028 0.000041 - - 82 305 "- - - " "-" - -',
)
_OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
S3 = lines(
    f"{_OWNER} vault [02/Mar/2026:10:00:01 +0000] 192.0.2.3 arn:aws:iam::123456789012:user/ann 3E57427F3 REST.GET.OBJECT a/b.txt "
    '"GET /vault/a/b.txt?x=1 HTTP/1.1" 200 - 2662992 3462992 70 10 "-" "S3Console/0.4" - s9lz= SigV4 ECDHE-RSA-AES128-GCM-SHA256 '
    "AuthHeader vault.s3.eu-west-1.amazonaws.com TLSV1.2 - -",
    f"{_OWNER} vault [02/Mar/2026:10:00:02 +0000] 192.0.2.3 - 3E57427F4 REST.DELETE.OBJECT a/b.txt "
    '"DELETE /vault/a/b.txt HTTP/1.1" 403 AccessDenied 243 - 7 - "-" "x" - - - - - vault.s3.amazonaws.com - - -',
    f'{_OWNER} vault [02/Mar/2026:10:00:03 +0000] - AmazonS3 3E57427F5 S3.EXPIRE.OBJECT a/c.txt - - - - - - - - "-" - h= - - - - - - -',
)

CEF = lines(
    "CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.1 dst=192.0.2.2 spt=1232 rt=1772445600250 act=blocked "
    r"msg=a b\=c cs1=Policy 7 cs1Label=Policy Name",
    "Mar  2 10:00:01 fw1 CEF:0|Palo Alto Networks|PAN-OS|10|end|TRAFFIC|1|src=10.0.0.5 dst=192.0.2.7 dpt=443 "
    "proto=TCP in=100 out=200 act=allow",
    r"<134>2026-03-02T10:00:02Z waf1 CEF:0|Acme\|Co|Proxy|12|http|GET \\x|Low|request=https://www.example.org/a?b=1 requestMethod=GET "
    "requestClientApplication=Mozilla/5.0 (X11) src=10.0.0.9 suser=ann",
    r"CEF:0|Acme|Desk|1|4624|User login failed|3|duser=ann src=10.0.0.5 outcome=failure rt=Mar 02 2026 10:00:03 CET filePath=C:\new\temp",
    "CEF:1|Acme|Desk|1|7|Something else|Medium|rt=2026-03-02T10:00:04.5+01:00 dvchost=desk1",
)
LEEF = lines(
    "LEEF:1.0|Microsoft|MSExchange|4.0 SP1|15345|src=192.0.2.9\tdst=10.0.0.7\tsev=5\tcat=anomaly\tsrcPort=81\tdstPort=21\tusrName=joe\t"
    "devTime=1772445600\tsrcBytes=10\tdstBytes=20",
    "Mar  2 10:00:01 fw1 LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=192.0.2.9^dst=10.0.0.7^sev=9^cat=flow^devTime=02/03/2026 11:12:13^"
    "devTimeFormat=dd/MM/yyyy HH:mm:ss",
    "LEEF:2.0|A|B|1|login|x7C|usrName=ann|src=10.0.0.5|devTime=2026-03-02T10:00:00.5+0100",
)
ALERTS = lines(
    "time,name,ip,host,short,time_label,event_label",
    "1772445600,Wazuh: Web server 400 error code.,172.17.0.9,proxy,W-Acc-400,scan,dirb",
    '1772445601,"Suricata: Alert - ""odd"", and more",10.0.0.7,mail,S-1,false_positive,-',
    "1772445602.5,=cmd|' /C calc'!A0,10.0.0.8,web,X,-,-",
)
QUEUE = lines(
    "Timestamp;Alert Name;Severity;Source IP;Destination IP;Dest Port;Username;MITRE Technique;Ground Truth;URL",
    "2026-03-02T10:00:01+01:00;C2 beacon;High;10.0.0.5;192.0.2.7;443;ann;T1071.001, T1573;attack;http://evil.example/x?y",
    "2026-03-02 10:00:02;Odd logon;7.5;::ffff:10.0.0.6;;;bob;;benign;",
)

SAMPLES: dict[str, list[tuple[str, bytes, int]]] = {
    "apache-error": [("error.log", APACHE_24, 6), ("error_log", APACHE_22, 2)],
    "nginx-error": [("nginx/error.log", NGINX_ERROR, 7)],
    "weblog": [
        ("access.log", COMBINED, 4), ("common.log", COMMON, 2), ("vhosts.log", VHOST, 2), ("chains.log", CHAINS, 4),
        ("nginx.log", NGINX, 4),
    ],
    "w3c": [("u_ex260302.log", IIS, 2), ("httperr1.log", HTTPERR, 2), ("SG_main.log", PROXY, 2)],
    "cloudfront": [("E2K2LNL5N3WR51.2026-03-02", CLOUDFRONT, 2)],
    "windows-firewall": [("pfirewall.log", FIREWALL, 2)],
    "aws-elb": [("alb.log", ALB, 2), ("classic.log", CLASSIC, 2)],
    "s3-access": [("2026-03-02-10", S3, 3)],
    "cef": [("cef.log", CEF, 5)],
    "leef": [("leef.log", LEEF, 3)],
    "csv-alerts": [("alerts.csv", ALERTS, 3), ("queue.csv", QUEUE, 2)],
}  # fmt: skip
