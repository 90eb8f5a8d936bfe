-- Sessions, their kernels and their history; used by store.py, books.py and ledger.py.
-- Locks are taken in one order: user, folder; session, kernel, allocation. Status, cause and actor are always written together.
-- What a user asks for is flushed before the answer. The platform's own steps are not (synchronous_commit off): a step that the
-- database forgets in a crash is done again by the loops, on the same kernel, and a later flush never goes without the earlier ones.

-- name: mountable_folders
SELECT id::text, host FROM folders
WHERE id = ANY(%(folders)s::uuid[]) AND owner_id = %(owner)s AND status = 'READY';

-- name: lock_folders
-- Keeps folders from being deleted until their mounts are written: deletion takes FOR UPDATE.
SELECT id::text FROM folders
WHERE id = ANY(%(folders)s::uuid[]) AND owner_id = %(owner)s AND status = 'READY'
ORDER BY id FOR KEY SHARE;

-- name: insert_session
-- No row: the name is taken, the image or a dependency is missing, or the owner was deleted (FOR KEY SHARE meets the FOR UPDATE of deletion).
INSERT INTO sessions (id, owner_id, name, image, cpu, memory_mib, environment, type, command, depends_on, status, status_cause, status_actor)
SELECT %(id)s, u.id, %(name)s, i.name, %(cpu)s, %(memory_mib)s, %(environment)s::jsonb, %(type)s, %(command)s::text[],
       %(depends_on)s::uuid[], 'PENDING', 'requested', u.id::text
FROM users u JOIN images i ON i.name = %(image)s
WHERE u.id = %(owner)s AND u.deleted_at IS NULL AND NOT EXISTS (
    SELECT FROM unnest(%(depends_on)s::uuid[]) AS wanted (id)
    WHERE NOT EXISTS (SELECT FROM sessions s WHERE s.id = wanted.id AND s.owner_id = u.id)
)
FOR KEY SHARE OF u
ON CONFLICT (owner_id, name) WHERE status NOT IN ('TERMINATED', 'CANCELLED') DO NOTHING
RETURNING created_at;

-- name: why_not_inserted
SELECT EXISTS (SELECT FROM users WHERE id = %(owner)s AND deleted_at IS NULL) AS owner_lives,
       EXISTS (SELECT FROM images WHERE name = %(image)s) AS image_exists,
       ARRAY(SELECT id::text FROM sessions WHERE id = ANY(%(depends_on)s::uuid[]) AND owner_id = %(owner)s) AS dependencies;

-- name: live_named
SELECT id::text FROM sessions
WHERE owner_id = %(owner)s AND name = %(name)s AND status NOT IN ('TERMINATED', 'CANCELLED');

-- name: insert_mounts
INSERT INTO session_mounts (session_id, folder_id, path, source)
SELECT %(session)s, folder, path, source
FROM unnest(%(folders)s::uuid[], %(paths)s::text[], %(sources)s::text[]) AS mount (folder, path, source);

-- name: view_session
SELECT s.id::text, s.name, s.owner_id::text AS owner, s.image, s.status, s.cpu, s.memory_mib, s.created_at, s.reason,
       s.detail, s.type, s.command, s.exit_code, s.result, s.depends_on::text[], CASE WHEN s.status IN ('TERMINATED', 'CANCELLED') THEN s.status_changed_at END AS terminated_at,
       CASE WHEN s.status NOT IN ('PENDING', 'CANCELLED') THEN k.agent_id END AS agent,
       m.mounts
FROM sessions s
LEFT JOIN LATERAL (
    SELECT agent_id FROM kernels WHERE session_id = s.id ORDER BY created_at DESC LIMIT 1
) k ON true
LEFT JOIN LATERAL (
    SELECT array_agg(ARRAY[folder_id::text, path] ORDER BY path) AS mounts FROM session_mounts WHERE session_id = s.id
) m ON true
WHERE s.id = %(id)s;

