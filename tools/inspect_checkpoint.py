"""All that is known of a weights file of any format: python tools/inspect_checkpoint.py FILE."""

from timesformer.cli.arguments import Parser
from timesformer.runtime.command import command, leave


@command("inspect_checkpoint.py")
def main() -> int:
    """Print the facts; status 2 for a file that cannot be read."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="file, sharded checkpoint, folder of Hugging Face, or timm/NAME",
    )
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    arguments = parser.parse_args()
    from timesformer.checkpoint.inspect import as_text, summarize
    from timesformer.io.json_text import json_text

    facts = summarize(arguments.file)
    print(json_text(facts, default=str) if arguments.json else as_text(facts))
    return 0


if __name__ == "__main__":
    leave(main())
