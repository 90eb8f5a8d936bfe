-- Images, registries and rescans; used by store.py and rescans.py.

-- name: list_images
SELECT i.name, i.created_at, r.name AS registry, i.repository, i.tag, i.digest, i.updated_at, i.missing_since, v.variants
FROM images i
LEFT JOIN registries r ON r.id = i.registry_id
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'architecture', architecture, 'digest', digest, 'size_bytes', size_bytes, 'runtime', runtime,
        'cpu_min', cpu_min, 'memory_mib_min', memory_mib_min, 'labels', labels) ORDER BY architecture) AS variants
    FROM image_variants WHERE image = i.name
) v ON true
WHERE (%(missing)s OR i.missing_since IS NULL) AND (%(name)s::text IS NULL OR i.name = %(name)s) AND i.name > %(after)s
ORDER BY i.name LIMIT %(limit)s;

-- name: known_variants
SELECT DISTINCT ON (v.digest) v.architecture, v.digest, v.size_bytes, v.runtime, v.cpu_min, v.memory_mib_min, v.labels
FROM image_variants v JOIN images i ON i.name = v.image
WHERE i.registry_id = %(registry)s AND i.repository = %(repository)s;

-- name: lock_rescan
-- Whose it is, and that nobody cancels it, for the time of the transaction.
SELECT id FROM rescans
WHERE id = %(rescan)s AND status = 'RUNNING' AND claimed_by = %(manager)s
FOR UPDATE;

-- name: upsert_image
-- One that is the same as before is not touched.
INSERT INTO images (name, registry_id, repository, tag, digest, architectures, cpu_min, memory_mib_min, updated_at)
VALUES (%(name)s, %(registry)s, %(repository)s, %(tag)s, %(digest)s, %(architectures)s::text[], %(cpu_min)s, %(memory_mib_min)s, now())
ON CONFLICT (name) DO UPDATE
SET registry_id = excluded.registry_id, repository = excluded.repository, tag = excluded.tag, digest = excluded.digest,
    architectures = excluded.architectures, cpu_min = excluded.cpu_min, memory_mib_min = excluded.memory_mib_min,
    updated_at = excluded.updated_at, missing_since = NULL
WHERE (images.digest, images.registry_id, images.architectures, images.cpu_min, images.memory_mib_min, images.missing_since)
    IS DISTINCT FROM (excluded.digest, excluded.registry_id, excluded.architectures, excluded.cpu_min, excluded.memory_mib_min, NULL);

-- name: delete_variants
DELETE FROM image_variants WHERE image = %(name)s AND architecture <> ALL(%(architectures)s::text[]);

-- name: upsert_variant
INSERT INTO image_variants (image, architecture, digest, size_bytes, runtime, cpu_min, memory_mib_min, labels)
VALUES (%(image)s, %(architecture)s, %(digest)s, %(size_bytes)s, %(runtime)s, %(cpu_min)s, %(memory_mib_min)s, %(labels)s::jsonb)
ON CONFLICT (image, architecture) DO UPDATE
SET digest = excluded.digest, size_bytes = excluded.size_bytes, runtime = excluded.runtime, cpu_min = excluded.cpu_min,
    memory_mib_min = excluded.memory_mib_min, labels = excluded.labels
WHERE image_variants.digest <> excluded.digest OR image_variants.size_bytes <> excluded.size_bytes;

-- name: mark_missing
UPDATE images SET missing_since = now()
WHERE registry_id = %(registry)s AND repository = %(repository)s AND tag <> ALL(%(tags)s::text[]) AND missing_since IS NULL;

-- name: insert_result
-- A rescan that is begun anew writes its results again.
INSERT INTO rescan_results (rescan_id, repository, images, missing, problems)
VALUES (%(rescan)s, %(repository)s, %(images)s, %(missing)s, %(problems)s::text[])
ON CONFLICT (rescan_id, repository) DO UPDATE
SET images = excluded.images, missing = rescan_results.missing + excluded.missing, problems = excluded.problems;

-- name: count_done
UPDATE rescans SET repositories_done = (SELECT count(*) FROM rescan_results WHERE rescan_id = %(rescan)s) WHERE id = %(rescan)s;

