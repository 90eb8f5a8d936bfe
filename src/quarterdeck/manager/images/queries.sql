-- Images; used by store.py.

-- name: list_images
SELECT name, created_at FROM images ORDER BY name;
