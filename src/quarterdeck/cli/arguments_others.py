"""The arguments of `qd folder`, `qd user`, `qd agent` and `qd completion`, and their help."""

import argparse

from quarterdeck.cli import arguments_folders as more
from quarterdeck.cli import arguments_kit as kit
from quarterdeck.cli import arguments_transfers as transfers
from quarterdeck.cli.arguments_kit import Actions, Parser

_COMPLETION = """\
bash: eval "$(qd completion bash)" in ~/.bashrc
zsh:  eval "$(qd completion zsh)" in ~/.zshrc, after compinit
fish: qd completion fish | source in ~/.config/fish/config.fish
Names are asked of the platform, with the keys of the environment."""


def completion(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add `qd completion`."""
    script = kit.command(
        commands,
        "completion",
        "print what makes a shell complete commands, options and names",
        "qd completion bash",
        "qd completion zsh",
        "qd completion fish",
        more=_COMPLETION,
    )
    script.add_argument(
        "shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish"
    )


def folders(folders: Actions) -> None:
    create = folders.add("create", "make a folder and print its id", "qd folder create data")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--host", help="the storage host that keeps it")
    ls = folders.add(
        "ls",
        "list your folders, or the files of one",
        "qd folder ls",
        "qd folder ls data",
        "qd folder ls data results -r",
        "qd folder ls --trash",
    )
    ls.add_argument("folder", nargs="?", metavar="FOLDER", help=more.FOLDER)
    ls.add_argument("path", nargs="?", default="", metavar="PATH", help="in the folder")
    ls.add_argument("-r", "--recursive", action="store_true", help="at any depth")
    ls.add_argument("--trash", action="store_true", help="the folders in the trash")
    transfers.transfers(folders)
    more.folders(folders)


def users(users: Actions) -> None:
    create = users.add(
        "create",
        "make a user and print the keys, this once (administrators)",
        "qd user create ada",
        "qd user create grace --admin",
    )
    create.add_argument("name", metavar="NAME")
    create.add_argument("--admin", action="store_true", help="with an administrator's rights")
    users.add("ls", "list all users (administrators)", "qd user ls")
    users.add("me", "show who you are", "qd user me")
    rm = users.add("rm", "delete a user with all folders (administrators)", "qd user rm ada")
    rm.add_argument("user", metavar="USER", help="name or id")


def agents(agents: Actions) -> None:
    """Add the actions of `qd agent`."""
    ls = agents.add("ls", "list the agents", "qd agent ls", "qd agent ls --json")
    kit.quiet(ls, "print ids and nothing else")
    drain = agents.add(
        "drain",
        "have nothing new placed on an agent",
        "qd agent drain agent-2",
        "qd agent drain agent-2 --deadline 10m --wait --within 15m",
        more="What runs there goes on and ends normally; with a deadline, then at the latest.\n"
        "It stays so until `qd agent undrain`, whoever is started anew.",
    )
    drain.add_argument("agent", metavar="AGENT", help="its id")
    drain.add_argument(
        "--deadline", type=kit.seconds, metavar="TIME", help="end what is still there after this"
    )
    drain.add_argument("--wait", action="store_true", help="until nothing is left there")
    kit.within(drain)
    undrain = agents.add("undrain", "take an agent back into service", "qd agent undrain agent-2")
    undrain.add_argument("agent", metavar="AGENT", help="its id")
