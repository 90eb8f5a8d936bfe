"""Names and directories of the system under test that its description, oracles and invariants share."""

DATABASE = "quarterdeck"
LOCAL_HOST = "local"
ARCHIVE_HOST = "archive"
ARCHIVE_BUCKET = "qd-archive"

TREES_DIRECTORY = "trees"
"""Below the storage-proxy's directory: the volume of the local host."""

SCRATCH_DIRECTORY = "scratch"
"""Below an agent's directory."""

WAITING_DIRECTORY = ".waiting"
"""Below that: containers that wait to become kernels."""

GROUP_FILE = "group"
"""In the directory of a container that has waited: the name of its control group."""

SECRETS_DIRECTORY = "secrets"
"""Below a manager's directory: a file for each secret that a registry names."""
