"""What the database says of folders, past the manager."""

from quarterdeck.client.folders import Folder
from quarterdeck.testing.oracles import Observe


def status(observe: Observe, folder: Folder) -> str | None:
    """Return the state in a folder's row; None: there is no row."""
    rows = observe.rows("SELECT status FROM folders WHERE id = %s", folder.id)
    return str(rows[0]["status"]) if rows else None


def history(observe: Observe, folder: Folder) -> list[tuple[str | None, str, str]]:
    """Return from, to and cause of each change of a folder."""
    rows = observe.rows(
        "SELECT from_status, to_status, cause FROM folder_history WHERE folder_id = %s ORDER BY seq",
        folder.id,
    )
    return [(row["from_status"], row["to_status"], row["cause"]) for row in rows]
