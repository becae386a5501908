"""How the events of one class are written: the tree of objects, the text of every leaf, what the class requires."""

from __future__ import annotations

import polars as pl

from nonself.core.schema import OCSF_VERSION
from nonself.serve.ocsf_leaves import EMAIL, base_name, leaf, tls_version
from nonself.serve.ocsf_text import Node, member
from nonself.sources.ocsf_paths import OcsfClass

_PRODUCTS = {
    "windows-evtx": ("Microsoft", "Windows"), "windows-json": ("Microsoft", "Windows"), "zeek": ("Zeek", "Zeek"),
    "suricata": ("OISF", "Suricata"), "cloudtrail": ("AWS", "CloudTrail"),
}  # fmt: skip
"""Vendor and name of a source's product; any other source is a product of its own name, without a vendor."""
_ENDS = {"src": ("src_ip", "src_host"), "dst": ("dst_ip", "dst_host")}


class Plan:
    """For one class of events and the columns that hold something, each `put` at its path.

    texts   column to be made -> its text; to be added to the frame before `render(frame, root)`
    """

    def __init__(self, kind: OcsfClass, put: dict[str, str]) -> None:
        self.kind, self.put, self.root = kind, put, Node("", "$")
        self.texts: dict[str, pl.Expr] = {}
        self._of: dict[str, tuple[str, list[str]]] = {}
        for column, path in put.items():
            text = leaf(column, path)
            if path.startswith("api.") and "api" not in kind.attributes:  # it comes with the cloud profile, which requires `cloud`
                text = pl.when(pl.col("provider").is_not_null()).then(text)
            self._of[column] = self._hang(path, text)
        self._metadata()
        self._beside()
        self._files()
        self._stand_ins()

    def may(self) -> pl.Expr:
        """Whether an event has what its class requires."""
        there = {name: pl.col(column).is_not_null() for name, column in self.root.leaves.items()}
        there |= {name: pl.col(node.column).is_not_null() for name, node in self.root.nodes.items()}
        must = [there.get(name, pl.lit(False)) for name in self.kind.required]
        if self.kind.one_of:
            must.append(pl.any_horizontal(there.get(name, pl.lit(False)) for name in self.kind.one_of))
        return pl.all_horizontal(pl.col("$.metadata").is_not_null(), *must)

    def lost(self, column: str) -> pl.Expr:
        """Whether a column that holds a value is not, or not exactly, in the event."""
        if column not in self._of:
            return pl.lit(True)
        text, around = self._of[column]
        lost = pl.any_horizontal(pl.col(name).is_null() for name in (text, *around))
        return lost | (pl.col(column) % 1_000 != 0) if column == "duration_us" else lost

    def _hang(self, path: str, text: pl.Expr) -> tuple[str, list[str]]:
        """Hang a leaf into the tree. Its column, and those of the objects around it."""
        *segments, name = path.split(".")
        node, around = self.root, []
        for segment in segments:
            node = node.child(segment)
            around.append(node.column)
        node.leaves[name] = column = f"{node.column}.{name}"
        self.texts[column] = text
        return column, around

    def _or(self, path: str, otherwise: pl.Expr) -> None:
        """A leaf that stands in where no column gives one."""
        column = "$." + path
        self._hang(path, pl.coalesce(self.texts[column], otherwise) if column in self.texts else otherwise)

    def _metadata(self) -> None:
        source = pl.col("source")
        vendor = source.replace_strict({name: one for name, (one, _) in _PRODUCTS.items()}, default=None, return_dtype=pl.String)
        product = source.replace_strict({name: one for name, (_, one) in _PRODUCTS.items()}, default=source, return_dtype=pl.String)
        self._hang("metadata.product.name", member("name", product.fill_null("unknown")))
        self._hang("metadata.product.vendor_name", member("vendor_name", vendor))
        self._hang("metadata.version", pl.lit(f'"version":"{OCSF_VERSION}"'))

    def _beside(self) -> None:
        """Attributes that OCSF requires beside those a column gives, as far as the record says them."""
        required, put = self.kind.required, self.put
        if "finding_info" in required:
            self._hang("finding_info.uid", member("uid", pl.col("uid")))  # the finding is the event
        if put.get("reg_key") == "reg_value.path":
            self._hang("reg_value.name", member("name", pl.col("reg_key").str.extract(r"([^\\]*)$")))
        if "api" in self.root.nodes or "api" in required:
            may = pl.lit(True) if "api" in required else pl.col("provider").is_not_null()
            self._hang("api.operation", member("operation", pl.when(may).then("op")))
        if "job" in required:  # a cron job's only name is its command
            self._or("job.name", member("name", pl.col("cmdline")))
        self._siblings()

    def _siblings(self) -> None:
        """Siblings that OCSF requires of an object."""
        for column, sibling, text in (
            ("url_host", "url_string", member("url_string", pl.col("url_host"))),
            ("sni", "version", member("version", tls_version())),
            ("ja3", "version", member("version", tls_version())),
            ("proto", "direction_id", pl.when(pl.col("proto").is_not_null()).then(pl.lit('"direction_id":0'))),
        ):
            if column in self.put:
                self._or(f"{self.put[column].rpartition('.')[0]}.{sibling}", text)

    def _files(self) -> None:
        """A file has a name and a type; where a named pipe stands in its place, the type says so."""
        for column, path in self.put.items():
            above, _, name = path.rpartition(".")
            if above.rpartition(".")[2] in ("file", "service_file") and name == "path":
                self._hang(f"{above}.type_id", pl.when(pl.col(column).is_not_null()).then(pl.lit('"type_id":1')))
                pipe = [member("name", pl.col("pipe"))] if self.put.get("pipe") == f"{above}.name" else []
                self._hang(f"{above}.name", pl.coalesce(base_name("name", pl.col(column)), *pipe))
        if self.put.get("pipe") == "file.name":
            self._or("file.type_id", pl.lit('"type_id":6'))

    def _stand_ins(self) -> None:
        """What a class requires and the record says in other words."""
        kind = self.kind
        if kind.uid in (3003, 3005):
            self._or("privileges", pl.lit('"privileges":[]'))
        if kind.uid == 1008:
            self._hang("log_provider", member("log_provider", pl.col("log_provider")))
        if "email" in kind.required:
            self._email()
        ends = [end for end in ("dst", "src") if f"{end}_endpoint" in (*kind.required, *kind.one_of)]
        if ends:  # the machine that tells of it is the one end that is known: its `name`, where a column gives `hostname`
            known = [column for end in ends for column in _ENDS[end]] + (["svc"] if kind.uid == 3002 else [])
            unknown = pl.all_horizontal(pl.col(column).is_null() for column in known)
            end = ends[0] if kind.uid == 3002 else "src"
            self._hang(f"{end}_endpoint.name", member("name", pl.when(unknown).then("host")))

    def _email(self) -> None:
        sender, to = (
            member(name, pl.when(pl.col(who).str.contains(EMAIL)).then(who)) for name, who in (("from", "user"), ("to", "tgt_user"))
        )
        self._hang("email.from", sender)
        self._hang("email.to", pl.concat_str([pl.lit('"to":['), to.str.strip_prefix('"to":'), pl.lit("]")]))
        self._or("direction_id", pl.lit('"direction_id":0'))
