-- Placement of sessions; used by store.py.

-- name: facts
-- The oldest waiting sessions that fit on the agents as they are now, none beside another, and, if there are any, all agents that take new kernels
-- with what is free on them.
WITH rooms AS MATERIALIZED (
    SELECT a.id, a.architecture, a.isolation, a.mounts, a.cpu - coalesce(sum(l.cpu), 0) AS cpu, a.memory_mib - coalesce(sum(l.memory_mib), 0) AS memory_mib
    FROM agents a
    LEFT JOIN allocations l ON l.agent_id = a.id AND l.freed_at IS NULL
    WHERE a.status = 'ALIVE' AND a.schedulable
    GROUP BY a.id
), kinds AS MATERIALIZED (
    SELECT DISTINCT architecture, isolation, mounts FROM rooms
), waiting AS MATERIALIZED (
    SELECT s.id, s.cpu, s.memory_mib, s.cluster_size, s.architectures, s.created_at,
           CASE WHEN s.image_digest IS NULL THEN s.isolation END AS isolation, s.image_digest IS NULL AND has.mounts AS mounts
    FROM sessions s, LATERAL (SELECT EXISTS (SELECT FROM session_mounts m WHERE m.session_id = s.id) AS mounts) has
    WHERE s.status = 'PENDING' AND EXISTS (SELECT FROM kinds k WHERE can_host(k.architecture, k.isolation, k.mounts, s, has.mounts)) AND (s.depends_on = '{}' OR dependencies_met(s.depends_on))
      AND EXISTS (SELECT FROM rooms r WHERE r.cpu >= s.cpu AND r.memory_mib >= s.memory_mib AND can_host(r.architecture, r.isolation, r.mounts, s, has.mounts))
      AND (s.cluster_size = 1 OR s.cluster_size <= (
          SELECT sum(least(greatest(r.cpu, 0) / s.cpu, greatest(r.memory_mib, 0) / s.memory_mib)) FROM rooms r
          WHERE can_host(r.architecture, r.isolation, r.mounts, s, has.mounts)))
    ORDER BY s.created_at, s.id
    LIMIT %(limit)s
)
SELECT (SELECT json_agg(json_build_array(id, cpu, memory_mib, cluster_size, architectures, isolation, mounts) ORDER BY created_at, id) FROM waiting) AS waiting,
       (SELECT json_agg(json_build_array(id, cpu, memory_mib, architecture, isolation, mounts)) FROM rooms WHERE EXISTS (SELECT FROM waiting)) AS rooms,
       EXISTS (SELECT FROM sessions WHERE status = 'PENDING') AS anybody;

-- name: place
-- Writes what was decided, as far as it still holds: all kernels of a session or none. No flush: a placement that the database forgets in a crash leaves the session
-- PENDING, and its kernel, if it is there already, an orphan that is destroyed.
SELECT placed::text AS session, set_config('synchronous_commit', 'off', true)
FROM place_sessions(
    %(kernels)s::uuid[], %(sessions)s::uuid[], %(ranks)s::integer[], %(agents)s::text[], %(cpu)s::integer[], %(memory_mib)s::integer[]
) AS placed;