-- name: list_sessions
SELECT s.id::text, s.name, s.owner_id::text AS owner, s.image, s.status, s.cpu, s.memory_mib, s.created_at, s.reason,
       s.detail, s.type, s.command, s.exit_code, s.result, s.depends_on::text[], CASE WHEN s.status IN ('TERMINATED', 'CANCELLED') THEN s.status_changed_at END AS terminated_at,
       CASE WHEN s.status NOT IN ('PENDING', 'CANCELLED') THEN k.agent_id END AS agent,
       m.mounts
FROM sessions s
LEFT JOIN LATERAL (
    SELECT agent_id FROM kernels WHERE session_id = s.id ORDER BY created_at DESC LIMIT 1
) k ON true
LEFT JOIN LATERAL (
    SELECT array_agg(ARRAY[folder_id::text, path] ORDER BY path) AS mounts FROM session_mounts WHERE session_id = s.id
) m ON true
WHERE s.owner_id = %(owner)s AND s.status = ANY(%(statuses)s)
ORDER BY s.created_at DESC, s.id DESC
LIMIT %(limit)s;

-- name: history
-- A row without seq: the session is there, no such change is.
SELECT s.owner_id::text AS owner, s.id::text AS session,
       h.seq, h.kernel_id::text AS kernel, h.from_status, h.to_status, h.cause, h.actor, h.at
FROM sessions s
LEFT JOIN session_history h ON h.session_id = s.id AND h.seq > %(after)s
WHERE s.id = %(session)s
ORDER BY h.seq LIMIT %(limit)s;

-- name: route
-- The one read in front of a call to a running kernel.
SELECT s.owner_id::text AS owner, s.status, s.command <> '{}' AS runs_command, k.id::text AS kernel, a.address
FROM sessions s
LEFT JOIN kernels k ON k.session_id = s.id AND k.status = 'RUNNING' AND s.status = 'RUNNING'
LEFT JOIN agents a ON a.id = k.agent_id AND a.status = 'ALIVE'
WHERE s.id = %(id)s;

-- name: end_own_session
-- Ends a session if the user may; without an agent if no kernel has to end for it.
SELECT end_session(id, %(reason)s, %(user)s::text) AS agent
FROM sessions WHERE id = %(id)s AND (owner_id = %(user)s::text::uuid OR %(is_admin)s);

-- name: end_session_of
-- Ends the session of a kernel.
SELECT session_id::text AS session,
       end_session(session_id, %(reason)s, %(actor)s, %(exit_code)s, %(detail)s) AS agent
FROM kernels WHERE id = %(kernel)s AND status <> 'TERMINATED';

-- name: cancel_doomed
-- PENDING -> CANCELLED for sessions of which a dependency has failed or was cancelled. One that somebody else changes is left to the next time.
WITH doomed AS MATERIALIZED (
    SELECT b.id, coalesce(a.name || ' (' || a.id || ')', a.id::text) AS failed, a.status, a.reason, a.detail
    FROM sessions b
    CROSS JOIN LATERAL (
        SELECT id, name, status, reason, detail FROM sessions
        WHERE id = ANY(b.depends_on) AND (status = 'CANCELLED' OR result = 'FAILURE')
        ORDER BY id LIMIT 1
    ) a
    WHERE b.status = 'PENDING' AND b.depends_on <> '{}'
    ORDER BY b.id LIMIT %(limit)s
    FOR NO KEY UPDATE OF b SKIP LOCKED
)
UPDATE sessions s
SET status = 'CANCELLED', status_cause = 'dependency-failed', status_actor = 'dependencies', reason = 'dependency-failed',
    detail = concat('depends on session ', d.failed, ', which is ', d.status, ': ', coalesce(d.detail, d.reason))
FROM doomed d
WHERE s.id = d.id AND s.status = 'PENDING'
RETURNING s.id::text;

