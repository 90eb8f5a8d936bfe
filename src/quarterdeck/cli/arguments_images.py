"""The arguments of `qd image` and `qd registry`, and their help."""

from quarterdeck.cli.arguments_kit import SESSION_HELP, Actions, within

REGISTRY_HELP = "its name or id"


def images(images: Actions) -> None:
    """Add the actions of `qd image`."""
    ls = images.add("ls", "list what sessions can be made of", "qd image ls", "qd image ls --all")
    ls.add_argument("--all", action="store_true", help="with those that are not offered any more")
    show = images.add("show", "show an image", "qd image show hub/team/tool:1.2")
    show.add_argument("image", metavar="IMAGE", help="its name, such as python:3.11")
    rescan = images.add(
        "rescan",
        "look at a registry for its images (administrators)",
        "qd image rescan hub",
        "qd image rescan hub --no-wait",
        "qd image rescan hub --cancel",
        more="While a look lasts, asking for another gives the same one.",
    )
    rescan.add_argument("registry", metavar="REGISTRY", help=REGISTRY_HELP)
    rescan.add_argument("--no-wait", action="store_true", help="only begin it")
    rescan.add_argument("--cancel", action="store_true", help="end the one that is under way")
    within(rescan)
    status = images.add(
        "pull-status", "show how far the images of a session are", "qd image pull-status fit"
    )
    status.add_argument("session", metavar="SESSION", help=SESSION_HELP)


def registries(registries: Actions) -> None:
    """Add the actions of `qd registry`."""
    add = registries.add(
        "add",
        "let a registry be known, and print its id (administrators)",
        "qd registry add hub https://registry.example",
        "qd registry add hub http://10.0.0.5:5000 --username qd --secret hub",
        "qd registry add hub https://registry.example --repository team/tool",
        more="Then look at it: qd image rescan hub. Its images are named hub/REPOSITORY:TAG.",
    )
    add.add_argument("name", metavar="NAME")
    add.add_argument("url", metavar="URL", help="scheme, host and port")
    add.add_argument("--username", help="whom it knows us as")
    add.add_argument(
        "--secret", metavar="NAME", help="the file with the password, among the manager's secrets"
    )
    add.add_argument(
        "--repository",
        action="append",
        default=[],
        metavar="NAME",
        help="look at this one, not at all in its catalogue; may be repeated",
    )
    registries.add("ls", "list the registries (administrators)", "qd registry ls")
    rm = registries.add(
        "rm",
        "forget a registry and its images, but for those of sessions (administrators)",
        "qd registry rm hub",
    )
    rm.add_argument("registry", metavar="REGISTRY", help=REGISTRY_HELP)
