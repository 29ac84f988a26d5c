"""The names of published protocols, and what TEST.PROTOCOLS refuses."""

import pytest

from timesformer.config import ConfigError, load_config
from timesformer.config.keys import KEYS
from timesformer.config.protocols import PROTOCOLS
from timesformer.files import TESTED_PROTOCOLS


def test_a_protocol_is_values_of_keys_and_its_files_have_names():
    assert tuple(PROTOCOLS) == TESTED_PROTOCOLS
    for values in PROTOCOLS.values():
        for name, value in values.items():
            KEYS[name].check(value)


@pytest.mark.parametrize(
    "text", ["[paper, official]", "['paper', 'official']", "[ paper,official ]"]
)
def test_a_list_needs_no_quotes(tiny_yaml, text):
    assert load_config(tiny_yaml, ["TEST.PROTOCOLS", text]).TEST.PROTOCOLS == ("paper", "official")


@pytest.mark.parametrize(("text", "names"), [("paper", ("paper",)), ("[]", ()), ("", ())])
def test_one_name_is_a_list_of_it(tiny_yaml, text, names):
    assert names == load_config(tiny_yaml, ["TEST.PROTOCOLS", text]).TEST.PROTOCOLS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[paper, theirs]", r"TEST\.PROTOCOLS names 'theirs'; choose among paper, official"),
        ("[paper, paper]", r"TEST\.PROTOCOLS names 'paper' 2 times; name it once"),
        ("7", r"TEST\.PROTOCOLS is '7', but must be a list of texts"),
    ],
)
def test_other_names_and_names_twice_are_refused(tiny_yaml, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(tiny_yaml, ["TEST.PROTOCOLS", text])
