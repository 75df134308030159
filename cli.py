"""The entry. `--help` is answered from here without importing anything; the rest is lazy.

The only module that prints errors and leaves; `commands/root.py` holds the group.
"""

import sys
from typing import NoReturn

COMMANDS = {
    "rehearse": "Go the whole way here: stack, data, training, endpoint, chat, teardown.",
    "init": "Set a stack up: location, sizes, backend.",
    "doctor": "Check tools, rights, quota, names and dates before it costs.",
    "plan": "Show what `up` would make, who may do what and why.",
    "up": "Make the stack's resources in Azure.",
    "status": "Show what is there and what is running.",
    "cost": "Show what the stack has cost so far, and what it costs an hour now.",
    "destroy": "Take everything down.",
    "data": "Get, convert, check, show and split training data.",
    "recipe": "List, show and check recipes.",
    "train": "Fine-tune a model: upload, submit, follow, register.",
    "jobs": "List, show, follow, explain, cancel, resume and download jobs.",
    "models": "List, show, compare, export, download and delete registered models.",
    "reproduce": "Train a model again from what was kept of it, and compare the two.",
    "evaluate": "Compare models on held-out data: which is better, and is it good enough.",
    "deploy": "Serve a registered model on an online endpoint.",
    "chat": "Talk to the deployed model.",
    "flow": "Export the tutorial's prompt flow, or run it; prompt flow is being retired.",
    "serve": "Compare and judge answers on a web page; OpenAI's API on this machine.",
    "endpoint": "Show the stack's endpoint; show and replace its keys.",
    "traffic": "Show or set how much of the traffic each deployment answers.",
    "rollback": "Go back to what answered before the last deploy.",
    "undeploy": "Delete the endpoint and what it costs.",
    "ci": "Write a GitHub Actions workflow that trains, judges and deploys, without a secret.",
    "local": "Run the rehearsal's Azure by hand: start, env, status, stop.",
}
"""Every command and its one-line help; a test holds these equal to the commands' own."""


def help_text() -> str:
    """Write the page that `tunestack --help` shows."""
    lines = (f"  {name:<10}{summary}" for name, summary in COMMANDS.items())
    return "\n".join(
        (
            "Usage: tunestack [OPTIONS] COMMAND [ARGS]...",
            "",
            "  Fine-tune a language model on Azure: rehearse it here, then do it for real.",
            "",
            "Options:",
            "  --version  Show the version and exit.",
            "  --help     Show this message and exit.",
            "",
            "Commands (tunestack COMMAND --help tells more):",
            *lines,
            "",
        )
    )


def main() -> NoReturn:
    """Run the command line; leave with the exit code of what happened."""
    if sys.argv[1:] in ([], ["--help"]):
        sys.stdout.write(help_text())
        sys.exit(0)
    from commands.root import command_line

    sys.exit(command_line(COMMANDS, help_text())(prog_name="tunestack"))


if __name__ == "__main__":
    main()
