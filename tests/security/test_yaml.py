"""Hostile YAML as ``--cfg``, as ``_BASE_`` and inside checkpoints: one message, at once."""

import os

import pytest
import torch

from tests.checkpoint.test_load import model
from tests.conftest import payload
from timesformer.checkpoint import resume_check
from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.config import ConfigError, load_config
from timesformer.config.strict_yaml import DEEPEST, MOST_BYTES, MOST_NODES, read_yaml
from timesformer.errors import InputError

BOMB = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 11)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{i}: &a{i} {{x: [{', '.join([f'*a{i - 1}'] * 9)}], <<: *a{i - 1}}}\n" for i in range(1, 12)
)
TAGS = {
    "!!python/object/apply:os.system": "[touch ran]",
    "!!python/name:os.system": "''",
    "!!python/object/new:type": "[x, [], {}]",
    "!ruby/object:X": "{}",
    "!!binary": "aGk=",
}
DEEP = {
    "lists": "A: " + "[" * 2000,
    "mappings": "A: " + "{a: " * 5000,
    "blocks": "\n".join(" " * i + "a:" for i in range(900)),
}
ATTACKS = {
    "a bomb of aliases": (BOMB, rf"line 5: more than {MOST_NODES} values, with its aliases replaced"),
    "a bomb of merges": (MERGES, "with its aliases replaced"),
    "an anchor in itself": ("A: &a {B: *a}", "line 1: a contains itself"),
    "a list in itself": ("A: 1\nB: &b [*b]", "line 2: b contains itself"),
    **{
        f"the tag {tag}": (f"A: 1\nB: {tag} {value}", f"line 2: the tag {tag} makes objects")
        for tag, value in TAGS.items()
    },
    "a key twice": ("A: {C: 1}\nB: 2\nA: {D: 1}", "lines 1 and 3: A is given twice; remove one"),
    "an inner key twice": ("A:\n  B: 1\n  C: 2\n  B: 3", "lines 2 and 4: B is given twice"),
    "a key of a list": ("? [1, 2]\n: 3", "line 1: a key is a list or a mapping; write a name"),
    **{
        f"deep {kind}": (text, f"nested deeper than {DEEPEST} levels")
        for kind, text in DEEP.items()
    },
    "many values": ("A: [" + "1," * 21_000 + "]", f"more than {MOST_NODES} values"),
    "a control character": ("A: 1\nB: \0", "special characters are not allowed"),
    "not YAML": ("A: 1\nB: [", "not a readable YAML config: line 2"),
    "an alias of nothing": ("A: *b", "line 1: found undefined alias"),
    "several documents": ("A: 1\n---\nB: 2", "line 2: but found another document"),
    "a date that is none": ("A: 2024-99-99", "month must be in"),
    "a tab": ("A:\n\tB: 1", "line 2"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_as_a_file_it_is_one_message_with_its_line(tmp_path, attack):
    text, message = ATTACKS[attack]
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text("_BASE_: a.yaml\nNUM_GPUS: 0")
    for name in ("a.yaml", "b.yaml"):
        with pytest.raises(ConfigError, match=message) as error:
            load_config(tmp_path / name)
        assert str(error.value).startswith(f"{tmp_path / 'a.yaml'}")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("attack", ATTACKS)
def test_in_a_checkpoint_it_is_one_message_everywhere(tmp_path, attack):
    text, message = ATTACKS[attack]
    path, cfg = tmp_path / "file.pyth", tmp_path / "c.yaml"
    content = payload(model(), text)
    torch.save(content, path)
    cfg.write_text("NUM_GPUS: 0")
    calls = (
        lambda: load_weights(model(), path),
        lambda: read_model_spec(path),
        lambda: resume_check.check_compatible(
            Checkpoint(path, content), load_config(cfg).dump(), {}
        ),
    )
    for call in calls:
        with pytest.raises(InputError, match=message) as error:
            call()
        assert str(error.value).startswith(f"{path}: its cfg")
        assert "\n" not in str(error.value)


def test_a_few_aliases_merges_and_core_tags_stay_what_they_were():
    text = "A: &a {B: 1, C: !!float 2}\nD: {<<: *a, C: 3}\nE: *a\nF: &f [1, 2]\nG: [*f, *f]"
    found = read_yaml(text, source="x")
    assert found["D"] == {"B": 1, "C": 3}
    assert found["E"] == {"B": 1, "C": 2.0}
    assert found["G"] == [[1, 2], [1, 2]]


def test_what_is_no_text_file_is_not_opened(tmp_path):
    """A pipe waits for ever, a device never ends, and a file of gigabytes is no configuration."""
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    (tmp_path / "latin").write_bytes(b"A: caf\xe9")
    for name, message in {
        **dict.fromkeys([tmp_path / "pipe", "/dev/zero", tmp_path], "is not a regular file"),
        tmp_path / "huge": "no configuration has more than",
        tmp_path / "latin": "it is not UTF-8",
    }.items():
        (tmp_path / "base.yaml").write_text(f"_BASE_: {name}")
        for path in (name, tmp_path / "base.yaml"):
            with pytest.raises(ConfigError, match=message):
                load_config(path)


def test_a_foreign_text_called_cfg_does_not_keep_weights_from_loading(tmp_path):
    torch.save(
        {"model": model(seed=1).state_dict(), "cfg": "model = dict(type='ViT')\n  x"},
        tmp_path / "a",
    )
    assert load_weights(model(), tmp_path / "a").loaded
    torch.save({"model_state": model().state_dict(), "cfg": "A: ["}, tmp_path / "a")
    with pytest.raises(CheckpointError, match="its cfg: not a readable YAML"):
        load_weights(model(), tmp_path / "a")
