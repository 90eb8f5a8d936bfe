"""Names and directories of the system under test that its description, oracles and invariants share."""

DATABASE = "quarterdeck"
LOCAL_HOST = "local"
ARCHIVE_HOST = "archive"
ARCHIVE_BUCKET = "qd-archive"

TREES_DIRECTORY = "trees"
"""Below the storage-proxy's directory: the volume of the local host."""

SCRATCH_DIRECTORY = "scratch"
"""Below an agent's directory."""

SECRETS_DIRECTORY = "secrets"
"""Below a manager's directory: a file for each secret that a registry names."""
