-- What `invariants` asks the manager's database, past the manager. Each answer's rows begin with what they are.

-- name: settled
-- What has its process, or its tree, for certain.
SELECT 'running', id::text, agent_id, '' FROM kernels WHERE status = 'RUNNING'
UNION ALL
SELECT 'ready', id::text, host, '' FROM folders WHERE status IN ('READY', 'CLONING', 'TRASHED')
UNION ALL
SELECT 'counted', id::text, host, owner_id::text FROM folders
 WHERE status IN ('READY', 'CLONING', 'TRASHED') AND NOT EXISTS (SELECT FROM tree_rescopes WHERE tree = folders.id);

-- name: possible
-- What may have a process, or a tree, already or still.
SELECT 'kernel', id::text, agent_id, '' FROM kernels WHERE status IN ('CREATING', 'RUNNING', 'RESTARTING', 'TERMINATING')
UNION ALL
SELECT 'kernel', kernel_id::text, agent_id, '' FROM kernel_removals
UNION ALL
SELECT 'tree', id::text, host, '' FROM folders
UNION ALL
SELECT 'tree', tree::text, host, '' FROM tree_removals;

-- name: steps
-- Every kind of step that history holds.
SELECT DISTINCT 'step', CASE WHEN kernel_id IS NULL THEN 'session' ELSE 'kernel' END, from_status, to_status
  FROM session_history
 WHERE from_status IS NOT NULL
UNION ALL
SELECT DISTINCT 'step', 'folder', from_status, to_status
  FROM folder_history
 WHERE from_status <> to_status;

