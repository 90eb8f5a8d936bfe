-- Sessions, their kernels and their history; used by store.py, books.py and ledger.py.
-- Locks are taken in one order: user, folder; session, kernel, allocation. Status, cause and actor are always written together.
-- What a user asks for is flushed before the answer. The platform's own steps are not (synchronous_commit off): a step that the
-- database forgets in a crash is done again by the loops, on the same kernel, and a later flush never goes without the earlier ones.
-- A session that begins at once is flushed when it runs, or by `flush_session`.

-- name: lock_folders
-- Keeps folders from being deleted, cloned, given away or taken from who has a share until their mounts are written: that takes FOR UPDATE.
SELECT id FROM folders WHERE id = ANY(%(folders)s::uuid[]) ORDER BY id FOR KEY SHARE;

-- name: mountable_folders
-- Once they are locked: what the locks were waited for is seen by a statement of its own only.
SELECT f.id::text FROM folders f
WHERE f.id = ANY(%(folders)s::uuid[])
  AND CASE WHEN f.id = ANY(%(written)s::uuid[])
           THEN f.status = 'READY' AND folder_permission(f.id, f.owner_id, %(owner)s) IN ('write', 'delete', 'own')
           ELSE f.status IN ('READY', 'CLONING') AND folder_permission(f.id, f.owner_id, %(owner)s) IS NOT NULL END;

-- name: lock_mounted_folders
SELECT f.id FROM folders f WHERE f.id IN (SELECT folder_id FROM session_mounts WHERE session_id = %(id)s) ORDER BY f.id FOR KEY SHARE;

-- name: unshared_mount
-- What a running session mounts and its owner may not mount so any more.
SELECT m.path
FROM sessions s
JOIN session_mounts m ON m.session_id = s.id
JOIN folders f ON f.id = m.folder_id
CROSS JOIN LATERAL folder_permission(f.id, f.owner_id, s.owner_id) AS permission
WHERE s.id = %(id)s AND s.status = 'RUNNING' AND (permission IS NULL OR permission = 'read' AND NOT m.read_only)
ORDER BY m.path LIMIT 1;

-- name: create_session
-- The session keeps what the image's tag names now. No row: see the function.
SELECT * FROM create_session(jsonb_populate_record(NULL::sessions, %(new)s::jsonb), %(kernel)s::uuid, %(manager)s, %(seconds)s);

-- name: why_not_inserted
SELECT EXISTS (SELECT FROM users WHERE id = %(owner)s AND deleted_at IS NULL) AS owner_lives,
       (SELECT row_to_json(i) FROM (
           SELECT missing_since, cpu_min, memory_mib_min FROM images WHERE name = %(image)s
       ) i) AS image,
       ARRAY(SELECT id::text FROM sessions WHERE id = ANY(%(depends_on)s::uuid[]) AND owner_id = %(owner)s) AS dependencies;

-- name: live_named
SELECT id::text, environment, isolation FROM sessions
WHERE owner_id = %(owner)s AND name = %(name)s AND status NOT IN ('TERMINATED', 'CANCELLED');

-- name: insert_mounts
INSERT INTO session_mounts (session_id, folder_id, path, source, subpath, read_only)
SELECT %(session)s, folder, path, source, subpath, read_only
FROM unnest(%(folders)s::uuid[], %(paths)s::text[], %(sources)s::text[], %(subpaths)s::text[], %(read_only)s::boolean[])
    AS mount (folder, path, source, subpath, read_only);

-- name: view_sessions
SELECT s.id::text, s.name, s.owner_id::text AS owner, s.image, s.image_digest, s.status, s.cpu, s.memory_mib, s.created_at, s.reason,
       s.detail, s.type, s.command, s.exit_code, s.result, s.depends_on::text[],
       s.batch_seconds, s.lifetime_seconds, s.idle_seconds, s.started_at, s.expires_at,
       CASE WHEN s.status IN ('TERMINATED', 'CANCELLED') THEN s.status_changed_at END AS terminated_at,
       s.cluster_size, s.limits, s.ports, k.kernels, m.mounts