-- name: due
SELECT k.agent_id AS agent, s.id::text AS session
FROM sessions s
JOIN kernels k ON k.session_id = s.id AND k.status <> 'TERMINATED'
JOIN agents a ON a.id = k.agent_id AND a.status = 'ALIVE'
WHERE s.status IN ('SCHEDULED', 'CREATING', 'TERMINATING')
  AND (k.claimed_until IS NULL OR k.claimed_until < now())
ORDER BY s.created_at, s.id
LIMIT %(limit)s;

-- name: begin_creating
-- SCHEDULED -> CREATING, and the kernel is claimed: nobody can have it yet.
WITH begun AS (
    UPDATE sessions
    SET status = 'CREATING', status_cause = 'kernel-requested', status_actor = 'lifecycle'
    WHERE id = %(id)s AND status = 'SCHEDULED'
    RETURNING id, image, cpu, memory_mib, environment, type, command
)
UPDATE kernels k
SET status = 'CREATING', status_cause = 'kernel-requested', status_actor = 'lifecycle',
    claimed_by = %(manager)s, claimed_until = now() + make_interval(secs => %(seconds)s)
FROM begun s, agents a
WHERE k.session_id = s.id AND k.status = 'SCHEDULED' AND a.id = k.agent_id
RETURNING k.status, k.id::text AS kernel, k.agent_id AS agent, a.address, s.image, s.cpu, s.memory_mib, s.environment, s.type, s.command,
    0::float AS status_seconds,
    ARRAY(SELECT ARRAY[source, path] FROM session_mounts m WHERE m.session_id = s.id ORDER BY path) AS mounts,
    set_config('synchronous_commit', 'off', true);

-- name: claim_kernel
-- Takes a kernel that is being created or ended, unless another manager has it. One that has fallen behind its session catches up.
UPDATE kernels k
SET status = CASE
        WHEN s.status = 'TERMINATING' AND k.status <> 'TERMINATING' THEN 'TERMINATING'
        WHEN s.status = 'CREATING' AND k.status = 'SCHEDULED' THEN 'CREATING'
        ELSE k.status
    END,
    claimed_by = %(manager)s, claimed_until = now() + make_interval(secs => %(seconds)s)
FROM sessions s, agents a
WHERE s.id = %(id)s AND s.status IN ('CREATING', 'TERMINATING') AND k.session_id = s.id AND k.status <> 'TERMINATED'
  AND a.id = k.agent_id AND a.status = 'ALIVE'
  AND (k.claimed_until IS NULL OR k.claimed_until < now() OR k.claimed_by = %(manager)s)
RETURNING k.status, k.id::text AS kernel, k.agent_id AS agent, a.address, s.image, s.cpu, s.memory_mib, s.environment, s.type, s.command,
    extract(epoch FROM clock_timestamp() - k.status_changed_at)::float AS status_seconds,
    ARRAY(SELECT ARRAY[source, path] FROM session_mounts m WHERE m.session_id = s.id ORDER BY path) AS mounts,
    set_config('synchronous_commit', 'off', true);

-- name: keep_logs
INSERT INTO session_logs (session_id, text) VALUES (%(session)s, %(text)s) ON CONFLICT (session_id) DO NOTHING;

-- name: kept_logs
SELECT text FROM session_logs WHERE session_id = %(session)s;

-- name: release_all
UPDATE kernels SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = %(manager)s AND status <> 'TERMINATED';

-- name: release_kernel
UPDATE kernels SET claimed_by = NULL, claimed_until = NULL WHERE id = %(kernel)s AND claimed_by = %(manager)s;

-- name: runs
-- CREATING -> RUNNING; no row: the session is to end meanwhile.
WITH running AS (
    UPDATE sessions
    SET status = 'RUNNING', status_cause = 'kernel-running', status_actor = 'lifecycle'
    WHERE id = %(id)s AND status = 'CREATING'
    RETURNING id
)
UPDATE kernels k
SET status = 'RUNNING', status_cause = 'kernel-running', status_actor = 'lifecycle', claimed_by = NULL, claimed_until = NULL
FROM running r
WHERE k.session_id = r.id AND k.id = %(kernel)s AND k.status = 'CREATING'
RETURNING k.id, set_config('synchronous_commit', 'off', true);

