"""Little shared memory, few descriptors: a run works all the same, or ends with the remedy."""

import contextlib
import ctypes
import os
import re
import subprocess
import sys

import pytest
import torch

from tests.datasets.test_loader_processes import forked, same
from timesformer.config import load_config
from timesformer.datasets import build_loader, resource_limits, shared_memory
from timesformer.engine import preflight

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

NEW_MOUNTS = 0x20000  # CLONE_NEWNS
LIMITED = {
    "64 MB": "size=64m",
    "64 kB": "size=64k",
    "read-only": "size=64k,ro",
}


@pytest.fixture
def batches(tiny_yaml):
    def make(workers=2):
        cfg = load_config(tiny_yaml, ["DATA_LOADER.NUM_WORKERS", str(workers)])
        return list(build_loader(cfg, "train"))

    return make


def mount_privately(options):
    """/dev/shm of a mount namespace of this process alone; False where that is not permitted."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS):
        return False
    private = ["mount", "--make-rprivate", "/"]
    limited = ["mount", "-t", "tmpfs", "-o", options, "none", "/dev/shm"]
    return not any(subprocess.run(c, capture_output=True).returncode for c in (private, limited))


@pytest.mark.parametrize("options", LIMITED.values(), ids=LIMITED)
def test_batches_need_no_shared_memory_folder(batches, options):
    def run():
        if not mount_privately(options):
            os._exit(77)
        with contextlib.suppress(OSError), open("/dev/shm/fill", "wb") as file:
            file.write(bytes(1 << 26))
        os._exit(0 if same(batches(), batches(0)) else 1)

    status = forked(run)
    if status == 77:
        pytest.skip("private mounts are not permitted here")
    assert status == 0


@pytest.mark.parametrize("spare", [0, 2, 4, 6, 40])
def test_few_descriptors_are_enough_or_an_error_with_its_remedy(batches, spare):
    import resource

    plain = batches(0)

    def run():
        used = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, used + spare))
        try:
            os._exit(0 if same(batches(), plain) else 1)
        except resource_limits.LoaderError as error:
            os._exit(3 if "ulimit -n 4096" in str(error) else 4)

    assert forked(run) in ([0] if spare == 40 else [0, 3])


@pytest.mark.parametrize(("hard", "is_raised"), [(5000, True), (90, True), (30, False)])
def test_the_limit_of_open_files_is_raised_before_a_run_or_named(tiny_yaml, hard, is_raised):
    import resource

    cfg = load_config(tiny_yaml, ["DATA_LOADER.NUM_WORKERS", "2"])

    def run():
        os.closerange(10, 90)  # whatever the tests have open
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, hard))
        problems = list(preflight._loader_problems(cfg))
        now = resource.getrlimit(resource.RLIMIT_NOFILE)
        if is_raised:
            os._exit(0 if (problems, now) == ([], (min(hard, resource_limits.ENOUGH), hard)) else 1)
        is_said = re.search(r"may open 24 files here.* needs \d+; .*ulimit -n 4096", problems[0])
        os._exit(0 if is_said and now == (24, hard) else 1)

    assert forked(run) == 0


def test_without_anonymous_memory_batches_go_through_pipes(batches, monkeypatch):
    plain = batches(0)
    monkeypatch.delattr(os, "memfd_create")
    assert isinstance(shared_memory.channel_pair()[0], shared_memory.PipeChannel)
    assert same(batches(), plain)


@pytest.mark.parametrize("has_memory", [True, False])
def test_messages_arrive_as_they_were_sent(monkeypatch, has_memory):
    if not has_memory:
        monkeypatch.delattr(os, "memfd_create")
    here, there = shared_memory.channel_pair()
    there.accept_activity()
    pixels = torch.arange(3 << 20, dtype=torch.int64).to(torch.uint8)
    for content, tensor in [
        ("small", None),
        ("x" * 100_000, None),
        ("pixels", pixels),
        ("none", torch.empty(0, dtype=torch.uint8)),
    ]:
        import threading

        sender = threading.Thread(target=there.send, args=(content, tensor))  # a pipe may be full
        sender.start()
        message = here.receive()
        sender.join()
        assert message.content == content
        assert tensor is None or torch.equal(message.tensor, tensor)
    there.set_activity(7)
    if not has_memory:
        assert here.receive().content == shared_memory.Activity(1, 7)
    assert here.activity == shared_memory.Activity(1, 7)
    assert not shared_memory.is_readable(here)
    there.close()
    assert shared_memory.is_readable(here)
    with pytest.raises(EOFError):
        here.receive()
