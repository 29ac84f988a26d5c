"""Queue a run on SLURM: python tools/submit.py --cfg FILE --job_dir DIR KEY VALUE ..."""

import argparse
import os

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.errors import InputError
from timesformer.runtime.command import command, leave

GIB_A_GPU, CORES_A_GPU = 60, 10  # as published
SIGNAL_SECONDS = 120
MOST_TIMEOUTS = 30  # times that a job which runs out of time is queued again


@command("submit.py")
def main() -> int:
    """Submit and print the job; 2 for input that cannot be used."""
    arguments = parse_arguments()
    try:
        import submitit
    except ImportError:
        raise InputError('needs submitit: pip install -e ".[slurm]"') from None
    from timesformer.config import load_config
    from timesformer.runtime.slurm import SlurmTask

    cfg, opts = os.path.abspath(arguments.cfg), overrides(arguments)
    load_config(cfg, opts)
    folder = os.path.join(arguments.job_dir, "submitit", "%j")
    executor = submitit.AutoExecutor(
        folder, cluster=arguments.cluster, slurm_max_num_timeout=MOST_TIMEOUTS
    )
    executor.update_parameters(**parameters(arguments))
    job = executor.submit(SlurmTask(cfg, tuple(opts)))
    print(f"job {job.job_id}: results in {arguments.job_dir}, its output in {job.paths.stdout}")
    if arguments.wait:
        job.result()
    return 0


def parse_arguments() -> argparse.Namespace:
    """The published arguments, and a few of ours."""
    parser = Parser(description=__doc__, keys=True)
    parser.add_argument("--cfg", required=True, metavar="FILE", help="YAML file of configs/")
    parser.add_argument(
        "--job_dir",
        *SPELLINGS["out"],
        dest="job_dir",
        required=True,
        metavar="DIR",
        help="OUTPUT_DIR of the run",
    )
    parser.add_argument(
        "--num_gpus", "--gpus", dest="num_gpus", type=int, default=8, help="of each machine"
    )
    parser.add_argument("--num_shards", "--nodes", type=int, default=1, help="machines")
    parser.add_argument("--partition", default="learnfair")
    parser.add_argument("--timeout", type=int, default=4320, metavar="MINUTES")
    parser.add_argument("--name", default="timesformer", help="of the job")
    parser.add_argument("--postfix", default="", help="added to the name")
    parser.add_argument(
        "--resume-from",
        *SPELLINGS["weights"],
        dest="resume_from",
        default="",
        metavar="FILE",
        help="checkpoint to start from",
    )
    parser.add_argument("--use_volta32", action="store_true", help="GPUs of 32 GB")
    parser.add_argument("--comment", default="", help="for the scheduler")
    parser.add_argument("--mail", default="", help="address for news of the job")
    parser.add_argument("--cluster", choices=("slurm", "local"), help="default: what is there")
    parser.add_argument("--wait", action="store_true", help="until the job ends")
    return parser.parse_args()


def overrides(arguments: argparse.Namespace) -> list[str]:
    """KEY VALUE pairs of the run; those that were typed come last."""
    pairs = {"NUM_GPUS": str(arguments.num_gpus), "OUTPUT_DIR": os.path.abspath(arguments.job_dir)}
    if arguments.resume_from:
        pairs["TRAIN.CHECKPOINT_FILE_PATH"] = os.path.abspath(arguments.resume_from)
    return [text for pair in pairs.items() for text in pair] + arguments.opts


def parameters(arguments: argparse.Namespace) -> dict[str, object]:
    """What the scheduler is asked for."""
    wanted: dict[str, object] = {
        "name": arguments.name + arguments.postfix,
        "timeout_min": arguments.timeout,
        "nodes": arguments.num_shards,
        "tasks_per_node": 1,
        "gpus_per_node": arguments.num_gpus,
        "cpus_per_task": CORES_A_GPU * max(arguments.num_gpus, 1),
        "mem_gb": GIB_A_GPU * max(arguments.num_gpus, 1),
        "slurm_partition": arguments.partition,
        "slurm_signal_delay_s": SIGNAL_SECONDS,
    }
    if arguments.use_volta32:
        wanted["slurm_constraint"] = "volta32gb,ib4"
    if arguments.comment:
        wanted["slurm_comment"] = arguments.comment
    if arguments.mail:
        wanted["slurm_additional_parameters"] = {"mail_user": arguments.mail, "mail_type": "ALL"}
    return wanted


if __name__ == "__main__":
    leave(main())