-- name: mark_repositories_missing
WITH gone AS (
    UPDATE images SET missing_since = now()
    WHERE registry_id = %(registry)s AND repository <> ALL(%(there)s::text[]) AND missing_since IS NULL
    RETURNING repository
)
INSERT INTO rescan_results (rescan_id, repository, images, missing, problems)
SELECT %(rescan)s::uuid, repository, 0, count(*), ARRAY['the repository is not there any more'] FROM gone GROUP BY repository
ON CONFLICT (rescan_id, repository) DO UPDATE SET missing = rescan_results.missing + excluded.missing;

-- name: insert_registry
INSERT INTO registries (id, name, url, username, secret, repositories)
VALUES (%(id)s, %(name)s, %(url)s, %(username)s, %(secret)s, %(repositories)s::text[])
ON CONFLICT (name) DO NOTHING
RETURNING created_at;

-- name: list_registries
SELECT id::text, name, url, username, secret, repositories, created_at FROM registries ORDER BY name;

-- name: lock_registry
SELECT id FROM registries WHERE id = %(registry)s FOR UPDATE;

-- name: lock_images_of
-- Sessions that are being made of them are there afterwards, for statements that begin then.
SELECT count(*) FROM (SELECT FROM images WHERE registry_id = %(registry)s ORDER BY name FOR UPDATE) AS locked;

-- name: delete_images_of
-- What no session was ever made of.
DELETE FROM images i
WHERE i.registry_id = %(registry)s AND NOT EXISTS (SELECT FROM sessions s WHERE s.image = i.name);

-- name: mark_images_of_missing
UPDATE images SET missing_since = now() WHERE registry_id = %(registry)s AND missing_since IS NULL;

-- name: delete_registry
DELETE FROM registries WHERE id = %(registry)s;

-- name: request_rescan
INSERT INTO rescans (id, registry_id)
SELECT %(id)s, id FROM registries WHERE id = %(registry)s
ON CONFLICT (registry_id) WHERE status IN ('WAITING', 'RUNNING') DO NOTHING;

-- name: latest_rescan
SELECT s.id::text, r.name AS registry, s.status, s.requested_at, s.ended_at, s.repositories_done, s.repositories_total, s.reason,
       (SELECT json_agg(json_build_object('repository', repository, 'images', images, 'missing', missing, 'problems', problems)
               ORDER BY repository)
        FROM (SELECT * FROM rescan_results WHERE rescan_id = s.id ORDER BY problems = '{}', repository LIMIT %(limit)s) shown) AS results
FROM rescans s JOIN registries r ON r.id = s.registry_id
WHERE s.registry_id = %(registry)s
ORDER BY s.requested_at DESC, s.id DESC LIMIT 1;

-- name: cancel_rescan
UPDATE rescans SET status = 'CANCELLED', ended_at = now(), reason = 'cancelled'
WHERE registry_id = %(registry)s AND status IN ('WAITING', 'RUNNING');

-- name: claim_rescan
WITH next AS (
    SELECT id FROM rescans
    WHERE status = 'WAITING' OR status = 'RUNNING' AND claimed_until < now()
    ORDER BY requested_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE rescans s
SET status = 'RUNNING', claimed_by = %(manager)s, claimed_until = now() + make_interval(secs => %(seconds)s)
FROM next n, registries r
WHERE s.id = n.id AND r.id = s.registry_id
RETURNING s.id::text AS rescan, r.id::text, r.name, r.url, r.username, r.secret, r.repositories;

-- name: hold_rescan
UPDATE rescans SET claimed_until = now() + make_interval(secs => %(seconds)s)
WHERE id = %(rescan)s AND status = 'RUNNING' AND claimed_by = %(manager)s;

-- name: begin_rescan
UPDATE rescans SET repositories_total = %(repositories)s
WHERE id = %(rescan)s AND status = 'RUNNING' AND claimed_by = %(manager)s;

-- name: end_rescan
UPDATE rescans
SET status = CASE WHEN %(reason)s::text IS NULL THEN 'DONE' ELSE 'FAILED' END, reason = %(reason)s, ended_at = now(), claimed_until = NULL
WHERE id = %(rescan)s AND status = 'RUNNING' AND claimed_by = %(manager)s;

-- name: release_rescans
UPDATE rescans SET claimed_until = now() - interval '1 second' WHERE status = 'RUNNING' AND claimed_by = %(manager)s;

-- name: forget_rescans
-- All but the newest few of a registry.
DELETE FROM rescans
WHERE registry_id = %(registry)s AND status NOT IN ('WAITING', 'RUNNING') AND id NOT IN (
    SELECT id FROM rescans WHERE registry_id = %(registry)s ORDER BY requested_at DESC, id DESC LIMIT %(kept)s
);
