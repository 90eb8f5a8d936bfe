"""RFC 9457 problems: the catalogue of stable codes with their status and title, and the body that every refusal has."""

import msgspec

CONTENT_TYPE = "application/problem+json"
CODE_HEADER = "X-Problem-Code"
"""Has the code, too: an answer to HEAD has no body."""

CATALOGUE: dict[str, tuple[int, str]] = {
    # The request itself
    "malformed-request": (400, "The request is not HTTP as it should be"),
    "malformed-json": (400, "The body is not JSON"),
    "invalid-field": (400, "A field has a value that is not allowed"),
    "unknown-field": (400, "A field is not known here"),
    "missing-field": (400, "A field is missing"),
    "path-refused": (400, "The path is not allowed"),
    "path-too-long": (400, "The path is too long or too deep"),
    "upload-incomplete": (400, "The upload ended early"),
    "unauthenticated": (401, "The request carries no usable credentials"),
    "signature-mismatch": (401, "The signature does not fit the request"),
    "date-skewed": (401, "The request's date is too far from now"),
    "key-inactive": (401, "The access key is not active"),
    "token-invalid": (401, "The token is not valid"),
    "token-expired": (401, "The token has expired"),
    "forbidden": (403, "Not allowed"),
    "route-not-found": (404, "There is no such address"),
    "method-not-allowed": (405, "The address does not know this method"),
    "upgrade-required": (426, "The address speaks WebSocket"),
    "length-required": (411, "The request does not tell its length"),
    "precondition-failed": (412, "The state is not the expected one"),
    "body-too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The content type is not accepted"),
    "range-not-satisfiable": (416, "The range is outside of the file"),
    "other-agent": (421, "The request is for another agent"),
    "checksum-mismatch": (422, "The content does not fit its checksum"),
    "too-many-requests": (429, "Too many requests"),
    "too-many-transfers": (429, "Too many transfers at once"),
    "upload-refused": (400, "The request does not keep to the protocol of uploads"),
    "piece-damaged": (460, "The piece does not fit its checksum"),
    "file-too-large": (413, "The file is too large"),
    # What it speaks of
    "session-not-found": (404, "There is no such session"),
    "session-name-taken": (409, "A live session has this name"),
    "session-not-running": (409, "The session is not running"),
    "session-restarting": (409, "The session is being restarted"),
    "session-not-restartable": (409, "A batch session cannot be restarted"),
    "session-takes-no-code": (409, "The session runs a command and takes no code"),
    "kernel-not-found": (404, "There is no such kernel"),
    "kernel-conflict": (409, "A kernel with this id was created differently"),
    "kernel-not-running": (409, "The kernel is not running"),
    "kernel-busy": (409, "The kernel is executing something else"),
    "run-not-found": (404, "There is no such run"),
    "run-forgotten": (410, "What came of the run is not kept any more"),
    "run-conflict": (409, "A run with this id was asked for in another way"),
    "terminals-unsupported": (409, "The agent's machine allows no terminals in kernels"),
    "network-unsupported": (409, "The kernel has no network of its own"),
    "port-refused": (502, "Nothing in the kernel serves this port"),
    "too-many-connections": (409, "The kernel has too many connections"),
    "terminal-not-found": (404, "There is no such terminal"),
    "terminal-failed": (502, "The terminal could not be opened"),
    "too-many-terminals": (409, "The kernel has too many terminals"),
    "input-not-wanted": (409, "The run does not ask for this input"),
    "kernel-failed": (502, "The kernel could not be started"),
    "kernel-died": (409, "The kernel's process has ended"),
    "kernel-terminated": (409, "The kernel has been terminated"),
    "kernel-restarted": (409, "The kernel has been restarted"),
    "mounts-unsupported": (409, "The agent's machine allows no mounts"),
    "isolation-unsupported": (
        409,
        "The agent's machine keeps kernels less apart than is demanded",
    ),
    "mount-source-missing": (409, "A folder to mount is not there"),
    "mount-failed": (502, "A folder could not be mounted"),
    "folder-not-found": (404, "There is no such folder"),
    "folder-name-taken": (409, "A folder has this name"),
    "folder-mounted": (409, "A live session mounts the folder"),
    "folder-permission-missing": (403, "The folder is not shared with you for this"),
    "host-forbids": (403, "The storage host does not allow this to you"),
    "invitation-not-found": (404, "There is no such invitation"),
    "invitation-exists": (409, "The user is invited already"),
    "too-many-invitations": (409, "The folder has too many invitations"),
    "host-not-found": (404, "There is no such storage host"),
    "host-not-mountable": (409, "Folders of this storage host cannot be mounted"),
    "tree-not-found": (404, "There is no such file tree"),
    "file-not-found": (404, "There is no such file"),
    "is-a-directory": (409, "A directory is at this path"),
    "not-a-directory": (409, "A file is where a directory is needed"),
    "upload-not-found": (404, "There is no such upload"),
    "upload-expired": (410, "The upload took too long"),
    "upload-busy": (423, "Another request writes the upload"),
    "uploads-unsupported": (409, "The storage host takes files as a whole only"),
    "offset-differs": (409, "The piece is not the one that comes next"),
    "too-many-uploads": (409, "Too many uploads are under way"),
    "too-many-entries": (409, "The directory is full"),
    "path-taken": (409, "Something is at this path"),
    "file-busy": (409, "A file changes while it is copied"),
    "quota-exceeded": (507, "The quota is used up"),
    "turn-passed": (409, "A later request came first"),
    "quota-unsupported": (409, "The storage host has no quotas"),
    "storage-read-only": (503, "The storage takes no writes now"),
    "bucket-missing": (503, "The bucket of the storage does not exist"),
    "image-not-here": (409, "The image has not been pulled to the agent"),
    "image-unusable": (409, "The image cannot be used"),
    "image-corrupt": (502, "The image is damaged"),
    "image-not-found": (404, "There is no such image"),
    "slots-below-minimum": (400, "The image needs more slots"),
    "registry-not-found": (404, "There is no such registry"),
    "rescan-not-found": (404, "The registry has not been looked at"),
    "secret-not-found": (404, "There is no such secret"),
    "registry-name-taken": (409, "A registry has this name"),
    "registry-unreachable": (502, "The registry cannot be reached"),
    "registry-unauthorized": (502, "The registry does not let us in"),
    "registry-misbehaves": (502, "The registry does not keep to the protocol"),
    "manifest-not-found": (404, "The registry has no such image"),
    "digest-mismatch": (502, "The content is not what its digest says"),
    "user-not-found": (404, "There is no such user"),
    "user-name-taken": (409, "A user has this name"),
    "user-busy": (409, "The user has live sessions"),
    "agent-not-found": (404, "There is no such agent"),
    "insufficient-capacity": (409, "There is not enough free capacity"),
    "illegal-transition": (409, "The state does not allow this"),
    "outcome-unknown": (504, "Whether it was done is not known"),
    "agent-unreachable": (502, "The agent cannot be reached"),
    "storage-unreachable": (502, "The storage cannot be reached"),
    "storage-full": (507, "The storage is full"),
    # The service
    "internal": (500, "Something went wrong inside"),
    "unavailable": (503, "The service cannot do this now"),
}
"""Code -> (HTTP status, title). Codes never change their meaning; a new condition gets a new code."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal. Clients look at `code`; people read `detail`; `field` is the dotted path of the input at fault."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    trace: str | None = None


def make(
    code: str, detail: str | None = None, *, field: str | None = None, trace: str | None = None
) -> Problem:
    """Return the problem of a code. A code that is not in the catalogue becomes `internal`."""
    code = code if code in CATALOGUE else "internal"
    status, title = CATALOGUE[code]
    return Problem(
        type=f"urn:quarterdeck:problem:{code}",
        title=title,
        status=status,
        code=code,
        detail=detail or title,
        field=field,
        trace=trace,
    )