FROM sessions s
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_array(id, role, index, hostname, agent_id, status, isolation, pull) ORDER BY role, index) AS kernels
    FROM (
        SELECT DISTINCT ON (role, index) id, role, index, hostname, agent_id, status, isolation, pull
        FROM kernels WHERE session_id = s.id ORDER BY role, index, created_at DESC
    ) newest
) k ON s.status NOT IN ('PENDING', 'CANCELLED')
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_array(folder_id, path, read_only, subpath) ORDER BY path) AS mounts FROM session_mounts WHERE session_id = s.id
) m ON true
WHERE s.id = ANY(%(ids)s::uuid[]);

-- name: list_sessions
-- In two parts, so that live ones are found by an index of their own, however many have ended.
SELECT s.id::text, s.name, s.owner_id::text AS owner, s.image, s.image_digest, s.status, s.cpu, s.memory_mib, s.created_at, s.reason,
       s.detail, s.type, s.command, s.exit_code, s.result, s.depends_on::text[],
       s.batch_seconds, s.lifetime_seconds, s.idle_seconds, s.started_at, s.expires_at,
       CASE WHEN s.status IN ('TERMINATED', 'CANCELLED') THEN s.status_changed_at END AS terminated_at,
       s.cluster_size, s.limits, s.ports, k.kernels, m.mounts
FROM (
    SELECT * FROM sessions WHERE owner_id = %(owner)s AND status NOT IN ('TERMINATED', 'CANCELLED')
    UNION ALL
    SELECT * FROM sessions WHERE %(ended)s AND owner_id = %(owner)s AND status IN ('TERMINATED', 'CANCELLED')
) s
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_array(id, role, index, hostname, agent_id, status, isolation, pull) ORDER BY role, index) AS kernels
    FROM (
        SELECT DISTINCT ON (role, index) id, role, index, hostname, agent_id, status, isolation, pull
        FROM kernels WHERE session_id = s.id ORDER BY role, index, created_at DESC
    ) newest
) k ON s.status NOT IN ('PENDING', 'CANCELLED')
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_array(folder_id, path, read_only, subpath) ORDER BY path) AS mounts FROM session_mounts WHERE session_id = s.id
) m ON true
WHERE s.status = ANY(%(statuses)s)
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
SELECT s.owner_id::text AS owner, s.status, s.command <> '{}' AND %(hostname)s = 'main1' AS runs_command, k.id::text AS kernel, a.address
FROM sessions s
LEFT JOIN kernels k ON k.session_id = s.id AND k.hostname = %(hostname)s AND k.status = 'RUNNING' AND s.status = 'RUNNING'
LEFT JOIN agents a ON a.id = k.agent_id AND a.status = 'ALIVE'
WHERE s.id = %(id)s;

-- name: situation
-- What a PENDING session waits for, and what the agents have of it. Nobody asks but who looks at one session.
WITH wanted AS (
    SELECT id, cpu, memory_mib, cluster_size, architectures, isolation, depends_on FROM sessions WHERE id = %(id)s AND status = 'PENDING'
), machines AS (
    SELECT a.id, a.architecture, a.isolation, a.cpu, a.memory_mib, a.status = 'ALIVE' AS alive, a.status = 'ALIVE' AND a.schedulable AS open,
           can_run(a.architecture, w.architectures) AS runs, w.image_digest IS NOT NULL OR isolates(a.isolation, w.isolation) AS isolated,
           a.status = 'ALIVE' AND a.schedulable AND can_host(a.architecture, a.isolation, a.mounts, w, EXISTS (SELECT FROM session_mounts m WHERE m.session_id = w.id)) AS able,
           a.cpu - coalesce(l.cpu, 0) AS cpu_free, a.memory_mib - coalesce(l.memory_mib, 0) AS memory_free
    FROM wanted JOIN sessions w USING (id) CROSS JOIN agents a
    LEFT JOIN (
        SELECT agent_id, sum(cpu)::integer AS cpu, sum(memory_mib)::integer AS memory_mib
        FROM allocations WHERE freed_at IS NULL GROUP BY agent_id
    ) l ON l.agent_id = a.id
)
SELECT w.cpu, w.memory_mib, w.cluster_size, w.architectures, w.isolation,
       (SELECT json_agg(json_build_array(d.id, d.name, d.status) ORDER BY d.created_at, d.id)
        FROM sessions d WHERE d.id = ANY(w.depends_on) AND d.result IS DISTINCT FROM 'SUCCESS') AS unmet,
       m.*
