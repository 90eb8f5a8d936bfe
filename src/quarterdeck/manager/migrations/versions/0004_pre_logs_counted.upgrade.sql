-- A log is followed by how much was written in all. Managers of before, which may still run, do not say it: 0.

ALTER TABLE session_logs ADD COLUMN written bigint NOT NULL DEFAULT 0;
COMMENT ON TABLE session_logs IS 'What the command of a session wrote, its newest part, and how many characters in all (0: not told), kept before the kernel goes.';
