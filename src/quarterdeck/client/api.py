"""Every request that the manager understands, built in one place for the SDK and for `qd`."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from quarterdeck.client.request import Request

HISTORY_WAIT_SECONDS = 20
"""How long one long poll lasts; the manager allows 30."""

EVENTS = "/v1/events"
"""Where the events of all own sessions are, for `events.Following`."""


def create_session(
    image: str,
    *,
    slots: Mapping[str, int],
    name: str | None = None,
    mounts: Sequence[Mapping[str, Any]] = (),
    environment: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
    wait_seconds: float = 0,
) -> Request:
    """Ask for a session of some kernels; `more`: other fields of the request. The answer may wait until it runs or has ended.

    `slots`, of each kernel, has cpu (cores) and memory_mib; a mount has folder (id) and path, and may have read_only and subpath.
    """
    body: dict[str, Any] = {"image": image} | ({} if name is None else {"name": name})
    optional = {
        "slots": dict(slots),
        "mounts": [dict(mount) for mount in mounts],
        "environment": dict(environment or {}),
    }
    body |= {key: value for key, value in optional.items() if value}
    body |= {key: value for key, value in (more or {}).items() if value not in (None, [])}
    return Request("POST", "/v1/sessions", _wait(wait_seconds), body)


def list_sessions(*, status: str | None = None, ended: bool = False) -> Request:
    """Ask for one's own sessions: live ones, with `ended` all."""
    query = [("status", status)] if status else []
    return Request("GET", "/v1/sessions", (*query, *([("all", "true")] if ended else ())))


def get_session(id_: str) -> Request:
    """Ask for a session."""
    return Request("GET", _at("sessions", id_))


def get_history(
    id_: str, *, after: int = 0, wait_seconds: float = 0, until: str | None = None
) -> Request:
    """Ask for the changes of a session after a sequence number; the answer may wait for the first, or until a state or the end."""
    query = [("after", str(after)), ("wait", f"{wait_seconds:g}")]
    if until is not None:
        query.append(("until", until))
    return Request("GET", _at("sessions", id_) + "/history", tuple(query))


def session_events(id_: str) -> str:
    """Return where the events of a session are, for `events.Following`."""
    return _at("sessions", id_) + "/events"


def execute(
    id_: str,
    code: str | None = None,
    *,
    command: Sequence[str] = (),
    run: str | None = None,
    wait: float | None = None,
    stdin: bool = False,
    kernel: str | None = None,
) -> Request:
    """Ask to run code or a command in a session, once for an id (`run`); the answer waits for the end, for input, or so many seconds.

    In its main kernel, or one named by its hostname, as all that follows about the run.
    """
    optional = {"code": code, "command": list(command) or None, "run": run, "wait": wait}
    body: dict[str, Any] = {key: value for key, value in optional.items() if value is not None}
    body |= {"stdin": True} if stdin else {}
    return Request("POST", _at("sessions", id_) + "/execute", _kernel(kernel), body)


def get_run(
    id_: str, run: str, *, offset: int = 0, wait_seconds: float = 0, kernel: str | None = None
) -> Request:
    """Ask what has come of a run from an offset on; the answer may wait for something new there."""
    query = (("offset", str(offset)), ("wait", f"{wait_seconds:g}"), *_kernel(kernel))
    return Request("GET", _run(id_, run), query)


def stream_run(id_: str, run: str, *, offset: int = 0, kernel: str | None = None) -> Request:
    """Ask for the socket that tells of a run from an offset on."""
    query = (("offset", str(offset)), *_kernel(kernel))
    return Request("GET", _run(id_, run) + "/stream", query)


def reply(
    id_: str, run: str, number: int, text: str | None, *, kernel: str | None = None
) -> Request:
    """Answer the question of a run, the `number`th; None: there is no more input."""
    body = {"number": number, "text": text}
    return Request("POST", _run(id_, run) + "/input", _kernel(kernel), body)


def interrupt(id_: str, run: str | None = None, kernel: str | None = None) -> Request:
    """Ask to interrupt a run, or whatever runs."""
    body = {"run": run} if run else {}
    return Request("POST", _at("sessions", id_) + "/interrupt", _kernel(kernel), body)


def complete(id_: str, code: str, cursor: int | None = None, kernel: str | None = None) -> Request:
    """Ask how code could go on."""
    body = {"code": code} | ({} if cursor is None else {"cursor": cursor})
    return Request("POST", _at("sessions", id_) + "/complete", _kernel(kernel), body)


def open_terminal(
    id_: str, name: str, *, rows: int, columns: int, kernel: str | None = None
) -> Request:
    """Ask to open a terminal in a session, or to give one that is open this size."""
    return Request(
        "PUT", _terminal(id_, name), _kernel(kernel), {"rows": rows, "columns": columns}
    )