-- name: ended
-- TERMINATING -> TERMINATED; the slots come free by a trigger.
WITH ended AS (
    UPDATE sessions
    SET status = 'TERMINATED', status_cause = coalesce(reason, status_cause), status_actor = 'lifecycle'
    WHERE id = %(id)s AND status = 'TERMINATING'
    RETURNING id, status_cause
)
UPDATE kernels k
SET status = 'TERMINATED', status_cause = e.status_cause, status_actor = 'lifecycle', claimed_by = NULL, claimed_until = NULL
FROM ended e
WHERE k.session_id = e.id AND k.id = %(kernel)s AND k.status = 'TERMINATING'
RETURNING set_config('synchronous_commit', 'off', true);

-- name: alive_agents
SELECT id AS agent, address FROM agents WHERE status = 'ALIVE' ORDER BY id;

-- name: alive_agent
SELECT id AS agent, address FROM agents WHERE id = %(agent)s AND status = 'ALIVE';

-- name: running_on
SELECT k.id::text AS kernel, s.type
FROM kernels k JOIN sessions s ON s.id = k.session_id
WHERE k.agent_id = %(agent)s AND k.status = 'RUNNING';

-- name: agent_of_running
SELECT agent_id AS agent FROM kernels WHERE id = %(kernel)s AND status = 'RUNNING';

-- name: live_kernels_among
SELECT id::text FROM kernels WHERE id = ANY(%(kernels)s::uuid[]) AND status <> 'TERMINATED';

-- name: sessions_of_lost
-- Sessions with a live kernel on an agent that is LOST.
SELECT DISTINCT k.session_id::text AS id
FROM kernels k JOIN agents a ON a.id = k.agent_id
WHERE k.status <> 'TERMINATED' AND a.status = 'LOST'
LIMIT %(limit)s;

-- name: lock_sessions
SELECT id FROM sessions WHERE id = ANY(%(sessions)s::uuid[]) ORDER BY id FOR NO KEY UPDATE;

-- name: still_lost
-- The same, once the sessions are locked and nothing about them moves.
SELECT k.session_id::text AS session, k.id::text AS kernel
FROM kernels k JOIN agents a ON a.id = k.agent_id
WHERE k.session_id = ANY(%(sessions)s::uuid[]) AND k.status <> 'TERMINATED' AND a.status = 'LOST';

-- name: lost_wait_again
UPDATE sessions
SET status = 'PENDING', status_cause = 'agent-lost', status_actor = 'reconciler'
WHERE id = ANY(%(sessions)s::uuid[]) AND status = 'SCHEDULED';

-- name: lost_end
UPDATE sessions
SET status = 'TERMINATING', status_cause = 'agent-lost', status_actor = 'reconciler', reason = 'agent-lost'
WHERE id = ANY(%(sessions)s::uuid[]) AND status IN ('CREATING', 'RUNNING');

-- name: lost_kernels_end
UPDATE kernels
SET status = 'TERMINATING', status_cause = 'agent-lost', status_actor = 'reconciler'
WHERE id = ANY(%(kernels)s::uuid[]) AND status IN ('SCHEDULED', 'CREATING', 'RUNNING');

-- name: lost_ended
UPDATE sessions
SET status = 'TERMINATED', status_cause = 'agent-lost', status_actor = 'reconciler'
WHERE id = ANY(%(sessions)s::uuid[]) AND status = 'TERMINATING';

-- name: lost_kernels_ended
UPDATE kernels
SET status = 'TERMINATED', status_cause = 'agent-lost', status_actor = 'reconciler', claimed_by = NULL, claimed_until = NULL
WHERE id = ANY(%(kernels)s::uuid[]) AND status = 'TERMINATING';
