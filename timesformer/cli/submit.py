"""Queue a run on SLURM.

A job that is pre-empted or out of time saves, is queued again, and resumes.

$ timesformer submit --cfg Kinetics/TimeSformer_divST_8x32_224 --job_dir /shared/run --nodes 4
"""

import os
from typing import Annotated, Literal

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT, WEIGHTS, Cfg, Keys
from timesformer.errors import InputError

GIB_A_GPU, CORES_A_GPU = 60, 10  # as published
SIGNAL_SECONDS = 120
MOST_TIMEOUTS = 30  # times that a job which runs out of time is queued again


@command()
def main(
    cfg: Cfg,
    job_dir: Annotated[
        str, typer.Option("--job_dir", *OUT, metavar="DIR", help="OUTPUT_DIR of the run.")
    ],
    keys: Keys,
    num_gpus: Annotated[
        int, typer.Option("--num_gpus", "--gpus", min=0, help="Of each machine.")
    ] = 8,
    num_shards: Annotated[
        int, typer.Option("--num_shards", "--nodes", min=1, help="Machines.")
    ] = 1,
    partition: Annotated[str, typer.Option()] = "learnfair",
    timeout: Annotated[int, typer.Option(min=1, metavar="MINUTES")] = 4320,
    name: Annotated[str, typer.Option(help="Of the job.")] = "timesformer",
    postfix: Annotated[str, typer.Option(help="Added to the name.")] = "",
    resume_from: Annotated[
        str,
        typer.Option("--resume-from", *WEIGHTS, metavar="FILE", help="Checkpoint to start from."),
    ] = "",
    use_volta32: Annotated[bool, typer.Option("--use_volta32", help="GPUs of 32 GB.")] = False,
    comment: Annotated[str, typer.Option(help="For the scheduler.")] = "",
    mail: Annotated[str, typer.Option(help="Address for news of the job.")] = "",
    cluster: Annotated[
        Literal["slurm", "local"] | None, typer.Option(help="Default: what is there.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until the job ends.")] = False,
) -> None:
    """Submit the run and print the job."""
    try:
        import submitit
    except ImportError:
        raise InputError("needs submitit: pip install submitit") from None
    from timesformer.config import load_config, portable
    from timesformer.config.shipped import find_config
    from timesformer.runtime.slurm import SlurmTask

    path = os.path.abspath(find_config(portable(cfg)))
    pairs = {"NUM_GPUS": str(num_gpus), "OUTPUT_DIR": os.path.abspath(job_dir)}
    if resume_from:
        pairs["TRAIN.CHECKPOINT_FILE_PATH"] = os.path.abspath(resume_from)
    opts = [*(word for pair in pairs.items() for word in pair), *keys]  # typed ones win
    load_config(path, opts)
    folder = os.path.join(job_dir, "submitit", "%j")
    try:
        executor = submitit.AutoExecutor(
            folder, cluster=cluster, slurm_max_num_timeout=MOST_TIMEOUTS
        )
    except RuntimeError as error:  # there is no SLURM
        raise InputError(f"--cluster {cluster}: {error}") from error
    executor.update_parameters(
        name=name + postfix,
        timeout_min=timeout,
        nodes=num_shards,
        tasks_per_node=1,
        gpus_per_node=num_gpus,
        cpus_per_task=CORES_A_GPU * max(num_gpus, 1),
        mem_gb=GIB_A_GPU * max(num_gpus, 1),
        slurm_partition=partition,
        slurm_signal_delay_s=SIGNAL_SECONDS,
        **optional_parameters(use_volta32=use_volta32, comment=comment, mail=mail),
    )
    job = executor.submit(SlurmTask(path, tuple(opts)))
    print(f"job {job.job_id}: results in {job_dir}, its output in {job.paths.stdout}")
    if wait:
        job.result()


def optional_parameters(*, use_volta32: bool, comment: str, mail: str) -> dict[str, object]:
    """What the scheduler is asked for only if it was given."""
    wanted: dict[str, object] = {}
    if use_volta32:
        wanted["slurm_constraint"] = "volta32gb,ib4"
    if comment:
        wanted["slurm_comment"] = comment
    if mail:
        wanted["slurm_additional_parameters"] = {"mail_user": mail, "mail_type": "ALL"}
    return wanted
