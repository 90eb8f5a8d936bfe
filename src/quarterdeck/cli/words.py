"""Errors in words that name what to do next."""

from quarterdeck.base.errors import QuarterdeckError

_HINTS = {
    "config-invalid": "which variables name the platform and your keys: qd --help",
    "unauthenticated": "QD_ACCESS_KEY is not known there; ask an administrator for a key pair",
    "key-inactive": "ask an administrator for a new key pair",
    "signature-mismatch": "QD_SECRET_KEY does not belong to QD_ACCESS_KEY",
    "date-skewed": "set this machine's clock",
    "forbidden": "this takes an administrator's key pair",
    "unavailable": "is the platform running, and is QD_URL right?",
    "outcome-unknown": "it may be done or not: look with `ls` before you try again",
    "session-name-taken": "take another --name, or end that one: qd session rm NAME",
    "session-not-running": "look at its state: qd session show SESSION",
    "session-restarting": "wait until it runs again: qd session show SESSION",
    "session-not-restartable": "to run its command again: qd session create --help",
    "kernel-restarted": "run it again",
    "session-ended": "its history tells more: qd session show SESSION",
    "not-reached": "it goes on; look at it: qd session show SESSION",
    "not-found": "list them: qd session ls --all",
    "ambiguous": "type more of the id, or its name",
    "too-late": "to end it all the same: qd session rm SESSION",
    "session-not-found": "list them: qd session ls --all",
    "image-not-found": "list what there is: qd image ls",
    "slots-below-minimum": "ask for as much as it needs: qd image show IMAGE",
    "registry-name-taken": "take another name, or use that registry: qd registry ls",
    "secret-not-found": "put a file of that name among the manager's secrets",
    "folder-name-taken": "take another name, or look at that folder: qd folder ls",
    "folder-mounted": "end the sessions that mount it: qd session ls",
    "host-not-found": "list them: qd folder hosts",
    "quota-unsupported": "keep what is to be limited on another host: qd folder hosts",
    "folder-not-found": "list them: qd folder ls",
    "folder-permission-missing": "ask its owner to share it for that: qd folder show FOLDER",
    "host-forbids": "look at what it allows: qd folder hosts",
    "invitation-not-found": "list them: qd folder invitations",
    "invitation-exists": "take it back first: qd folder revoke FOLDER USER",
    "file-busy": "try again when nobody writes into it",
    "path-taken": "take another path, or remove what is there",
    "quota-exceeded": "remove files, or ask an administrator for more: qd folder quota",
    "user-not-found": "look at how the name is written",
    "host-not-mountable": "keep the folder on a host that can be mounted",
    "file-not-found": "list the files: qd folder ls FOLDER -r",
    "upload-busy": "somebody sends this file already; try again when that has ended",
    "too-many-uploads": "finish or wait for those that were begun: they end after a day",
    "too-many-transfers": "wait until others of yours have ended",
    "file-too-large": "split it",
    "checksum-mismatch": "the file changed meanwhile, or was damaged on its way; try again",
    "user-busy": "that user's sessions must end first, and those that mount their folders",
    "user-name-taken": "take another name",
    "internal": "the platform's log tells more",
    "terminals-unsupported": "run commands: qd session exec SESSION -- COMMAND",
    "too-many-terminals": "take up one that is open, or end its shell",
    "shell-gone": "begin another: qd session shell SESSION",
    "kernel-busy": "wait, or interrupt what runs there",
    "too-many-requests": "wait a moment, then try again",
    "storage-unreachable": "try again; if it stays so, the storage-proxy is down",
    "agent-not-found": "list them: qd agent ls",
    "agent-unreachable": "try again; if it stays so, the session's agent is down",
}

_MISSING = {
    "folder": "list them: qd folder ls, qd folder ls --trash",
    "invitation": "list them: qd folder invitations",
    "user": "look at how the name is written",
    "registry": "list them: qd registry ls",
    "agent": "list them: qd agent ls",
}
"""Hints for what was not found, by what that is; sessions are in `_HINTS`."""


def of(error: QuarterdeckError, session: str | None = None) -> str:
    """Return what happened, which input it was about, and what to do; with the session that was meant by what was typed."""
    text = error.detail.rstrip(".")
    if error.field and error.field not in text and not error.field[0].isupper():  # no header
        text = f"{error.field}: {text}"
    if trace := getattr(error, "trace", None) if error.code == "internal" else None:
        text += f" (trace {trace})"
    hints = _MISSING if error.code == "not-found" and error.field in _MISSING else _HINTS
    key = error.field if hints is _MISSING else error.code
    hint = hints.get(key or "", "").replace("SESSION", session or "SESSION")
    return f"{text}\n    {hint}" if hint else text
