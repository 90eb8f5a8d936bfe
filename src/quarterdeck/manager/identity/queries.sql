-- Users and key pairs; used by store.py. A deleted user's row stays, without keys and folders.

-- name: insert_user
INSERT INTO users (id, name, role) VALUES (%(id)s, %(name)s, %(role)s)
ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING
RETURNING id::text, name, role, created_at;

-- name: insert_keypair
INSERT INTO keypairs (access_key, user_id) VALUES (%(access_key)s, %(user)s)
ON CONFLICT (access_key) DO NOTHING;

-- name: user_named
SELECT id::text FROM users WHERE name = %(name)s AND deleted_at IS NULL;

-- name: principal
-- Who has an access key.
SELECT u.id::text, u.role
FROM keypairs k JOIN users u ON u.id = k.user_id
WHERE k.access_key = %(access_key)s AND u.deleted_at IS NULL;

-- name: view_user
SELECT id::text, name, role, created_at FROM users WHERE id = %(id)s AND deleted_at IS NULL;

-- name: list_users
SELECT id::text, name, role, created_at FROM users WHERE deleted_at IS NULL ORDER BY created_at, id;

-- name: lock_user
-- Keeps everybody from adding sessions and folders to the user until the transaction ends: they take FOR KEY SHARE.
SELECT id FROM users WHERE id = %(id)s AND deleted_at IS NULL FOR UPDATE;

-- name: lock_folders_of
-- Keeps sessions from mounting the user's folders until the transaction ends: they take FOR KEY SHARE.
SELECT id FROM folders WHERE owner_id = %(id)s ORDER BY id FOR UPDATE;

-- name: user_is_busy
-- With sessions, or as sessions of others mount folders of the user.
SELECT EXISTS (
    SELECT FROM sessions WHERE owner_id = %(id)s AND status NOT IN ('TERMINATED', 'CANCELLED')
) AS has_sessions, EXISTS (
    SELECT FROM folders f
    JOIN session_mounts m ON m.folder_id = f.id
    JOIN sessions s ON s.id = m.session_id AND s.status NOT IN ('TERMINATED', 'CANCELLED')
    WHERE f.owner_id = %(id)s
) AS is_mounted;

-- name: delete_folders_of
-- The file trees outlive the rows until a storage-proxy has removed them; one that is being created gets time to arrive first, and one that
-- is being copied may come as long as a copy takes, whether or not somebody waits for it: its removal is repeated.
-- What others own and was being cloned for the user is READY again.
WITH gone AS (
    UPDATE folders f SET status = 'GONE', status_cause = 'owner-deleted', status_actor = 'identity'
    FROM folders o WHERE f.owner_id = %(id)s AND o.id = f.id RETURNING f.id, f.host, o.status, o.cloned_from
), freed AS (
    UPDATE folders SET status = 'READY', status_cause = 'clone-owner-deleted', status_actor = 'identity'
    WHERE id IN (SELECT cloned_from FROM gone WHERE status = 'CREATING') AND status = 'CLONING' AND owner_id <> %(id)s
)
INSERT INTO tree_removals (tree, host, not_before, may_come_until)
SELECT id, host, CASE WHEN status = 'CREATING' THEN now() + interval '30 seconds' ELSE now() END,
       CASE WHEN status = 'CREATING' AND cloned_from IS NOT NULL THEN now() + interval '6 hours' END
FROM gone
ON CONFLICT (tree) DO NOTHING;

-- name: delete_keypairs_of
DELETE FROM keypairs WHERE user_id = %(id)s;

-- name: mark_user_deleted
UPDATE users SET deleted_at = now() WHERE id = %(id)s;
