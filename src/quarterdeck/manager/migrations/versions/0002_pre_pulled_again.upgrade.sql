-- A kernel that is being created may wait for its image again: its agent can have let go of it after the pull.

CREATE OR REPLACE FUNCTION kernel_steps(status text) RETURNS text[] IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE status
        WHEN 'SCHEDULED' THEN '{PULLING,CREATING,TERMINATING}'::text[]
        WHEN 'PULLING' THEN '{CREATING,TERMINATING}'
        WHEN 'CREATING' THEN '{RUNNING,PULLING,TERMINATING}'
        WHEN 'RUNNING' THEN '{RESTARTING,TERMINATING}'
        WHEN 'RESTARTING' THEN '{RUNNING,TERMINATING}'
        WHEN 'TERMINATING' THEN '{TERMINATED}'
        ELSE '{}'
    END
$$;