FROM wanted w CROSS JOIN LATERAL (
    SELECT count(*) AS agents, count(*) FILTER (WHERE alive) AS alive, count(*) FILTER (WHERE open) AS open,
           count(*) FILTER (WHERE able) AS able, count(*) FILTER (WHERE open AND runs) AS runs, count(*) FILTER (WHERE open AND runs AND isolated) AS isolated,
           array_agg(DISTINCT isolation) FILTER (WHERE open) AS isolations,
           array_agg(DISTINCT architecture) FILTER (WHERE open AND architecture <> '') AS offered,
           coalesce(max(cpu) FILTER (WHERE able), 0) AS cpu_most,
           (array_agg(id ORDER BY cpu DESC, id) FILTER (WHERE able))[1] AS cpu_most_agent,
           coalesce(max(memory_mib) FILTER (WHERE able), 0) AS memory_most,
           (array_agg(id ORDER BY memory_mib DESC, id) FILTER (WHERE able))[1] AS memory_most_agent,
           coalesce(max(cpu_free) FILTER (WHERE able), 0) AS cpu_free,
           (array_agg(id ORDER BY cpu_free DESC, id) FILTER (WHERE able))[1] AS cpu_free_agent,
           coalesce(max(memory_free) FILTER (WHERE able), 0) AS memory_free,
           (array_agg(id ORDER BY memory_free DESC, id) FILTER (WHERE able))[1] AS memory_free_agent,
           coalesce(sum(least(machines.cpu / w.cpu, machines.memory_mib / w.memory_mib)) FILTER (WHERE able), 0)::integer AS capacity,
           coalesce(sum(least(greatest(cpu_free, 0) / w.cpu, greatest(memory_free, 0) / w.memory_mib)) FILTER (WHERE able), 0)::integer AS room
    FROM machines
) m;

-- name: flush_session
-- To lock a row is to write: when this is committed, whatever was before is on disk. No row: the database has lost it.
SELECT true AS there FROM sessions WHERE id = %(id)s FOR KEY SHARE;

-- name: end_own_session
-- Ends a session if the user may; gives the kernels that have to end for it, claimed if nobody else has them, beside the session as it was.
SELECT ended.agent, s.id::text AS session, ended.kernel::text, ended.address, ended.claimed,
       s.id::text, s.name, s.owner_id::text AS owner, s.image, s.image_digest, s.status, s.cpu, s.memory_mib, s.created_at, s.reason,
       s.detail, s.type, s.command, s.exit_code, s.result, s.depends_on::text[],
       s.batch_seconds, s.lifetime_seconds, s.idle_seconds, s.started_at, s.expires_at, NULL::timestamptz AS terminated_at,
       s.cluster_size, s.limits, s.ports, NULL AS kernels,
       (SELECT json_agg(json_build_array(folder_id, path, read_only, subpath) ORDER BY path) FROM session_mounts WHERE session_id = s.id) AS mounts
FROM sessions s, end_session(s.id, %(reason)s, %(user)s::text, manager => %(manager)s, claim_seconds => %(seconds)s) AS ended
WHERE s.id = %(id)s AND (owner_id = %(user)s::text::uuid OR %(is_admin)s);

-- name: restart_own_session
-- Has a session restarted if it runs and the user may; gives its kernels.
SELECT again.agent, s.id::text AS session, again.kernel::text
FROM sessions s, restart_session(s.id, %(user)s::text) AS again
WHERE s.id = %(id)s AND (s.owner_id = %(user)s::text::uuid OR %(is_admin)s);

-- name: force_end_own_session
-- Ends a session at once if the user may, and leaves it to `removals_due` to tell the agents.
SELECT force_end_session(s.id, %(user)s::text) AS ended
FROM sessions s
WHERE s.id = %(id)s AND (s.owner_id = %(user)s::text::uuid OR %(is_admin)s);

-- name: removals_due
-- Kernels that agents, which answer, still have to destroy.
SELECT r.kernel_id::text AS kernel, r.agent_id AS agent, a.address
FROM kernel_removals r JOIN agents a ON a.id = r.agent_id AND a.status = 'ALIVE'
WHERE r.not_before <= now()
ORDER BY r.requested_at, r.kernel_id
LIMIT %(limit)s;

-- name: removal_done
DELETE FROM kernel_removals WHERE kernel_id = %(kernel)s;

