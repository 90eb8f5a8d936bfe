-- Agents; used by store.py.

-- name: lock_agents
-- Several managers follow the registrations; one reads and writes at a time, so that nothing older is written over something newer.
SELECT pg_advisory_xact_lock(%(lock)s);

-- name: upsert_alive
-- Adds or renews the registered agents; gives those that changed.
INSERT INTO agents (id, instance, address, cpu, memory_mib, architecture, isolation, mounts, status)
SELECT id, instance, address, cpu, memory_mib, architecture, isolation, mounts, 'ALIVE'
FROM unnest(%(ids)s::text[], %(instances)s::text[], %(addresses)s::text[], %(cpu)s::integer[], %(memory_mib)s::integer[],
            %(architectures)s::text[], %(isolations)s::text[], %(mounts)s::boolean[])
    AS record (id, instance, address, cpu, memory_mib, architecture, isolation, mounts)
ON CONFLICT (id) DO UPDATE
SET instance = excluded.instance, address = excluded.address, cpu = excluded.cpu,
    memory_mib = excluded.memory_mib, architecture = excluded.architecture, isolation = excluded.isolation,
    mounts = excluded.mounts, status = 'ALIVE', seen_at = now()
WHERE (agents.instance, agents.address, agents.cpu, agents.memory_mib, agents.architecture, agents.isolation, agents.mounts, agents.status)
    IS DISTINCT FROM (excluded.instance, excluded.address, excluded.cpu, excluded.memory_mib, excluded.architecture,
                      excluded.isolation, excluded.mounts, 'ALIVE')
RETURNING id;

-- name: mark_lost
UPDATE agents SET status = 'LOST', seen_at = now()
WHERE status = 'ALIVE' AND id <> ALL(%(ids)s::text[])
RETURNING id;

-- name: list_agents
-- All agents, or one.
SELECT a.id, a.instance, a.address, a.cpu, a.memory_mib, a.status, a.schedulable, a.drain_deadline, count(l.kernel_id)::integer AS kernels,
       CASE WHEN a.status = 'ALIVE' THEN now() ELSE a.seen_at END AS seen_at,
       coalesce(sum(l.cpu), 0)::integer AS used_cpu, coalesce(sum(l.memory_mib), 0)::integer AS used_memory_mib
FROM agents a
LEFT JOIN allocations l ON l.agent_id = a.id AND l.freed_at IS NULL
WHERE %(id)s::text IS NULL OR a.id = %(id)s
GROUP BY a.id
ORDER BY a.id;

-- name: drain
-- Under the lock of placement: what is being placed there is placed, afterwards nothing is.
UPDATE agents SET schedulable = false, drain_deadline = now() + make_interval(secs => %(seconds)s) WHERE id = %(id)s RETURNING id;

-- name: resume
UPDATE agents SET schedulable = true, drain_deadline = NULL WHERE id = %(id)s RETURNING id;