def connect_terminal(id_: str, name: str, kernel: str | None = None) -> Request:
    """Ask for the socket of a terminal."""
    return Request("GET", _terminal(id_, name), _kernel(kernel))


def close_terminal(id_: str, name: str, kernel: str | None = None) -> Request:
    """Ask to end a terminal."""
    return Request("DELETE", _terminal(id_, name), _kernel(kernel))


def get_logs(id_: str, kernel: str | None = None) -> Request:
    """Ask for what a session has written: its main kernel, or one named by its hostname."""
    return Request("GET", _at("sessions", id_) + "/logs", _kernel(kernel))


def restart_session(id_: str) -> Request:
    """Ask to restart a session: new processes where it is, with its files."""
    return Request("POST", _at("sessions", id_) + "/restart")


def delete_session(id_: str, *, force: bool = False, wait_seconds: float = 0) -> Request:
    """Ask to end a session; by force, it has ended at once, whatever its agents say. The answer may wait for the end."""
    query = (("force", "true"),) if force else ()
    return Request("DELETE", _at("sessions", id_), (*query, *_wait(wait_seconds)))


def drain_agent(id_: str, deadline_seconds: float | None = None) -> Request:
    """Ask that nothing new is placed on an agent, and what is still there after some seconds ended (administrators)."""
    body = {} if deadline_seconds is None else {"deadline_seconds": deadline_seconds}
    return Request("POST", _at("agents", id_) + "/drain", body=body)


def resume_agent(id_: str) -> Request:
    """Ask that an agent takes sessions again (administrators)."""
    return Request("DELETE", _at("agents", id_) + "/drain")


def create_user(name: str, role: str | None = None) -> Request:
    """Ask for a user (administrators)."""
    body = {"name": name} | ({"role": role} if role else {})
    return Request("POST", "/v1/users", body=body)


def list_users() -> Request:
    """Ask for all users (administrators)."""
    return Request("GET", "/v1/users")


def get_me() -> Request:
    """Ask who one is."""
    return Request("GET", "/v1/users/me")


def delete_user(id_: str) -> Request:
    """Ask to delete a user (administrators)."""
    return Request("DELETE", _at("users", id_))


def list_agents() -> Request:
    """Ask for all agents (administrators)."""
    return Request("GET", "/v1/agents")


def get_diagnostics() -> Request:
    """Ask what the manager holds for its clients right now (administrators)."""
    return Request("GET", "/v1/diagnostics")


def list_images(*, missing: bool = False, after: str = "") -> Request:
    """Ask for the first images after a name that are offered, with `missing` those that are not any more."""
    query = (("all", "true"),) if missing else ()
    return Request("GET", "/v1/images", (*query, *((("after", after),) if after else ())))


def get_image(name: str) -> Request:
    """Ask for an image."""
    return Request("GET", _at("images", name))


def add_registry(
    name: str,
    url: str,
    *,
    username: str | None = None,
    secret: str | None = None,
    repositories: Sequence[str] = (),
) -> Request:
    """Ask for a registry to be known (administrators). `secret` names the file with the password on the manager."""
    optional = {"username": username, "secret": secret, "repositories": list(repositories)}
    body = {"name": name, "url": url, **{key: value for key, value in optional.items() if value}}
    return Request("POST", "/v1/registries", body=body)


def list_registries() -> Request:
    """Ask for all registries (administrators)."""
    return Request("GET", "/v1/registries")


def delete_registry(id_: str) -> Request:
    """Ask to forget a registry (administrators)."""
    return Request("DELETE", _at("registries", id_))


def rescan(id_: str) -> Request:
    """Ask for a look at a registry (administrators)."""
    return Request("POST", _at("registries", id_) + "/rescan")


def get_rescan(id_: str) -> Request:
    """Ask how the newest look at a registry goes or went (administrators)."""
    return Request("GET", _at("registries", id_) + "/rescan")


def cancel_rescan(id_: str) -> Request:
    """Ask to end the look at a registry (administrators)."""
    return Request("DELETE", _at("registries", id_) + "/rescan")


def _wait(seconds: float) -> tuple[tuple[str, str], ...]:
    return (("wait", f"{seconds:g}"),) if seconds else ()


def _kernel(hostname: str | None) -> tuple[tuple[str, str], ...]:
    return () if hostname is None else (("kernel", hostname),)


def _at(kind: str, id_: str) -> str:
    return f"/v1/{kind}/{quote(id_, safe='')}"


def _terminal(id_: str, name: str) -> str:
    return f"{_at('sessions', id_)}/terminals/{quote(name, safe='')}"


def _run(id_: str, run: str) -> str:
    return f"{_at('sessions', id_)}/runs/{quote(run, safe='')}"
