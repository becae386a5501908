"""Content tables: every mistake is an error that names the file, the detector and the key; the shipped ones are sound."""

import re

import pytest

from nonself.core.errors import ConfigError
from nonself.detect import content, detectors

GOOD = """
[[detector]]
name = "rare-thing"
title = "Thing"
about = "A thing."
attack = ["T1204"]
primitive = "rare"
where = { class_uid = [1007], present = ["image"], except = { op = ["5"] }, ends = { image = [".exe"] } }
x = ["image_name"]
over = ["host"]
entity = "host"
joins = ["user"]
says = "{host} ran {image_name}"
thing = "program"
peer = "host"
peers = "hosts"
example.normal = { class_uid = 1007, host = ["a", "b"], image = "x.exe" }
example.odd = { image = "y.exe" }
"""


def test_a_good_table_loads():
    (detector,) = content.load([("mine.toml", GOOD)])
    assert detector.name == "rare-thing" and {"time", "uid", "host", "image", "op", "class_uid"} <= set(detector.columns)


MISTAKES = {
    "not TOML": ("[[detector]]", "[[detector", "mine.toml"),
    "unknown key": ("peers =", "pears =", "'pears'; did you mean 'peer"),
    "missing key": ('title = "Thing"', "", "'title'"),
    "unknown name": ('x = ["image_name"]', 'x = ["image_nam"]', "'image_nam'; did you mean 'image_name'"),
    "wrong type": ('over = ["host"]', 'over = "host"', "key 'over'"),
    "wrong choice": ('"rare"\nwhere', '"rear"\nwhere', "key 'primitive'"),
    "no entity": ('entity = "host"', 'entity = "image_name"', "key 'entity'"),
    "joins what is no entity": ('joins = ["user"]', 'joins = ["cmdline"]', "key 'joins'"),
    "unknown column": ("class_uid = [1007], present", "class_uidd = [1007], present", "where.class_uidd"),
    "unknown present column": ('present = ["image"]', 'present = ["imag"]', "where.present"),
    "value of the wrong type": ("class_uid = [1007], present", 'class_uid = ["1007"], present', "where.class_uid"),
    "empty list": ('op = ["5"]', "op = []", "where.except.op"),
    "text test of a number": ('ends = { image = [".exe"] }', 'ends = { pid = ["4"] }', "where.ends.pid"),
    "says an unknown name": ("{host} ran", "{hose} ran", "key 'says'"),
    "rare without x": ('x = ["image_name"]', "", "key 'x'"),
    "bad example": ('example.odd = { image = "y.exe" }', 'example.odd = { imag = "y.exe" }', "example.odd.imag"),
    "window too short": ('primitive = "rare"', 'primitive = "rare"\nwindow = "10min"', "key 'window'"),
    "a measure of another primitive": ('primitive = "rare"', 'primitive = "rare"\nmeasure = "surprise"', "key 'measure'"),
    "information without its measure": ('primitive = "rare"', 'primitive = "information"', "key 'measure'"),
    "x in a volume": ('primitive = "rare"', 'primitive = "volume"', "key 'x'"),
    "no minimum at all": ('primitive = "rare"', 'primitive = "rare"\nmin_days = 0', "key 'min_days'"),
    "x in a gap": ('primitive = "rare"', 'primitive = "gap"', "key 'x'"),
    "unknown tail": ('primitive = "rare"', 'primitive = "rare"\ntail = "upper"', "key 'tail'"),
    "stray table": ("[[detector]]", "[other]\n[[detector]]", "other"),
    "name used twice": ("[[detector]]", GOOD + "\n[[detector]]", "key 'name'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_file_and_key(mistake):
    good, bad, told = MISTAKES[mistake]
    assert GOOD.count(good) == 1
    with pytest.raises(ConfigError, match=r"mine\.toml") as error:
        content.load([("mine.toml", GOOD.replace(good, bad))])
    assert told in str(error.value)


def test_a_sum_needs_an_integer_column_and_a_count_none():
    volume = GOOD.replace('"rare"\n', '"volume"\nmeasure = "sum"\nvalue = "image"\n').replace('x = ["image_name"]\n', "")
    volume = volume.replace("{image_name}", "{value}")
    for text in (volume, volume.replace('"sum"', '"count"'), volume.replace('value = "image"', "")):
        with pytest.raises(ConfigError, match=r"key 'value'|column"):
            content.load([("mine.toml", text)])


def test_each_primitive_asks_for_what_it_needs():
    plain = GOOD.replace('x = ["image_name"]\n', "").replace("{image_name}", "something")
    made = {
        "measure": ('"measure"\nvalue = "cmdline"', '"measure"\nvalue = "cmdlien"', "'cmdlien'; did you mean 'cmdline'"),
        "timeofweek": ('"timeofweek"', '"timeofweek"\nwindow = "1d"', "key 'window'"),
        "gap": ('"gap"', '"gap"\nwindow = "10min"', "key 'window'"),
    }
    for good, bad, told in made.values():
        (detector,) = content.load([("mine.toml", plain.replace('"rare"\n', good + "\n"))])
        assert detector.spec.primitive in made and "value" not in detector.columns
        with pytest.raises(ConfigError) as error:
            content.load([("mine.toml", plain.replace('"rare"\n', bad + "\n"))])
        assert told in str(error.value)
    with pytest.raises(ConfigError, match="entity alone"):
        content.load([("mine.toml", plain.replace('"rare"\n', '"gap"\n').replace('over = ["host"]', 'over = ["host", "user"]'))])


def test_the_shipped_detectors_are_many_and_well_named():
    shipped = detectors()
    assert len(shipped) >= 40 and detectors() is shipped
    for detector in shipped:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", detector.name)
        assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", technique) for technique in detector.attack)
        assert len(detector.title) < 80 and not detector.title.endswith(".")