-- name: put_off_removal
UPDATE kernel_removals SET not_before = now() + make_interval(secs => %(seconds)s) WHERE kernel_id = %(kernel)s;

-- name: postpone_removals
-- Of all that an agent has to destroy; what it was last asked for is due when the others have had their turn.
UPDATE kernel_removals
SET not_before = now() + make_interval(secs => %(seconds)s * CASE kernel_id WHEN %(kernel)s THEN 2 ELSE 1 END)
WHERE agent_id = %(agent)s;

-- name: end_session_of
-- Ends the session of a kernel, if that is still of this generation; gives all its kernels.
SELECT ended.agent, k.session_id::text AS session, ended.kernel::text
FROM kernels k, end_session(k.session_id, %(reason)s, %(actor)s, %(exit_code)s, %(detail)s, k.id, %(generation)s) AS ended
WHERE k.id = %(kernel)s AND k.status <> 'TERMINATED';

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

-- name: overdue
-- Running sessions whose time is up by the database's clock, with the kernel to look at first and the limit that was reached.
-- Agents take turns: one that does not answer keeps nobody else's out.
SELECT session, type, kernel, agent, address, time_out, seconds
FROM (
    SELECT s.id::text AS session, s.type, k.id::text AS kernel, k.agent_id AS agent, a.address, s.expires_at,
           row_number() OVER (PARTITION BY k.agent_id ORDER BY s.expires_at) AS turn,
           CASE WHEN s.batch_seconds <= coalesce(s.lifetime_seconds, s.batch_seconds) THEN 'batch_seconds' ELSE 'lifetime_seconds' END AS time_out,
           least(s.batch_seconds, s.lifetime_seconds) AS seconds
    FROM sessions s
    JOIN kernels k ON k.session_id = s.id AND k.role = 'main' AND k.status = 'RUNNING'
    LEFT JOIN agents a ON a.id = k.agent_id AND a.status = 'ALIVE'
    WHERE s.status = 'RUNNING' AND s.expires_at <= now()
) due
ORDER BY type = 'batch', turn, expires_at LIMIT %(limit)s;

-- name: expire
SELECT ended.agent, s.id::text AS session, ended.kernel::text
FROM sessions s, end_session(s.id, %(reason)s, 'time-outs', NULL, %(detail)s) AS ended
WHERE s.id = %(session)s AND s.status = 'RUNNING' AND s.expires_at <= now();

-- name: overstaying
-- Sessions that are still on drained agents whose deadline has passed, with the kernel to look at first where a command was begun. These
-- come last, and their agents take turns: one that does not answer keeps nobody else's out.
SELECT o.session::text, k.id::text AS kernel, k.agent_id AS agent, a.address
FROM (
    SELECT s.id AS session, s.type, min(d.drain_deadline) AS deadline
    FROM agents d
    JOIN kernels k ON k.agent_id = d.id AND k.status <> 'TERMINATED'
    JOIN sessions s ON s.id = k.session_id AND s.status IN ('SCHEDULED', 'PULLING', 'CREATING', 'RUNNING', 'RESTARTING')
    WHERE NOT d.schedulable AND d.drain_deadline <= now()
    GROUP BY s.id
) o
LEFT JOIN kernels k ON o.type = 'batch' AND k.session_id = o.session AND k.role = 'main' AND k.status = 'RUNNING'
LEFT JOIN agents a ON a.id = k.agent_id AND a.status = 'ALIVE'
ORDER BY k.id IS NOT NULL, row_number() OVER (PARTITION BY k.agent_id ORDER BY o.deadline, o.session), o.session
LIMIT %(limit)s;

-- name: end_overstaying
-- Unless its agents have been resumed meanwhile: looked at once, before anything ends.
WITH up AS MATERIALIZED (
    SELECT min(d.id) AS agent
    FROM kernels k JOIN agents d ON d.id = k.agent_id AND NOT d.schedulable AND d.drain_deadline <= now()
    WHERE k.session_id = %(session)s AND k.status <> 'TERMINATED'
    HAVING count(*) > 0
)
SELECT ended.agent, %(session)s::text AS session, ended.kernel::text
FROM up, end_session(%(session)s::uuid, %(reason)s, 'drain', NULL, 'agent ' || up.agent || ' was drained') AS ended;

