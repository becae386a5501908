"""Where countries lie: middle and reach, rough on purpose. Estimates to a degree or so, enough to tell what a traveller can do.

The reach is the radius around the middle within which nearly everybody lives; what lies between the reaches of two countries is the
distance that somebody who was in both must have travelled at least.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from nonself.baseline.codes import Floats, Ints

EARTH = 6_371.0
_TABLE = """
AD 43 2 20 AE 24 54 250 AF 34 66 600 AG 17 -62 30 AI 18 -63 15 AL 41 20 150 AM 40 45 150 AO -12 18 700 AQ -80 0 2500 AR -35 -64 1700
AS -14 -171 50 AT 47 14 300 AU -27 134 2100 AW 13 -70 20 AX 60 20 60 AZ 40 48 250 BA 44 18 180 BB 13 -60 25 BD 24 90 300 BE 51 5 150
BF 12 -2 400 BG 43 25 250 BH 26 51 40 BI -3 30 120 BJ 10 2 350 BL 18 -63 10 BM 32 -65 20 BN 5 115 70 BO -17 -65 700 BQ 12 -68 60
BR -12 -50 2300 BS 24 -76 350 BT 27 90 150 BV -54 3 10 BW -22 24 450 BY 54 28 330 BZ 17 -89 130 CA 52 -95 2600 CC -12 97 15 CD -3 24 1100
CF 7 21 600 CG -1 15 550 CH 47 8 170 CI 8 -6 350 CK -21 -159 500 CL -34 -71 2200 CM 6 12 600 CN 33 108 2300 CO 4 -73 800 CR 10 -84 200
CU 22 -79 550 CV 16 -24 150 CW 12 -69 30 CX -10 106 15 CY 35 33 100 CZ 50 15 250 DE 51 10 450 DJ 12 43 100 DK 56 10 220 DM 15 -61 30
DO 19 -70 200 DZ 33 3 1200 EC -1 -79 450 EE 59 26 170 EG 27 31 600 EH 24 -14 400 ER 15 39 400 ES 40 -4 700 ET 9 40 700 FI 63 26 600
FJ -18 178 200 FK -52 -59 130 FM 7 152 1300 FO 62 -7 50 FR 47 2 550 GA -1 12 350 GB 54 -2 550 GD 12 -62 20 GE 42 44 250 GF 4 -53 200
GG 49 -3 20 GH 8 -1 350 GI 36 -5 5 GL 66 -48 900 GM 13 -15 200 GN 10 -11 400 GP 16 -62 50 GQ 2 10 300 GR 39 23 400 GS -54 -37 100
GT 15 -90 220 GU 13 145 30 GW 12 -15 150 GY 5 -59 350 HK 22 114 35 HM -53 73 20 HN 15 -87 300 HR 45 16 250 HT 19 -72 150 HU 47 19 250
ID -3 115 2300 IE 53 -8 220 IL 32 35 220 IM 54 -5 25 IN 22 79 1500 IO -7 72 50 IQ 33 44 450 IR 33 53 900 IS 65 -19 270 IT 43 12 650
JE 49 -2 10 JM 18 -77 110 JO 31 36 220 JP 36 138 1300 KE 0 38 550 KG 41 75 450 KH 13 105 280 KI 1 173 1500 KM -12 43 100 KN 17 -63 25
KP 40 127 350 KR 36 128 300 KW 29 48 100 KY 19 -81 120 KZ 48 67 1400 LA 18 103 500 LB 34 36 100 LC 14 -61 25 LI 47 10 12 LK 8 81 230
LR 6 -9 280 LS -29 28 120 LT 55 24 200 LU 50 6 45 LV 57 25 230 LY 29 17 800 MA 32 -6 650 MC 44 7 3 MD 47 29 180 ME 43 19 100
MF 18 -63 10 MG -19 47 800 MH 8 169 500 MK 42 22 110 ML 15 -3 900 MM 20 96 900 MN 47 104 1000 MO 22 114 8 MP 16 146 300 MQ 15 -61 35
MR 19 -11 700 MS 17 -62 10 MT 36 14 25 MU -20 58 300 MV 3 73 430 MW -13 34 430 MX 23 -102 1500 MY 4 109 1000 MZ -18 36 1000 NA -22 17 700
NC -21 166 250 NE 15 8 800 NF -29 168 10 NG 9 8 700 NI 13 -85 250 NL 52 5 180 NO 63 11 1000 NP 28 84 420 NR -1 167 5 NU -19 -170 15
NZ -41 174 850 OM 21 57 500 PA 9 -80 330 PE -10 -76 1000 PF -17 -149 1200 PG -6 147 700 PH 12 122 900 PK 30 70 850 PL 52 19 380
PM 47 -56 20 PN -25 -130 300 PR 18 -66 100 PS 32 35 80 PT 39 -9 1500 PW 7 134 200 PY -24 -57 500 QA 25 51 90 RE -21 56 40 RO 46 25 400
RS 44 21 250 RU 57 60 4500 RW -2 30 110 SA 24 45 1000 SB -9 160 600 SC -5 55 600 SD 15 31 800 SE 60 16 800 SG 1 104 30 SH -16 -6 2500
SI 46 15 130 SJ 78 16 250 SK 49 19 220 SL 8 -12 180 SM 44 12 7 SN 14 -15 350 SO 5 46 800 SR 4 -56 250 SS 7 30 600 ST 1 7 100
SV 14 -89 130 SX 18 -63 8 SY 35 38 400 SZ -26 31 90 TC 22 -72 70 TD 13 18 800 TF -49 69 1500 TG 8 1 300 TH 14 101 800 TJ 39 71 350
TK -9 -172 100 TL -9 126 160 TM 39 59 550 TN 35 10 400 TO -20 -175 300 TR 39 35 850 TT 11 -61 80 TV -8 178 350 TW 24 121 200 TZ -6 35 650
UA 49 32 650 UG 1 32 330 US 39 -98 2700 UY -33 -56 300 UZ 41 64 700 VA 42 12 1 VC 13 -61 50 VE 8 -66 750 VG 18 -65 30 VI 18 -65 50
VN 16 106 900 VU -16 167 400 WF -14 -177 130 WS -14 -172 80 XK 43 21 80 YE 15 47 550 YT -13 45 20 ZA -29 25 900 ZM -14 28 650 ZW -19 30 450
"""


@cache
def places() -> dict[str, tuple[float, float, float]]:
    """ISO 3166 alpha-2 code -> latitude and longitude of the middle in degrees, reach in km."""
    words = _TABLE.split()
    return {words[i]: (float(words[i + 1]), float(words[i + 2]), float(words[i + 3])) for i in range(0, len(words), 4)}


def apart(codes: list[str], a: Ints, b: Ints) -> Floats:
    """Least distance in km between the places `codes[a]` and `codes[b]`, pair by pair; 0 where either is unknown, or in reach.

    Great circle by the haversine formula, less the reach of both."""
    table = places()
    known = np.array([code in table for code in codes], np.bool_)
    where = np.array([table.get(code, (0.0, 0.0, 0.0)) for code in codes], np.float64).reshape(-1, 3)
    (lat_a, lon_a), (lat_b, lon_b) = (np.radians(where[each, :2]).T for each in (a, b))
    h = np.sin((lat_b - lat_a) / 2.0) ** 2 + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2.0) ** 2
    km = 2.0 * EARTH * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0))) - where[a, 2] - where[b, 2]
    return np.asarray(np.where(known[a] & known[b] & (a != b), np.maximum(km, 0.0), 0.0), dtype=np.float64)
