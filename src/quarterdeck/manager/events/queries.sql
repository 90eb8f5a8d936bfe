-- The history as those who follow it read it; used by store.py.

-- name: of_session
-- A row without seq: the session is there, no such change is. All in one snapshot: a status that is an end has its row.
SELECT s.owner_id::text AS owner, s.status AS session_status, s.id::text AS session,
       h.seq, h.kernel_id::text AS kernel, h.from_status, h.to_status, h.cause, h.actor, h.at
FROM sessions s
LEFT JOIN session_history h ON h.session_id = s.id AND h.seq > %(after)s
WHERE s.id = %(session)s
ORDER BY h.seq LIMIT %(limit)s;

-- name: terminal_row
SELECT h.session_id::text AS session, h.seq, h.kernel_id::text AS kernel, h.from_status, h.to_status, h.cause, h.actor, h.at
FROM session_history h
WHERE h.session_id = %(session)s AND h.kernel_id IS NULL
ORDER BY h.seq DESC LIMIT 1;

-- name: of_owner
SELECT h.session_id::text AS session, h.seq, h.kernel_id::text AS kernel, h.from_status, h.to_status, h.cause, h.actor, h.at
FROM session_history h
WHERE h.seq > %(after)s AND h.seq <= %(until)s AND (SELECT s.owner_id FROM sessions s WHERE s.id = h.session_id) = %(owner)s
ORDER BY h.seq LIMIT %(limit)s;

-- name: mark
SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS seq FROM session_history_seq_seq;

-- name: writers
-- Who adds a row takes this lock before its number is given, and holds it until the row is seen.
SELECT l.virtualtransaction AS transaction
FROM pg_locks l
WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
    AND l.relation = 'session_history'::regclass
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());

-- name: owners
SELECT DISTINCT (SELECT s.owner_id FROM sessions s WHERE s.id = h.session_id)::text AS owner
FROM session_history h
WHERE h.seq > %(after)s AND h.seq <= %(until)s;