-- name: due
-- From one kernel on: those that are due for long, such as while an image is pulled, keep no other out.
SELECT k.agent_id AS agent, s.id::text AS session, k.id::text AS kernel
FROM sessions s
JOIN kernels k ON k.session_id = s.id AND k.status <> 'TERMINATED'
JOIN agents a ON a.id = k.agent_id AND a.status = 'ALIVE'
WHERE s.status IN ('SCHEDULED', 'PULLING', 'CREATING', 'RESTARTING', 'TERMINATING') AND (k.status <> 'RUNNING' OR s.status = 'TERMINATING')
  AND (k.claimed_until IS NULL OR k.claimed_until < now())
  AND (%(after)s::uuid IS NULL OR k.id > %(after)s::uuid)
ORDER BY k.id
LIMIT %(limit)s;

-- name: begin_creating
-- SCHEDULED -> CREATING by the first kernel of a session that is asked for, and the kernel is claimed: nobody can have it yet. Not where an
-- image may have to be pulled first.
WITH begun AS (
    UPDATE sessions
    SET status = 'CREATING', status_cause = 'kernel-requested', status_actor = 'lifecycle'
    WHERE id = (SELECT session_id FROM kernels WHERE id = %(kernel)s AND status = 'SCHEDULED') AND status = 'SCHEDULED'
      AND image_digest IS NULL
    RETURNING id, image, image_digest, cpu, memory_mib, cluster_size, limits, ports, isolation, environment, type, command
)
UPDATE kernels k
SET status = 'CREATING', status_cause = 'kernel-requested', status_actor = 'lifecycle',
    claimed_by = %(manager)s, claimed_until = now() + make_interval(secs => %(seconds)s)
FROM begun s, agents a
WHERE k.id = %(kernel)s AND k.session_id = s.id AND k.status = 'SCHEDULED' AND a.id = k.agent_id
RETURNING k.status, k.id::text AS kernel, k.session_id::text AS session, k.role, k.index, k.generation, k.agent_id AS agent,
    a.address, s.image, s.image_digest, s.cpu, s.memory_mib, s.cluster_size, s.limits, s.ports, s.isolation, s.environment, s.type, s.command,
    CASE WHEN s.ports <> '{}' AND s.cluster_size > 1 THEN peers_of(s.id) END AS peers,
    NULL AS url, 0::float AS status_seconds,
    (SELECT json_agg(json_build_array(source, path, read_only, subpath) ORDER BY path) FROM session_mounts m WHERE m.session_id = s.id) AS mounts,
    set_config('synchronous_commit', 'off', true);

-- name: claim_kernel
-- Takes a kernel that is being created, restarted or ended, or whose image has to be there first, unless another manager has it. One that
-- has fallen behind its session catches up. No `next.status`: it stays what it is by now; what `o` says may be older than the session's lock.
WITH s AS (
    SELECT s.id, s.status, coalesce(s.reason, s.status_cause) AS cause, s.status_actor AS actor,
           r.url, i.repository, r.username, r.secret, s.image, s.image_digest, s.cpu, s.memory_mib, s.cluster_size, s.limits, s.ports, s.isolation, s.environment, s.type, s.command
    FROM sessions s JOIN images i ON i.name = s.image LEFT JOIN registries r ON r.id = i.registry_id
    WHERE s.id = (SELECT session_id FROM kernels WHERE id = %(kernel)s)
      AND (s.status IN ('CREATING', 'RESTARTING', 'TERMINATING') OR s.status IN ('SCHEDULED', 'PULLING') AND s.image_digest IS NOT NULL)
    FOR NO KEY UPDATE OF s
)
UPDATE kernels k
SET status = coalesce(next.status, k.status),
    status_cause = CASE WHEN coalesce(next.status, k.status) = k.status THEN k.status_cause ELSE next.cause END,
    status_actor = CASE WHEN coalesce(next.status, k.status) = k.status THEN k.status_actor ELSE next.actor END,
    claimed_by = %(manager)s, claimed_until = now() + make_interval(secs => %(seconds)s)
