"""Tables of the audit system: which system calls and record types mean which OCSF class and activity."""

from __future__ import annotations

_X86_64 = (
    "2 open 42 connect 43 accept 49 bind 41 socket 56 clone 57 fork 58 vfork 59 execve 62 kill 76 truncate 77 ftruncate 82 rename 83 "
    "mkdir 84 rmdir 85 creat 86 link 87 unlink 88 symlink 90 chmod 91 fchmod 92 chown 93 fchown 94 lchown 99 sysinfo 101 ptrace 103 "
    "syslog 105 setuid 106 setgid 113 setreuid 117 setresuid 133 mknod 155 pivot_root 159 adjtimex 161 chroot 164 settimeofday 165 "
    "mount 166 umount2 169 reboot 170 sethostname 175 init_module 176 delete_module 188 setxattr 190 fsetxattr 197 removexattr 200 "
    "tkill 227 clock_settime 234 tgkill 246 kexec_load 250 keyctl 257 openat 258 mkdirat 259 mknodat 260 fchownat 263 unlinkat 264 "
    "renameat 265 linkat 266 symlinkat 268 fchmodat 272 unshare 288 accept4 308 setns 310 process_vm_readv 311 process_vm_writev 313 "
    "finit_module 316 renameat2 319 memfd_create 321 bpf 322 execveat 435 clone3 437 openat2"
)
_AARCH64 = (
    "5 setxattr 7 fsetxattr 14 removexattr 33 mknodat 34 mkdirat 35 unlinkat 36 symlinkat 37 linkat 38 renameat 39 umount2 40 mount 41 "
    "pivot_root 45 truncate 46 ftruncate 51 chroot 52 fchmod 53 fchmodat 54 fchownat 55 fchown 56 openat 97 unshare 104 kexec_load 105 "
    "init_module 106 delete_module 112 clock_settime 116 syslog 117 ptrace 129 kill 130 tkill 131 tgkill 142 reboot 144 setgid 145 "
    "setreuid 146 setuid 147 setresuid 161 sethostname 170 settimeofday 171 adjtimex 179 sysinfo 198 socket 200 bind 202 accept 203 "
    "connect 219 keyctl 220 clone 221 execve 242 accept4 268 setns 270 process_vm_readv 271 process_vm_writev 273 finit_module 276 "
    "renameat2 279 memfd_create 280 bpf 281 execveat 435 clone3 437 openat2"
)
_I386 = (
    "2 fork 5 open 8 creat 9 link 10 unlink 11 execve 14 mknod 15 chmod 16 lchown 21 mount 23 setuid 26 ptrace 37 kill 38 rename 39 "
    "mkdir 40 rmdir 46 setgid 52 umount2 61 chroot 70 setreuid 74 sethostname 79 settimeofday 83 symlink 88 reboot 92 truncate 93 "
    "ftruncate 94 fchmod 95 fchown 102 socketcall 103 syslog 116 sysinfo 120 clone 124 adjtimex 128 init_module 129 delete_module 164 "
    "setresuid 182 chown 190 vfork 198 lchown32 203 setreuid32 207 fchown32 208 setresuid32 212 chown32 213 setuid32 214 setgid32 217 "
    "pivot_root 226 setxattr 228 fsetxattr 235 removexattr 238 tkill 264 clock_settime 270 tgkill 283 kexec_load 288 keyctl 295 openat "
    "296 mkdirat 297 mknodat 298 fchownat 301 unlinkat 302 renameat 303 linkat 304 symlinkat 306 fchmodat 310 unshare 346 setns 347 "
    "process_vm_readv 348 process_vm_writev 350 finit_module 353 renameat2 356 memfd_create 357 bpf 358 execveat 359 socket 361 bind "
    "362 connect 364 accept4 435 clone3 437 openat2"
)
NUMBERS: dict[tuple[str, str], str] = {
    (arch, number): name
    for arch, table in (("c000003e", _X86_64), ("c00000b7", _AARCH64), ("40000003", _I386))
    for number, name in zip(table.split()[::2], table.split()[1::2], strict=True)
}
"""System calls that rules and this mapping speak of, by the record's `arch` and number: plain logs do not name them."""
SOCKETCALLS = {"1": "socket", "2": "bind", "3": "connect", "5": "accept", "12": "accept4"}
"""What the first argument of i386's `socketcall` (in hex) asks for."""

CALLS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("execve", "execveat", "fork", "clone", "clone3", "vfork"), (1007, 1)),
    **dict.fromkeys(("kill", "tkill", "tgkill"), (1007, 2)),
    **dict.fromkeys(("ptrace", "process_vm_readv"), (1007, 3)),
    "process_vm_writev": (1007, 4),
    **dict.fromkeys(("setuid", "setreuid", "setresuid", "setgid", "setuid32", "setreuid32", "setresuid32", "setgid32"), (1007, 5)),
    **dict.fromkeys(("open", "openat", "openat2"), (1001, 2)),
    **dict.fromkeys(("creat", "mknod", "mknodat", "mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat"), (1001, 1)),
    **dict.fromkeys(("truncate", "ftruncate"), (1001, 3)),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), (1001, 4)),
    **dict.fromkeys(("rename", "renameat", "renameat2"), (1001, 5)),
    **dict.fromkeys(("setxattr", "fsetxattr", "removexattr"), (1001, 6)),
    **dict.fromkeys(("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "chown32", "fchown32", "lchown32"), (1001, 7)),
    **dict.fromkeys(("mount",), (1001, 12)),
    **dict.fromkeys(("umount2",), (1001, 13)),
    **dict.fromkeys(("init_module", "finit_module"), (1005, 1)),
    "delete_module": (1005, 2),
    **dict.fromkeys(("connect", "accept", "accept4"), (4001, 1)),
    "bind": (4001, 7),
}
"""System call -> OCSF class and activity; any other call is a Base Event."""

_LOGON, _LOGOFF, _OTHER = (3002, 1), (3002, 2), (3002, 99)
KINDS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("USER_AUTH", "USER_LOGIN", "LOGIN", "USER_START", "USER_ERR"), _LOGON),
    **dict.fromkeys(("USER_LOGOUT", "USER_END"), _LOGOFF),
    **dict.fromkeys(("CRED_ACQ", "CRED_REFR", "CRED_DISP", "USER_ACCT", "CRYPTO_SESSION", "CRYPTO_KEY_USER"), _OTHER),
    "USER_CMD": (3003, 1),
    "USER_CHAUTHTOK": (3001, 3), "ADD_USER": (3001, 1), "DEL_USER": (3001, 6), "ACCT_LOCK": (3001, 9), "ACCT_UNLOCK": (3001, 99),
    "USER_MGMT": (3001, 99), "ADD_GROUP": (3006, 6), "DEL_GROUP": (3006, 5), "GRP_MGMT": (3006, 99), "GRP_CHAUTHTOK": (3006, 99),
    **dict.fromkeys(("CONFIG_CHANGE", "DAEMON_START", "DAEMON_END", "DAEMON_CONFIG", "DAEMON_ROTATE", "DAEMON_ABORT"), (1008, 99)),
    "KERN_MODULE": (1005, 1), "EXECVE": (1007, 1),
}  # fmt: skip
"""User-space and kernel records that stand alone -> OCSF class and activity. `ANOM_*` are findings (2004), the rest Base Events."""
CLASSES = tuple(sorted({0, 2004, *(uid for uid, _ in (*CALLS.values(), *KINDS.values()))}))
