-- A log is its newest part.

ALTER TABLE session_logs DROP COLUMN written;
COMMENT ON TABLE session_logs IS 'What the command of a session wrote, its newest part, kept before the kernel goes.';
