-- What a manager asks when it starts; used by startup.py.

-- name: migrated
SELECT to_regclass('alembic_version') IS NOT NULL AS migrated;

-- name: revision
SELECT version_num AS revision FROM alembic_version;
