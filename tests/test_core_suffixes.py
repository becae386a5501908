"""Registered domains by our own reader of the public suffix list, against tldextract's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tldextract import TLDExtract

from nonself.core import suffixes

READER = TLDExtract(suffix_list_urls=(), cache_dir=None)
NAMES = [
    "example.com", "www.example.co.uk", "co.uk", "com", "a.b.c.d.e.f.g.example.org", "www.ck", "x.foo.ck", "foo.ck", "city.kawasaki.jp",
    "a.b.kawasaki.jp", "blogspot.com", "a.b.blogspot.com", "me.ddns.net", "nowhere.invalid", "localhost", "", ".", "..", "a..com", ".com",
    "食狮.com.cn", "食狮.公司.cn", "xn--85x722f.xn--55qx5d.cn", "xn--p1ai", "пример.рф", "xn--e1afmkfd.xn--p1ai",
    "xn--.com", "xn--\x00.com",
    "http://user:word@www.example.co.uk:8080/path?q=a.b#c", "//a.example.com/x", "www.example.com:443", "a。example。com",
    "s3.dualstack.eu-west-1.amazonaws.com",
    "x.s3.dualstack.eu-west-1.amazonaws.com", "a.compute.amazonaws.com", "f.a.compute.amazonaws.com",
]  # fmt: skip


def theirs(name: str, *, private: bool) -> str | None:
    return READER.extract_str(name, include_psl_private_domains=private).top_domain_under_public_suffix or None


@pytest.mark.parametrize("name", NAMES)
def test_as_tldextract_says(name: str) -> None:
    assert suffixes.registries().registered(name) == theirs(name, private=False)
    assert suffixes.all_owners().registered(name) == theirs(name, private=True)


RULES = sorted(suffixes.all_owners().names | {"*." + name for name in suffixes.all_owners().parents} | suffixes.all_owners().exceptions)
LABEL = st.sampled_from(["a", "www", "ck", "jp", "com", "xn--p1ai", "x-1", "公司"])


@given(labels=st.lists(LABEL, max_size=5), rule=st.sampled_from(RULES))
def test_under_every_kind_of_rule(labels: list[str], rule: str) -> None:
    name = ".".join([*labels, rule.replace("*", "any")])
    assert suffixes.registries().registered(name) == theirs(name, private=False)
    assert suffixes.all_owners().registered(name) == theirs(name, private=True)