FROM s, agents a, kernels o, LATERAL (
    SELECT CASE WHEN s.status = 'TERMINATING' THEN 'TERMINATING'
                WHEN s.status <> 'RESTARTING' AND s.image_digest IS NULL THEN 'CREATING' END,
           CASE s.status WHEN 'TERMINATING' THEN s.cause ELSE 'kernel-requested' END,
           CASE s.status WHEN 'TERMINATING' THEN s.actor ELSE 'lifecycle' END
) AS next (status, cause, actor)
WHERE k.id = %(kernel)s AND o.id = k.id AND k.session_id = s.id AND k.status <> 'TERMINATED'
  AND (s.status = 'TERMINATING' OR k.status IN ('SCHEDULED', 'PULLING', 'CREATING', 'RESTARTING'))
  AND a.id = k.agent_id AND a.status = 'ALIVE'
  AND (k.claimed_until IS NULL OR k.claimed_until < now() OR k.claimed_by = %(manager)s)
RETURNING k.status, k.id::text AS kernel, k.session_id::text AS session, k.role, k.index, k.generation, k.agent_id AS agent,
    a.address, s.image, s.image_digest, s.cpu, s.memory_mib, s.cluster_size, s.limits, s.ports, s.isolation, s.environment, s.type, s.command,
    CASE WHEN s.ports <> '{}' AND s.cluster_size > 1 THEN peers_of(s.id) END AS peers,
    s.url, s.repository, s.username, s.secret,
    CASE WHEN o.status = k.status THEN extract(epoch FROM clock_timestamp() - k.status_changed_at) ELSE 0 END::float AS status_seconds,
    (SELECT json_agg(json_build_array(source, path, read_only, subpath) ORDER BY path) FROM session_mounts m WHERE m.session_id = s.id) AS mounts,
    set_config('synchronous_commit', 'off', true);

-- name: pulling
-- SCHEDULED -> PULLING, or how far it has come; the claim is given back until it is time to ask again.
WITH s AS (
    SELECT id, status FROM sessions
    WHERE id = %(session)s AND status IN ('SCHEDULED', 'PULLING', 'CREATING')
    FOR NO KEY UPDATE
), moved AS (
    UPDATE sessions SET status = 'PULLING', status_cause = 'image-pull', status_actor = 'lifecycle'
    FROM s WHERE sessions.id = s.id AND s.status = 'SCHEDULED'
)
UPDATE kernels k
SET status = 'PULLING', pull = %(pull)s::jsonb, claimed_by = NULL, claimed_until = NULL,
    status_cause = CASE k.status WHEN 'PULLING' THEN k.status_cause ELSE 'image-pull' END, status_actor = 'lifecycle'
FROM s WHERE k.id = %(kernel)s AND k.session_id = s.id AND k.status IN ('SCHEDULED', 'PULLING')
RETURNING set_config('synchronous_commit', 'off', true);

-- name: pulled
-- SCHEDULED or PULLING -> CREATING by a kernel whose image is there, and its session with it; the claim stays.
WITH s AS (
    SELECT id, status FROM sessions
    WHERE id = %(session)s AND status IN ('SCHEDULED', 'PULLING', 'CREATING')
    FOR NO KEY UPDATE
), k AS (
    SELECT k.id, CASE k.status WHEN 'PULLING' THEN %(cause)s ELSE 'kernel-requested' END AS cause
    FROM kernels k JOIN s ON s.id = k.session_id
    WHERE k.id = %(kernel)s AND k.status IN ('SCHEDULED', 'PULLING')
), moved AS (
    UPDATE sessions SET status = 'CREATING', status_cause = k.cause, status_actor = 'lifecycle'
    FROM s, k WHERE sessions.id = s.id AND s.status <> 'CREATING'
)
UPDATE kernels
SET status = 'CREATING', status_cause = k.cause, status_actor = 'lifecycle', pull = NULL
FROM k WHERE kernels.id = k.id
RETURNING true AS pulled, set_config('synchronous_commit', 'off', true);

-- name: pull_again
-- CREATING -> PULLING for a kernel whose image its agent does not have any more, so many times at most; the claim stays. No row: that was
-- often enough, or it is to end meanwhile.
WITH s AS (
    SELECT id FROM sessions WHERE id = %(session)s AND status = 'CREATING' FOR NO KEY UPDATE
)
UPDATE kernels k
SET status = 'PULLING', status_cause = 'image-evicted', status_actor = 'lifecycle'
FROM s
WHERE k.id = %(kernel)s AND k.session_id = s.id AND k.status = 'CREATING' AND %(most)s > (
    SELECT count(*) FROM session_history h WHERE h.session_id = s.id AND h.kernel_id = k.id AND (h.from_status, h.to_status) = ('CREATING', 'PULLING')
)
RETURNING true AS pulls, set_config('synchronous_commit', 'off', true);

