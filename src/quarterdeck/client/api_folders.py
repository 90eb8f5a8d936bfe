"""Every request about folders that the manager understands; with `api`."""

from collections.abc import Sequence
from urllib.parse import quote

from quarterdeck.client.request import Request


def create_folder(name: str, host: str | None = None) -> Request:
    """Ask for a folder, on a storage host."""
    body = {"name": name} | ({} if host is None else {"host": host})
    return Request("POST", "/v1/folders", body=body)


def list_folders(*, trash: bool = False) -> Request:
    """Ask for one's own folders and those shared with one; with `trash` for one's own in the trash."""
    return Request("GET", "/v1/folders", (("trash", "true"),) if trash else ())


def get_folder(id_: str) -> Request:
    """Ask for a folder."""
    return Request("GET", _folder(id_))


def rename_folder(id_: str, name: str) -> Request:
    """Ask to give a folder another name."""
    return Request("PATCH", _folder(id_), body={"name": name})


def clone_folder(id_: str, name: str) -> Request:
    """Ask for a folder of one's own with the same files."""
    return Request("POST", _folder(id_) + "/clone", body={"name": name})


def delete_folder(id_: str, *, purge: bool = False) -> Request:
    """Ask to put a folder into the trash, or to remove it for good with all in it."""
    return Request("DELETE", _folder(id_), (("purge", "true"),) if purge else ())


def restore_folder(id_: str) -> Request:
    """Ask to take a folder out of the trash."""
    return Request("POST", _folder(id_) + "/restore")


def purge_folder(id_: str) -> Request:
    """Ask to remove a folder that is in the trash for good."""
    return Request("POST", _folder(id_) + "/purge")


def transfer_folder(id_: str, user: str) -> Request:
    """Ask to give a folder to another user, by name or id."""
    return Request("POST", _folder(id_) + "/transfer", body={"user": user})


def folder_history(id_: str) -> Request:
    """Ask for the changes of a folder."""
    return Request("GET", _folder(id_) + "/history")


def grant(id_: str, right: str) -> Request:
    """Ask for access to a folder's files: read or write."""
    return Request("POST", _folder(id_) + "/grants", body={"right": right})


def invite(id_: str, user: str, permission: str) -> Request:
    """Ask to invite a user, by name or id, to a folder: to read, write or delete."""
    body = {"user": user, "permission": permission}
    return Request("POST", _folder(id_) + "/invitations", body=body)


def invitations_of(id_: str) -> Request:
    """Ask who is invited to a folder, and who has accepted."""
    return Request("GET", _folder(id_) + "/invitations")


def list_invitations() -> Request:
    """Ask what one is invited to, and has accepted."""
    return Request("GET", "/v1/invitations")


def get_invitation(id_: str) -> Request:
    """Ask for an invitation."""
    return Request("GET", _invitation(id_))


def accept_invitation(id_: str) -> Request:
    """Accept an invitation."""
    return Request("POST", _invitation(id_) + "/accept")


def reject_invitation(id_: str) -> Request:
    """Reject an invitation."""
    return Request("POST", _invitation(id_) + "/reject")


def end_invitation(id_: str) -> Request:
    """End an invitation or a share, as owner or as who is invited."""
    return Request("DELETE", _invitation(id_))


def list_hosts() -> Request:
    """Ask for the storage hosts and what they allow to one."""
    return Request("GET", "/v1/storage-hosts")


def allow_on_host(host: str, role: str, permissions: Sequence[str]) -> Request:
    """Ask that a storage host allows this to a role and nothing else (administrators)."""
    path = f"/v1/storage-hosts/{quote(host, safe='')}/permissions/{quote(role, safe='')}"
    return Request("PUT", path, body={"permissions": list(permissions)})


def get_quota(host: str, user: str) -> Request:
    """Ask how much the folders of a user may hold on a storage host, and hold: one's own, or anybody's (administrators)."""
    return Request("GET", _quota(host, user))


def set_quota(host: str, user: str, *, size: int | None, inodes: int | None) -> Request:
    """Ask to limit the folders of a user on a storage host, to bytes and to files with directories (administrators)."""
    return Request("PUT", _quota(host, user), body={"bytes": size, "inodes": inodes})


def _quota(host: str, user: str) -> str:
    return f"/v1/storage-hosts/{quote(host, safe='')}/quotas/{quote(user, safe='')}"


def _folder(id_: str) -> str:
    return f"/v1/folders/{quote(id_, safe='')}"


def _invitation(id_: str) -> str:
    return f"/v1/invitations/{quote(id_, safe='')}"
