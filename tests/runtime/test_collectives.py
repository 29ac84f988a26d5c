"""Exchange between real gloo processes, and the same calls without a group."""

import ast
import subprocess
import sys
import textwrap
from datetime import timedelta

import torch
import torch.distributed as dist

from tests.conftest import ROOT
from timesformer.runtime import collectives


def test_alone_every_exchange_is_the_identity():
    values = torch.tensor([1.0, 2.0])
    assert torch.equal(collectives.all_reduce_sum(values), values)
    assert collectives.gather("x") == ["x"]
    sizes = (collectives.rank(), collectives.world_size(), collectives.local_world_size())
    assert sizes == (0, 1, 1)
    assert collectives.is_main()
    collectives.barrier()
    collectives.broadcast_tensors([values])
    assert values.tolist() == [1.0, 2.0]


def test_three_processes_sum_and_gather_in_order(tmp_path):
    script = tmp_path / "exchange.py"
    script.write_text(
        textwrap.dedent("""
        import torch, torch.distributed as dist
        from timesformer.runtime import collectives as d
        dist.init_process_group("gloo")
        mine = torch.tensor([float(d.rank()), 1.0])
        assert d.all_reduce_sum(mine).tolist() == [3.0, 3.0]
        assert mine.tolist() == [float(d.rank()), 1.0]
        d.broadcast_tensors([mine])
        assert mine.tolist() == [0.0, 1.0]
        assert d.gather({"rank": d.rank()}) == [{"rank": i} for i in range(3)]
        assert (d.world_size(), d.local_world_size()) == (3, 3)
        assert d.is_main() == (d.local_rank() == 0)
        d.barrier()
        dist.destroy_process_group()
        """)
    )
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "3",
    ]
    result = subprocess.run(
        [*command, str(script)], capture_output=True, text=True, timeout=200, cwd=ROOT, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_group_for_the_cpu_has_the_time_limit_of_the_run(monkeypatch):
    store = dist.HashStore()
    collectives.form_group("gloo", store=store, rank=0, world_size=1, timeout=7)
    try:
        monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
        collectives.cpu_group.cache_clear()
        for group in (dist.group.WORLD, collectives.cpu_group()):
            backend = group._get_backend(torch.device("cpu"))
            assert backend.options._timeout == timedelta(seconds=7)
    finally:
        collectives.cpu_group.cache_clear()
        monkeypatch.undo()
        dist.destroy_process_group()


def test_no_group_is_formed_without_a_time_limit():
    """A mesh of its own forms groups too, with the limit of PyTorch."""
    formed = 0
    for path in (ROOT / "timesformer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            assert name not in ("init_device_mesh", "new_subgroups", "split_group"), path
            if name in ("new_group", "init_process_group"):
                assert "timeout" in [keyword.arg for keyword in node.keywords], path
                formed += 1
    assert formed == 2