-- name: keep_logs
INSERT INTO session_logs (session_id, text, written) VALUES (%(session)s, %(text)s, %(written)s) ON CONFLICT (session_id) DO NOTHING;

-- name: kept_logs
-- Earlier managers did not say how much was written: at least what is there.
SELECT text, greatest(written, char_length(text)) AS written FROM session_logs WHERE session_id = %(session)s;

-- name: release_all
UPDATE kernels SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = %(manager)s AND status <> 'TERMINATED';

-- name: release_kernel
UPDATE kernels SET claimed_by = NULL, claimed_until = NULL WHERE id = %(kernel)s AND claimed_by = %(manager)s;

-- name: runs
-- CREATING or RESTARTING -> RUNNING, and with the last kernel the session. Flushed if the session was not when it was added.
SELECT runs.*, CASE WHEN %(flushed)s THEN set_config('synchronous_commit', 'off', true) END FROM kernel_runs(%(kernel)s, %(isolation)s, %(generation)s) AS runs;

-- name: ended
-- TERMINATING -> TERMINATED, and with the last kernel the session; the slots come free by a trigger. A row if the session has ended.
SELECT * FROM kernel_ended(%(kernel)s);

-- name: alive_agents
SELECT id AS agent, address FROM agents WHERE status = 'ALIVE' ORDER BY id;

-- name: alive_agent
SELECT id AS agent, address FROM agents WHERE id = %(agent)s AND status = 'ALIVE';

-- name: running_on
SELECT k.id::text AS kernel, CASE k.role WHEN 'main' THEN s.type ELSE 'interactive' END AS type, s.idle_seconds,
       s.id::text AS session, s.cluster_size, k.generation
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

-- name: lost_waiting_kernels
-- Kernels of sessions for which no agent has been asked for anything yet: all of them go, wherever they were to be.
SELECT k.id::text AS kernel
FROM kernels k JOIN sessions s ON s.id = k.session_id
WHERE s.id = ANY(%(sessions)s::uuid[]) AND s.status IN ('SCHEDULED', 'PULLING') AND k.status <> 'TERMINATED';

-- name: lost_wait_again
UPDATE sessions
SET status = 'PENDING', status_cause = 'agent-lost', status_actor = 'reconciler'
WHERE id = ANY(%(sessions)s::uuid[]) AND status IN ('SCHEDULED', 'PULLING');

-- name: lost_end
-- Ends sessions whose kernels were asked for; what they have on other agents is destroyed there afterwards.
SELECT end_session(s.id, 'agent-lost', 'reconciler', NULL, 'its agent ' || lost.agent_id || ' is gone', lost.id)
FROM sessions s, LATERAL (
    SELECT k.id, k.agent_id FROM kernels k
    WHERE k.session_id = s.id AND k.id = ANY(%(kernels)s::uuid[]) ORDER BY k.role, k.index LIMIT 1
) AS lost
WHERE s.id = ANY(%(sessions)s::uuid[]) AND s.status IN ('CREATING', 'RUNNING', 'RESTARTING');

-- name: lost_kernels_end
UPDATE kernels
SET status = 'TERMINATING', status_cause = 'agent-lost', status_actor = 'reconciler'
WHERE id = ANY(%(kernels)s::uuid[]) AND status IN ('SCHEDULED', 'PULLING', 'CREATING', 'RUNNING', 'RESTARTING');

-- name: lost_kernels_ended
UPDATE kernels
SET status = 'TERMINATED', status_cause = 'agent-lost', status_actor = 'reconciler', claimed_by = NULL, claimed_until = NULL
WHERE id = ANY(%(kernels)s::uuid[]) AND status = 'TERMINATING';

-- name: lost_ended
UPDATE sessions s
SET status = 'TERMINATED', status_cause = coalesce(s.reason, 'agent-lost'), status_actor = 'reconciler'
WHERE s.id = ANY(%(sessions)s::uuid[]) AND s.status = 'TERMINATING'
  AND NOT EXISTS (SELECT FROM kernels k WHERE k.session_id = s.id AND k.status <> 'TERMINATED');
