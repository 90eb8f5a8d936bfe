-- Folders, storage hosts, and trees to be removed; used by store.py.

-- name: insert_folder
-- No row: the name is taken, or the owner was deleted (FOR KEY SHARE meets the FOR UPDATE of the user's deletion).
INSERT INTO folders (id, owner_id, name, host, status)
SELECT %(id)s, u.id, %(name)s, %(host)s, 'CREATING'
FROM users u WHERE u.id = %(owner)s AND u.deleted_at IS NULL
FOR KEY SHARE
ON CONFLICT (owner_id, name) DO NOTHING
RETURNING id::text, name, owner_id::text AS owner, host, status, created_at;

-- name: user_is_live
SELECT EXISTS (SELECT FROM users WHERE id = %(owner)s AND deleted_at IS NULL) AS live;

-- name: make_ready
UPDATE folders SET status = 'READY' WHERE id = %(id)s AND status = 'CREATING'
RETURNING id::text, name, owner_id::text AS owner, host, status, created_at;

-- name: delete_creating
DELETE FROM folders WHERE id = %(id)s AND status = 'CREATING';

-- name: view_folder
SELECT id::text, name, owner_id::text AS owner, host, status, created_at FROM folders WHERE id = %(id)s;

-- name: list_folders
SELECT id::text, name, owner_id::text AS owner, host, status, created_at
FROM folders WHERE owner_id = %(owner)s ORDER BY name;

-- name: lock_folder
-- Keeps sessions from mounting the folder until the transaction ends: they take FOR KEY SHARE.
SELECT id::text, host, status FROM folders WHERE id = %(id)s FOR UPDATE;

-- name: folder_is_mounted
SELECT EXISTS (
    SELECT FROM session_mounts m JOIN sessions s ON s.id = m.session_id
    WHERE m.folder_id = %(id)s AND s.status NOT IN ('TERMINATED', 'CANCELLED')
) AS mounted;

-- name: delete_folder
DELETE FROM folders WHERE id = %(id)s;

-- name: insert_removal
INSERT INTO tree_removals (tree, host, not_before)
VALUES (%(tree)s, %(host)s, now() + make_interval(secs => %(delay)s))
ON CONFLICT (tree) DO NOTHING;

-- name: give_up_stale_creations
-- Folders whose creator died before it knew whether the tree exists.
WITH gone AS (
    DELETE FROM folders
    WHERE status = 'CREATING' AND created_at < now() - make_interval(secs => %(seconds)s)
    RETURNING id, host
)
INSERT INTO tree_removals (tree, host) SELECT id, host FROM gone ON CONFLICT (tree) DO NOTHING;

-- name: due_removals
SELECT tree::text, host FROM tree_removals WHERE not_before <= now() ORDER BY requested_at LIMIT %(limit)s;

-- name: postpone_removal
-- From five seconds to a minute: a host that never comes back costs little and holds up no other.
UPDATE tree_removals
SET not_before = now() + least(greatest((now() - requested_at) / 4, interval '5 seconds'), interval '1 minute')
WHERE tree = %(tree)s;

-- name: delete_removal
DELETE FROM tree_removals WHERE tree = %(tree)s;

-- name: find_host
SELECT name, proxy, manager_url, client_url FROM storage_hosts WHERE name = %(name)s;

-- name: upsert_host
INSERT INTO storage_hosts (name, proxy, manager_url, client_url)
VALUES (%(name)s, %(proxy)s, %(manager_url)s, %(client_url)s)
ON CONFLICT (name) DO UPDATE
SET proxy = excluded.proxy, manager_url = excluded.manager_url, client_url = excluded.client_url, seen_at = now()
WHERE (storage_hosts.proxy, storage_hosts.manager_url, storage_hosts.client_url)
    IS DISTINCT FROM (excluded.proxy, excluded.manager_url, excluded.client_url);