-- name: violations
-- Promises of the platform that do not hold: the promise, the thing, what is known about it.
SELECT 'broken', broken.* FROM (
SELECT 'slots freed when the kernel ends', kernels.id::text, kernels.status
  FROM kernels JOIN allocations ON allocations.kernel_id = kernels.id
 WHERE (kernels.status = 'TERMINATED') <> (allocations.freed_at IS NOT NULL)
UNION ALL
SELECT 'every kernel has slots', kernels.id::text, kernels.status
  FROM kernels LEFT JOIN allocations ON allocations.kernel_id = kernels.id
 WHERE allocations.kernel_id IS NULL
UNION ALL
SELECT 'no agent gives more than it has', agents.id, sum(allocations.cpu)::text || ' of ' || agents.cpu::text || ' cores'
  FROM agents JOIN allocations ON allocations.agent_id = agents.id AND allocations.freed_at IS NULL
 GROUP BY agents.id
HAVING sum(allocations.cpu) > agents.cpu OR sum(allocations.memory_mib) > agents.memory_mib
UNION ALL
SELECT 'slots taken are those asked for', sessions.id::text, allocations.cpu::text || ' for ' || sessions.cpu::text
  FROM sessions JOIN kernels ON kernels.session_id = sessions.id JOIN allocations ON allocations.kernel_id = kernels.id
 WHERE (allocations.cpu, allocations.memory_mib) <> (sessions.cpu, sessions.memory_mib)
UNION ALL
SELECT 'a session that has ended has no live kernel', sessions.id::text, sessions.status || ' with ' || kernels.status
  FROM sessions JOIN kernels ON kernels.session_id = sessions.id
 WHERE sessions.status IN ('TERMINATED', 'CANCELLED', 'PENDING') AND kernels.status <> 'TERMINATED'
UNION ALL
SELECT 'a running session has all its kernels running', sessions.id::text, coalesce(string_agg(kernels.status, ', '), 'none')
  FROM sessions LEFT JOIN kernels ON kernels.session_id = sessions.id AND kernels.status <> 'TERMINATED'
 WHERE sessions.status = 'RUNNING'
 GROUP BY sessions.id
HAVING count(kernels.id) <> sessions.cluster_size OR count(kernels.id) FILTER (WHERE kernels.status <> 'RUNNING') > 0
UNION ALL
SELECT 'a placed session has all its kernels', sessions.id::text, sessions.status || ' with ' || count(kernels.id) || ' of ' || sessions.cluster_size
  FROM sessions LEFT JOIN kernels ON kernels.session_id = sessions.id AND kernels.status IN ('SCHEDULED', 'PULLING', 'CREATING', 'RUNNING', 'RESTARTING')
 WHERE sessions.status IN ('SCHEDULED', 'PULLING', 'CREATING', 'RESTARTING')
 GROUP BY sessions.id
HAVING count(kernels.id) <> sessions.cluster_size
UNION ALL
SELECT 'a kernel ends with its session', kernels.id::text, kernels.status || ' in ' || sessions.status
  FROM kernels JOIN sessions ON sessions.id = kernels.session_id
 WHERE kernels.status = 'TERMINATING' AND sessions.status <> 'TERMINATING'
UNION ALL
SELECT 'what is left to be destroyed has ended', kernels.id::text, kernels.status
  FROM kernel_removals JOIN kernels ON kernels.id = kernel_removals.kernel_id
 WHERE kernels.status <> 'TERMINATED'
UNION ALL
SELECT 'a live session has an owner', sessions.id::text, sessions.status
  FROM sessions JOIN users ON users.id = sessions.owner_id
 WHERE sessions.status NOT IN ('TERMINATED', 'CANCELLED') AND users.deleted_at IS NOT NULL
UNION ALL
SELECT 'a folder has an owner', folders.id::text, folders.status
  FROM folders JOIN users ON users.id = folders.owner_id
 WHERE users.deleted_at IS NOT NULL
UNION ALL
SELECT 'a live session mounts folders that are there', mounts.session_id::text, mounts.folder_id::text
  FROM session_mounts AS mounts
  JOIN sessions ON sessions.id = mounts.session_id
  LEFT JOIN folders ON folders.id = mounts.folder_id
 WHERE sessions.status NOT IN ('TERMINATED', 'CANCELLED') AND folders.id IS NULL
UNION ALL
SELECT 'a live session may write in no folder that is being cloned or in the trash', mounts.session_id::text, folders.status
  FROM session_mounts AS mounts
  JOIN sessions ON sessions.id = mounts.session_id
  JOIN folders ON folders.id = mounts.folder_id
 WHERE sessions.status NOT IN ('TERMINATED', 'CANCELLED')
   AND (folders.status NOT IN ('READY', 'CLONING') OR folders.status = 'CLONING' AND NOT mounts.read_only)
UNION ALL
SELECT 'a folder is CLONING while it has a clone', coalesce(sources.id, clones.cloned_from)::text, coalesce(sources.status, 'gone')
  FROM (SELECT * FROM folders WHERE status = 'CLONING') AS sources
  FULL JOIN (SELECT * FROM folders WHERE status = 'CREATING' AND cloned_from IN (SELECT id FROM folders)) AS clones
    ON clones.cloned_from = sources.id
 WHERE sources.id IS NULL OR clones.id IS NULL AND EXISTS (SELECT FROM users WHERE id = sources.owner_id AND deleted_at IS NULL)
UNION ALL
SELECT 'a folder that is being purged has its tree removed', folders.id::text, folders.status
  FROM folders LEFT JOIN tree_removals ON tree_removals.tree = folders.id
 WHERE (folders.status IN ('PURGING', 'DELETE_ERROR')) <> (tree_removals.tree IS NOT NULL)
UNION ALL
SELECT 'a share is not with the owner', folders.id::text, shares.status
  FROM folders JOIN folder_invitations AS shares ON shares.folder_id = folders.id AND shares.invitee_id = folders.owner_id
 WHERE shares.status IN ('PENDING', 'ACCEPTED')
UNION ALL
SELECT 'the history of folders is a chain that ends with the present state', coalesce(steps.folder_id, present.id)::text,
       coalesce(before, 'nothing') || ', then from ' || coalesce(from_status, 'nothing')
  FROM (SELECT folder_id, from_status, to_status, lag(to_status) OVER life AS before,
               lead(seq) OVER life IS NULL AS is_last
          FROM folder_history WINDOW life AS (PARTITION BY folder_id ORDER BY seq)) AS steps
  FULL JOIN folders AS present ON present.id = steps.folder_id AND steps.is_last
 WHERE before IS DISTINCT FROM from_status OR is_last AND coalesce(present.status, 'GONE') <> to_status OR steps.folder_id IS NULL
UNION ALL
SELECT 'history ends with the present state', id::text, status || ', in history ' || coalesce(last, 'nothing')
  FROM (SELECT sessions.id, sessions.status,
               (SELECT to_status FROM session_history AS history
                 WHERE history.session_id = sessions.id AND history.kernel_id IS NULL
                 ORDER BY seq DESC LIMIT 1) AS last
          FROM sessions
        UNION ALL
        SELECT kernels.id, kernels.status,
               (SELECT to_status FROM session_history AS history
                 WHERE history.session_id = kernels.session_id AND history.kernel_id = kernels.id
                 ORDER BY seq DESC LIMIT 1)
          FROM kernels) AS present
 WHERE last IS DISTINCT FROM status
UNION ALL
SELECT 'history is a chain', coalesce(kernel_id, session_id)::text, coalesce(before, 'nothing') || ', then from ' || coalesce(from_status, 'nothing')
  FROM (SELECT session_id, kernel_id, from_status,
               lag(to_status) OVER (PARTITION BY session_id, kernel_id ORDER BY seq) AS before
          FROM session_history) AS steps
 WHERE before IS DISTINCT FROM from_status
) AS broken;
