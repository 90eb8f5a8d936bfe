-- Folders, who may use them, storage hosts, and trees to be removed or moved; used by store.py, lives_store.py, clones_store.py, shares_store.py,
-- transfers_store.py. Locks are taken in one order: users by id, folder, its clone's source, its tree. Status, cause and actor are always written together.

-- name: insert_folder
-- No row: the name is taken, or the owner was deleted (FOR KEY SHARE meets the FOR UPDATE of the user's deletion).
INSERT INTO folders (id, owner_id, name, host, cloned_from, status, status_cause, status_actor)
SELECT %(id)s, u.id, %(name)s, %(host)s, %(cloned_from)s, 'CREATING', 'requested', u.id::text
FROM users u WHERE u.id = %(owner)s AND u.deleted_at IS NULL
FOR KEY SHARE
ON CONFLICT (owner_id, name) WHERE status IN ('CREATING', 'READY', 'CLONING') DO NOTHING
RETURNING id::text;

-- name: user_is_live
SELECT EXISTS (SELECT FROM users WHERE id = %(owner)s AND deleted_at IS NULL) AS live;

-- name: find_user
-- By name or by id.
SELECT id::text, name FROM users WHERE (name = %(user)s OR id::text = %(user)s) AND deleted_at IS NULL;

-- name: make_ready
UPDATE folders SET status = 'READY', status_cause = %(cause)s, status_actor = owner_id::text
WHERE id = %(id)s AND status = 'CREATING' RETURNING id::text;

-- name: abandon_creating
UPDATE folders SET status = 'GONE', status_cause = %(cause)s, status_actor = owner_id::text WHERE id = %(id)s AND status = 'CREATING';

-- name: access
-- A folder and what a user may do with it; no permission: it does not exist for them.
SELECT f.id::text, f.name, f.owner_id::text AS owner, o.name AS owner_name, f.host, f.status, f.created_at, f.detail, f.cloned_from::text,
       folder_permission(f.id, f.owner_id, u.id) AS permission, p.permissions AS host_allows
FROM folders f
JOIN users o ON o.id = f.owner_id
JOIN users u ON u.id = %(user)s AND u.deleted_at IS NULL
LEFT JOIN storage_host_permissions p ON p.host = f.host AND p.role = u.role
WHERE f.id = %(id)s;

-- name: list_folders
-- In use: one's own and those shared with one. In the trash: one's own.
SELECT f.id::text, f.name, f.owner_id::text AS owner, o.name AS owner_name, f.host, f.status, f.created_at, f.detail, f.cloned_from::text,
       CASE WHEN f.owner_id = %(user)s THEN 'own' ELSE i.permission END AS permission
FROM folders f
JOIN users o ON o.id = f.owner_id
LEFT JOIN folder_invitations i ON i.folder_id = f.id AND i.invitee_id = %(user)s AND i.status = 'ACCEPTED'
WHERE (f.owner_id = %(user)s OR i.id IS NOT NULL AND NOT %(trash)s)
  AND f.id IN (SELECT id FROM folders WHERE owner_id = %(user)s
               UNION SELECT folder_id FROM folder_invitations WHERE invitee_id = %(user)s AND status = 'ACCEPTED')
  AND (f.status IN ('TRASHED', 'PURGING', 'DELETE_ERROR')) = %(trash)s
ORDER BY f.name, f.created_at, f.id;

-- name: folder_history
-- Of a folder that is gone as well, for who owned it last.
SELECT h.seq, h.folder_id::text AS folder, h.from_status, h.to_status, h.cause, h.actor, h.at
FROM folder_history h
WHERE h.folder_id = %(id)s
  AND ((SELECT owner_id FROM folder_history WHERE folder_id = %(id)s ORDER BY seq DESC LIMIT 1) = %(user)s
       OR (SELECT folder_permission(f.id, f.owner_id, %(user)s) FROM folders f WHERE f.id = %(id)s) IS NOT NULL
       OR %(is_admin)s)
ORDER BY h.seq LIMIT %(limit)s;

-- name: lock_users
-- Keeps everybody from giving one of these users a folder until the transaction ends: that takes FOR KEY SHARE at least.
SELECT id::text FROM users WHERE id = ANY(%(users)s::uuid[]) AND deleted_at IS NULL ORDER BY id FOR UPDATE;

-- name: lock_folder
-- Keeps sessions from mounting the folder until the transaction ends: they take FOR KEY SHARE.
SELECT id::text, host, status, name, owner_id::text AS owner FROM folders WHERE id = %(id)s FOR UPDATE;

-- name: folder_is_mounted
SELECT EXISTS (
    SELECT FROM session_mounts m JOIN sessions s ON s.id = m.session_id
    WHERE m.folder_id = %(id)s AND s.status NOT IN ('TERMINATED', 'CANCELLED') AND NOT (%(may_read)s AND m.read_only)
) AS mounted;

-- name: name_is_taken
SELECT EXISTS (
    SELECT FROM folders WHERE owner_id = %(owner)s AND name = %(name)s AND status IN ('CREATING', 'READY', 'CLONING')
) AS taken;

-- name: rename_folder
UPDATE folders SET name = %(name)s, status_cause = 'renamed', status_actor = %(actor)s WHERE id = %(id)s;

-- name: transfer_folder
UPDATE folders SET owner_id = %(owner)s, status_cause = 'transferred', status_actor = %(actor)s WHERE id = %(id)s
RETURNING owner_id::text AS owner, (SELECT name FROM users WHERE id = owner_id) AS owner_name;

-- name: begin_rescope
-- No row: the tree is in somebody's hand already.
INSERT INTO tree_rescopes (tree, host, turn, not_before)
VALUES (%(tree)s, %(host)s, extract(epoch FROM clock_timestamp()) * 1000000, now() + make_interval(secs => %(seconds)s))
ON CONFLICT (tree) DO NOTHING
RETURNING turn;

-- name: end_rescope
-- No row: somebody else has it in hand by now.
DELETE FROM tree_rescopes WHERE tree = %(tree)s AND turn = %(turn)s RETURNING turn;

-- name: claim_rescopes
-- Trees that were left, and who owns their folders; those of folders that are gone are forgotten. A transfer that had one in hand cannot end any more.
WITH gone AS (
    DELETE FROM tree_rescopes r WHERE not_before <= now() AND NOT EXISTS (SELECT FROM folders f WHERE f.id = r.tree)
)
UPDATE tree_rescopes r
SET turn = greatest(r.turn + 1, extract(epoch FROM clock_timestamp()) * 1000000), not_before = now() + make_interval(secs => %(seconds)s)
FROM folders f
WHERE f.id = r.tree
  AND r.tree IN (SELECT tree FROM tree_rescopes WHERE not_before <= now() ORDER BY not_before LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING r.tree::text AS id, r.host, r.turn, f.owner_id::text AS scope;

-- name: release_rescope
UPDATE tree_rescopes SET not_before = now() WHERE tree = %(tree)s AND turn = %(turn)s;

-- name: postpone_rescope
-- From five seconds to a minute, as removals.
UPDATE tree_rescopes
SET not_before = now() + least(greatest((now() - requested_at) / 4, interval '5 seconds'), interval '1 minute')
WHERE tree = %(tree)s AND turn = %(turn)s;

-- name: end_invitations_of
-- Who owns the folder now needs no share of it.
UPDATE folder_invitations
SET status = CASE status WHEN 'PENDING' THEN 'CANCELLED' ELSE 'REVOKED' END, changed_at = now(), changed_by = %(actor)s
WHERE folder_id = %(id)s AND invitee_id = %(owner)s AND status IN ('PENDING', 'ACCEPTED');

-- name: set_status
UPDATE folders SET status = %(status)s, status_cause = %(cause)s, status_actor = %(actor)s, detail = NULL WHERE id = %(id)s;

-- name: insert_removal
-- Asked for again, it is due again. Never of a folder that has its files yet, whoever thinks it gone. Whoever gave a clone up did not hear of the
-- end of its copying: that somebody else's has ended tells nothing of it.
INSERT INTO tree_removals (tree, host, not_before, may_come_until)
SELECT %(tree)s, %(host)s, now() + make_interval(secs => %(delay)s), now() + make_interval(secs => %(late)s)
WHERE NOT EXISTS (SELECT FROM folders WHERE id = %(tree)s AND status NOT IN ('PURGING', 'DELETE_ERROR'))
ON CONFLICT (tree) DO UPDATE
SET not_before = excluded.not_before,
    may_come_until = CASE WHEN EXISTS (SELECT FROM folder_history WHERE folder_id = %(tree)s AND cause = 'clone-failed')
                          THEN greatest(tree_removals.may_come_until, excluded.may_come_until)
                          ELSE excluded.may_come_until END;

-- name: give_up_stale_creations
-- Folders whose creator died before it knew whether the tree exists. Clones are claimed and go on.
WITH gone AS (
    UPDATE folders SET status = 'GONE', status_cause = 'given-up', status_actor = 'removals'
    WHERE status = 'CREATING' AND cloned_from IS NULL AND created_at < now() - make_interval(secs => %(seconds)s)
    RETURNING id, host
)
INSERT INTO tree_removals (tree, host) SELECT id, host FROM gone ON CONFLICT (tree) DO NOTHING;

-- name: due_removals
SELECT tree::text, host FROM tree_removals
WHERE not_before <= now()
  AND NOT EXISTS (SELECT FROM folders WHERE id = tree AND status NOT IN ('PURGING', 'DELETE_ERROR'))
ORDER BY requested_at LIMIT %(limit)s;

-- name: postpone_removal
-- From five seconds to a minute: a host that never comes back costs little and holds up no other.
UPDATE tree_removals
SET not_before = now() + least(greatest((now() - requested_at) / 4, interval '5 seconds'), interval '1 minute')
WHERE tree = %(tree)s;

-- name: note_delete_error
UPDATE folders
SET status = 'DELETE_ERROR', detail = %(detail)s,
    status_cause = CASE status WHEN 'PURGING' THEN 'removal-failed' ELSE status_cause END,
    status_actor = CASE status WHEN 'PURGING' THEN 'removals' ELSE status_actor END
WHERE id = %(tree)s AND status IN ('PURGING', 'DELETE_ERROR');

-- name: delete_removal
-- Unless the tree may still come: then it is due again.
DELETE FROM tree_removals WHERE tree = %(tree)s AND (may_come_until IS NULL OR may_come_until <= now());

-- name: end_purged
UPDATE folders SET status = 'GONE', status_cause = 'tree-removed', status_actor = 'removals'
WHERE id = %(tree)s AND status IN ('PURGING', 'DELETE_ERROR');

-- name: begin_cloning
UPDATE folders SET status = 'CLONING', status_cause = 'clone-requested', status_actor = %(actor)s WHERE id = %(id)s;

-- name: end_cloning
UPDATE folders SET status = 'READY', status_cause = %(cause)s, status_actor = 'cloning'
WHERE id = %(id)s AND status = 'CLONING';

-- name: claim_clone
-- The oldest clone that nobody has in hand; of a manager that died or stood still, when its claim is over. Each claim is told from all others.
UPDATE folders SET claimed_by = %(manager)s || ' ' || gen_random_uuid(), claimed_until = now() + make_interval(secs => %(seconds)s)
WHERE id = (
    SELECT id FROM folders
    WHERE status = 'CREATING' AND cloned_from IS NOT NULL AND (claimed_until IS NULL OR claimed_until < now())
    ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id::text, cloned_from::text AS source, host, owner_id::text AS scope, claimed_by AS claim;

-- name: hold_clone
-- A clone that is gone is nobody else's.
WITH held AS (
    UPDATE folders SET claimed_until = now() + make_interval(secs => %(seconds)s)
    WHERE id = %(id)s AND claimed_by = %(claim)s AND status = 'CREATING' RETURNING id
)
SELECT EXISTS (SELECT FROM held) OR NOT EXISTS (SELECT FROM folders WHERE id = %(id)s) AS held;

-- name: finish_clone
UPDATE folders SET status = 'READY', status_cause = 'cloned', status_actor = owner_id::text
WHERE id = %(id)s AND claimed_by = %(claim)s AND status = 'CREATING' RETURNING id::text;

-- name: abandon_clone
UPDATE folders SET status = 'GONE', status_cause = 'clone-failed', status_actor = owner_id::text
WHERE id = %(id)s AND claimed_by = %(claim)s AND status = 'CREATING' RETURNING id::text;

-- name: invite
-- No row: there is a live invitation already.
INSERT INTO folder_invitations (id, folder_id, inviter_id, invitee_id, permission, changed_by)
VALUES (%(id)s, %(folder)s, %(inviter)s, %(invitee)s, %(permission)s, %(inviter)s)
ON CONFLICT (folder_id, invitee_id) WHERE status IN ('PENDING', 'ACCEPTED') DO NOTHING
RETURNING id::text;

-- name: count_invitations
SELECT count(*) AS live FROM folder_invitations WHERE folder_id = %(folder)s AND status IN ('PENDING', 'ACCEPTED');

-- name: view_invitation
-- For who owns the folder, and for who is invited: once it has ended, with the names of that time.
SELECT i.id::text, i.folder_id::text AS folder, coalesce(i.last_folder_name, f.name) AS folder_name, coalesce(i.last_owner_name, o.name) AS owner, a.name AS inviter, b.name AS invitee,
       i.permission, i.status, i.created_at
FROM folder_invitations i
JOIN folders f ON f.id = i.folder_id
JOIN users o ON o.id = f.owner_id JOIN users a ON a.id = i.inviter_id JOIN users b ON b.id = i.invitee_id
WHERE i.id = %(id)s AND (f.owner_id = %(user)s OR i.invitee_id = %(user)s OR %(is_admin)s);

-- name: invitations_of_folder
SELECT i.id::text, i.folder_id::text AS folder, f.name AS folder_name, o.name AS owner, a.name AS inviter, b.name AS invitee,
       i.permission, i.status, i.created_at
FROM folder_invitations i
JOIN folders f ON f.id = i.folder_id
JOIN users o ON o.id = f.owner_id JOIN users a ON a.id = i.inviter_id JOIN users b ON b.id = i.invitee_id
WHERE i.folder_id = %(folder)s AND i.status IN ('PENDING', 'ACCEPTED')
ORDER BY i.created_at, i.id LIMIT %(limit)s;

-- name: invitations_of_user
SELECT i.id::text, i.folder_id::text AS folder, f.name AS folder_name, o.name AS owner, a.name AS inviter, b.name AS invitee,
       i.permission, i.status, i.created_at
FROM folder_invitations i
JOIN folders f ON f.id = i.folder_id AND f.status IN ('READY', 'CLONING')
JOIN users o ON o.id = f.owner_id JOIN users a ON a.id = i.inviter_id JOIN users b ON b.id = i.invitee_id
WHERE i.invitee_id = %(user)s AND i.status IN ('PENDING', 'ACCEPTED')
ORDER BY i.created_at, i.id LIMIT %(limit)s;

-- name: answer_invitation
UPDATE folder_invitations SET status = %(status)s, changed_at = now(), changed_by = %(user)s
WHERE id = %(id)s AND invitee_id = %(user)s AND status = 'PENDING' RETURNING id::text;

-- name: lock_folder_of
-- Sessions that are being made with a mount of the folder are made before this, or see what comes after it.
SELECT f.id::text FROM folders f WHERE f.id = (SELECT folder_id FROM folder_invitations WHERE id = %(id)s) FOR UPDATE;

-- name: cancel_waiting
-- Sessions that wait, for a place or an image, and mount a folder that does not exist for their owner any more.
SELECT end_session(s.id, 'folder-not-shared', %(user)s, NULL, 'the folder ' || f.name || ', which it mounts, is not shared any more')
FROM folder_invitations i
JOIN folders f ON f.id = i.folder_id
JOIN sessions s ON s.owner_id = i.invitee_id AND s.status IN ('PENDING', 'SCHEDULED', 'PULLING')
WHERE i.id = %(id)s AND folder_permission(f.id, f.owner_id, i.invitee_id) IS NULL
  AND EXISTS (SELECT FROM session_mounts m WHERE m.session_id = s.id AND m.folder_id = f.id);

-- name: still_mounting
-- Live sessions that mount a folder which does not exist for their owner any more.
SELECT s.id::text, s.name, bool_and(m.read_only) AS read_only
FROM folder_invitations i
JOIN folders f ON f.id = i.folder_id
JOIN session_mounts m ON m.folder_id = i.folder_id
JOIN sessions s ON s.id = m.session_id AND s.owner_id = i.invitee_id AND s.status NOT IN ('TERMINATED', 'CANCELLED')
WHERE i.id = %(id)s AND folder_permission(f.id, f.owner_id, i.invitee_id) IS NULL
GROUP BY s.id ORDER BY s.id LIMIT %(limit)s;

-- name: end_invitation
-- By who is invited: rejected or left; by who owns the folder: cancelled or revoked.
UPDATE folder_invitations i
SET status = CASE WHEN i.invitee_id = %(user)s THEN CASE i.status WHEN 'PENDING' THEN 'REJECTED' ELSE 'LEFT' END
                  ELSE CASE i.status WHEN 'PENDING' THEN 'CANCELLED' ELSE 'REVOKED' END END,
    changed_at = now(), changed_by = %(user)s
FROM folders f
WHERE i.id = %(id)s AND f.id = i.folder_id AND i.status IN ('PENDING', 'ACCEPTED')
  AND (f.owner_id = %(user)s OR i.invitee_id = %(user)s OR %(is_admin)s)
RETURNING i.id::text;

-- name: find_host
SELECT name, proxy, manager_url, client_url FROM storage_hosts WHERE name = %(name)s;

-- name: upsert_host
INSERT INTO storage_hosts (name, proxy, manager_url, client_url)
VALUES (%(name)s, %(proxy)s, %(manager_url)s, %(client_url)s)
ON CONFLICT (name) DO UPDATE
SET proxy = excluded.proxy, manager_url = excluded.manager_url, client_url = excluded.client_url, seen_at = now()
WHERE (storage_hosts.proxy, storage_hosts.manager_url, storage_hosts.client_url)
    IS DISTINCT FROM (excluded.proxy, excluded.manager_url, excluded.client_url);

-- name: hosts_for_role
SELECT h.name, p.permissions FROM storage_hosts h
LEFT JOIN storage_host_permissions p ON p.host = h.name AND p.role = %(role)s
ORDER BY h.name;

-- name: host_allows
SELECT permissions FROM storage_host_permissions WHERE host = %(host)s AND role = %(role)s;

-- name: set_host_permissions
INSERT INTO storage_host_permissions (host, role, permissions) VALUES (%(host)s, %(role)s, %(permissions)s)
ON CONFLICT (host, role) DO UPDATE SET permissions = excluded.permissions;
