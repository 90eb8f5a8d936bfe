-- The first schema: identity, images, agents, folders, sessions with their kernels and slots, and the history of every change.

CREATE TABLE users (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('admin', 'user')),
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
COMMENT ON COLUMN users.deleted_at IS 'A deleted user stays as the owner of past sessions; its name is free again.';
CREATE UNIQUE INDEX users_live_name ON users (name) WHERE deleted_at IS NULL;

CREATE TABLE keypairs (
    access_key text PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE keypairs IS 'The secret of a key pair is derived from the master key of the manager and stored nowhere.';
CREATE INDEX keypairs_user ON keypairs (user_id);

CREATE FUNCTION announce_keypair() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('keypairs', OLD.access_key);
    RETURN NULL;
END $$;
CREATE TRIGGER keypairs_announce AFTER UPDATE OR DELETE ON keypairs
    FOR EACH ROW EXECUTE FUNCTION announce_keypair();

CREATE TABLE registries (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    url text NOT NULL,
    username text NOT NULL,
    secret text,
    repositories text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN registries.secret IS 'Name of a file in the directory of secrets of each manager; the secret itself is stored nowhere else.';
COMMENT ON COLUMN registries.repositories IS 'What to look at; empty: all that its catalogue lists.';

CREATE TABLE images (
    name text PRIMARY KEY,
    registry_id uuid REFERENCES registries ON DELETE SET NULL,
    repository text,
    tag text,
    digest text CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
    architectures text[] NOT NULL DEFAULT '{}',
    cpu_min integer NOT NULL DEFAULT 1,
    memory_mib_min integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz,
    missing_since timestamptz,
    CHECK ((digest IS NULL) = (tag IS NULL) AND (digest IS NULL) = (repository IS NULL)),
    CHECK (digest IS NULL OR architectures <> '{}')
);
COMMENT ON TABLE images IS 'What a session may name. Without a digest every agent has it of its own.';
COMMENT ON COLUMN images.digest IS 'What the tag named when the registry was last looked at: a manifest, or an index of one for each architecture.';
COMMENT ON COLUMN images.missing_since IS 'Since when the registry does not have the tag any more; it is not offered. Sessions of the past keep the row.';
CREATE INDEX images_repository ON images (registry_id, repository);
INSERT INTO images (name) VALUES ('python:3.11');

CREATE TABLE image_variants (
    image text NOT NULL REFERENCES images ON DELETE CASCADE,
    architecture text NOT NULL,
    digest text NOT NULL CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
    size_bytes bigint NOT NULL,
    runtime text NOT NULL,
    cpu_min integer NOT NULL,
    memory_mib_min integer NOT NULL,
    labels jsonb NOT NULL,
    PRIMARY KEY (image, architecture)
);

CREATE TABLE rescans (
    id uuid PRIMARY KEY,
    registry_id uuid NOT NULL REFERENCES registries ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'WAITING' CHECK (status IN ('WAITING', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED')),
    requested_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    claimed_by text,
    claimed_until timestamptz,
    repositories_done integer NOT NULL DEFAULT 0,
    repositories_total integer,
    reason text,
    CHECK ((ended_at IS NULL) = (status IN ('WAITING', 'RUNNING')))
);
COMMENT ON COLUMN rescans.claimed_by IS 'The manager that looks, until claimed_until at the latest: then another may begin anew.';
CREATE UNIQUE INDEX rescans_live ON rescans (registry_id) WHERE status IN ('WAITING', 'RUNNING');
CREATE INDEX rescans_registry ON rescans (registry_id, requested_at DESC);

CREATE TABLE rescan_results (
    rescan_id uuid NOT NULL REFERENCES rescans ON DELETE CASCADE,
    repository text NOT NULL,
    images integer NOT NULL,
    missing integer NOT NULL,
    problems text[] NOT NULL,
    PRIMARY KEY (rescan_id, repository)
);

CREATE TABLE agents (
    id text PRIMARY KEY,
    instance text NOT NULL,
    address text NOT NULL,
    cpu integer NOT NULL CHECK (cpu >= 0),
    memory_mib integer NOT NULL CHECK (memory_mib >= 0),
    architecture text NOT NULL DEFAULT '',
    isolation text NOT NULL DEFAULT 'process' CHECK (isolation IN ('process', 'namespaced', 'oci')),
    mounts boolean NOT NULL DEFAULT true,
    status text NOT NULL CHECK (status IN ('ALIVE', 'LOST')),
    schedulable boolean NOT NULL DEFAULT true,
    drain_deadline timestamptz CHECK (drain_deadline IS NULL OR NOT schedulable),
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN agents.architecture IS 'Of the images that it can run; empty: it runs none.';
COMMENT ON COLUMN agents.isolation IS 'How well it keeps kernels on its own programs apart; those in an image''s are always in containers.';
COMMENT ON COLUMN agents.mounts IS 'Whether kernels on its own programs can have mounts.';
COMMENT ON COLUMN agents.schedulable IS 'False: it is drained; nothing new is placed on it. An administrator''s word, which no registration changes.';
COMMENT ON COLUMN agents.drain_deadline IS 'When the sessions that are still on a drained agent are ended; null: never.';
COMMENT ON COLUMN agents.instance IS 'Mark of one life of the agent; another one at the same id has started since.';

CREATE TABLE storage_hosts (
    name text PRIMARY KEY,
    proxy text NOT NULL,
    manager_url text NOT NULL,
    client_url text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE storage_hosts IS 'Every storage host that a storage-proxy ever announced: a known host that is away differs from an unknown one.';

CREATE TABLE storage_host_permissions (
    host text NOT NULL,
    role text NOT NULL CHECK (role IN ('admin', 'user')),
    permissions text[] NOT NULL CHECK (permissions <@ '{create,modify,delete,mount,upload,download,invite}'),
    PRIMARY KEY (host, role)
);
COMMENT ON TABLE storage_host_permissions IS 'What a role may do with folders on a storage host; without a row: everything.';

CREATE TABLE folder_transitions (
    from_status text NOT NULL,
    to_status text NOT NULL,
    PRIMARY KEY (from_status, to_status)
);
INSERT INTO folder_transitions (from_status, to_status) VALUES
    ('CREATING', 'READY'),
    ('CREATING', 'GONE'),
    ('READY', 'CLONING'),
    ('READY', 'TRASHED'),
    ('READY', 'GONE'),
    ('CLONING', 'READY'),
    ('CLONING', 'GONE'),
    ('TRASHED', 'READY'),
    ('TRASHED', 'PURGING'),
    ('TRASHED', 'GONE'),
    ('PURGING', 'DELETE_ERROR'),
    ('PURGING', 'GONE'),
    ('DELETE_ERROR', 'PURGING'),
    ('DELETE_ERROR', 'GONE');

CREATE TABLE folders (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users,
    name text NOT NULL,
    host text NOT NULL,
    status text NOT NULL,
    status_cause text NOT NULL,
    status_actor text NOT NULL,
    status_changed_at timestamptz NOT NULL DEFAULT now(),
    detail text,
    cloned_from uuid,
    claimed_by text,
    claimed_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN folders.status IS 'CREATING until the file tree is known to exist; a row that becomes GONE is deleted by that, its tree is left to tree_removals.';
COMMENT ON COLUMN folders.status_cause IS 'Of the last change of status, name or owner; whoever makes one sets cause and actor with it, the history copies them.';
COMMENT ON COLUMN folders.detail IS 'Of a folder in DELETE_ERROR: why its tree could not be removed yet.';
COMMENT ON COLUMN folders.cloned_from IS 'The folder as it was whose files this one got, or gets while it is CREATING; that one is CLONING meanwhile.';
COMMENT ON COLUMN folders.claimed_by IS 'The manager that has the files copied, until claimed_until at the latest, and which of its claims it is.';
CREATE UNIQUE INDEX folders_name ON folders (owner_id, name) WHERE status IN ('CREATING', 'READY', 'CLONING');
CREATE INDEX folders_owner ON folders (owner_id);
CREATE INDEX folders_creating ON folders (created_at) WHERE status = 'CREATING';

CREATE TABLE folder_history (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    folder_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    from_status text,
    to_status text NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE folder_history IS 'Each change of a folder''s status, name or owner. It outlives the folder.';
CREATE INDEX folder_history_folder ON folder_history (folder_id, seq);

CREATE FUNCTION guard_folder_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'CREATING' THEN
            RAISE EXCEPTION 'a folder begins CREATING, not %', NEW.status USING ERRCODE = 'QD001';
        END IF;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.status <> 'GONE' THEN
            RAISE EXCEPTION 'folder %: % is not GONE', OLD.id, OLD.status USING ERRCODE = 'QD001';
        END IF;
        RETURN OLD;
    ELSIF NOT EXISTS (
        SELECT FROM folder_transitions WHERE from_status = OLD.status AND to_status = NEW.status
    ) THEN
        RAISE EXCEPTION 'folder %: % -> % is no legal transition', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'QD001';
    END IF;
    NEW.status_changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER folders_guard_life BEFORE INSERT OR DELETE ON folders
    FOR EACH ROW EXECUTE FUNCTION guard_folder_status();
CREATE TRIGGER folders_guard_update BEFORE UPDATE OF status ON folders
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION guard_folder_status();

CREATE FUNCTION record_folder() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO folder_history (folder_id, owner_id, from_status, to_status, cause, actor)
    VALUES (NEW.id, NEW.owner_id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status, NEW.status_cause, NEW.status_actor);
    IF NEW.status = 'GONE' THEN
        DELETE FROM folders WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER folders_record_insert AFTER INSERT ON folders
    FOR EACH ROW EXECUTE FUNCTION record_folder();
CREATE TRIGGER folders_record_update AFTER UPDATE OF status, name, owner_id ON folders
    FOR EACH ROW WHEN ((OLD.status, OLD.name, OLD.owner_id) IS DISTINCT FROM (NEW.status, NEW.name, NEW.owner_id))
    EXECUTE FUNCTION record_folder();

CREATE TABLE folder_invitations (
    id uuid PRIMARY KEY,
    folder_id uuid NOT NULL REFERENCES folders ON DELETE CASCADE,
    inviter_id uuid NOT NULL REFERENCES users,
    invitee_id uuid NOT NULL REFERENCES users,
    permission text NOT NULL CHECK (permission IN ('read', 'write', 'delete')),
    status text NOT NULL DEFAULT 'PENDING'
        CHECK (status IN ('PENDING', 'ACCEPTED', 'REJECTED', 'CANCELLED', 'REVOKED', 'LEFT')),
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by uuid NOT NULL REFERENCES users,
    last_folder_name text,
    last_owner_name text
);
COMMENT ON TABLE folder_invitations IS 'An invitation that is ACCEPTED is a share of the folder. Who owns the folder has the say in it, whoever invited.';
COMMENT ON COLUMN folder_invitations.last_folder_name IS 'As it was when the invitation ended, like last_owner_name: who was invited learns no more of the folder.';
CREATE UNIQUE INDEX folder_invitations_live ON folder_invitations (folder_id, invitee_id) WHERE status IN ('PENDING', 'ACCEPTED');
CREATE INDEX folder_invitations_invitee ON folder_invitations (invitee_id) WHERE status IN ('PENDING', 'ACCEPTED');

CREATE FUNCTION keep_last_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT f.name, o.name INTO NEW.last_folder_name, NEW.last_owner_name
    FROM folders f JOIN users o ON o.id = f.owner_id WHERE f.id = NEW.folder_id;
    RETURN NEW;
END $$;
CREATE TRIGGER folder_invitations_end BEFORE UPDATE OF status ON folder_invitations
    FOR EACH ROW WHEN (NEW.status NOT IN ('PENDING', 'ACCEPTED')) EXECUTE FUNCTION keep_last_names();

CREATE FUNCTION folder_permission(folder uuid, owner uuid, who uuid) RETURNS text STABLE LANGUAGE sql AS $$
    SELECT CASE WHEN u.id = owner OR u.role = 'admin' THEN 'own' ELSE i.permission END
    FROM users u LEFT JOIN folder_invitations i ON i.folder_id = folder AND i.invitee_id = u.id AND i.status = 'ACCEPTED'
    WHERE u.id = who AND u.deleted_at IS NULL
$$;
COMMENT ON FUNCTION folder_permission IS
    'What a user may do with a folder: read, write, delete (into the trash), own; null: it does not exist for them. The owner is given so that a row that was just locked is judged by its newest version.';

CREATE TABLE tree_removals (
    tree uuid PRIMARY KEY,
    host text NOT NULL,
    not_before timestamptz NOT NULL DEFAULT now(),
    may_come_until timestamptz,
    requested_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tree_removals IS 'File trees without a folder that a storage-proxy still has to remove.';
COMMENT ON COLUMN tree_removals.not_before IS 'A creation that may still be under way is over by then.';
COMMENT ON COLUMN tree_removals.may_come_until IS 'Until then a copy that nobody waits for any more may bring the tree: its removal is repeated.';

CREATE TABLE tree_rescopes (
    tree uuid PRIMARY KEY,
    host text NOT NULL,
    turn bigint NOT NULL,
    not_before timestamptz NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tree_rescopes IS 'File trees that a storage-proxy may count for somebody else than the owner of their folder. A transfer writes the row before it has the tree moved and deletes it with the change of owner; one that is left is put right.';
COMMENT ON COLUMN tree_rescopes.turn IS 'Who deals with the tree now; storage-proxies pass over requests of earlier turns. Microseconds since 1970, and always more than before.';
COMMENT ON COLUMN tree_rescopes.not_before IS 'Until then it is in hand.';

CREATE FUNCTION session_steps(status text) RETURNS text[] IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE status
        WHEN 'PENDING' THEN '{SCHEDULED,CANCELLED}'::text[]
        WHEN 'SCHEDULED' THEN '{PULLING,CREATING,PENDING,TERMINATING}'
        WHEN 'PULLING' THEN '{CREATING,PENDING,TERMINATING}'
        WHEN 'CREATING' THEN '{RUNNING,TERMINATING}'
        WHEN 'RUNNING' THEN '{RESTARTING,TERMINATING}'
        WHEN 'RESTARTING' THEN '{RUNNING,TERMINATING}'
        WHEN 'TERMINATING' THEN '{TERMINATED}'
        ELSE '{}'
    END
$$;
COMMENT ON FUNCTION session_steps IS 'What a session may become next. An expression, not a table: it is asked for at each change.';

CREATE FUNCTION kernel_steps(status text) RETURNS text[] IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE status
        WHEN 'SCHEDULED' THEN '{PULLING,CREATING,TERMINATING}'::text[]
        WHEN 'PULLING' THEN '{CREATING,TERMINATING}'
        WHEN 'CREATING' THEN '{RUNNING,TERMINATING}'
        WHEN 'RUNNING' THEN '{RESTARTING,TERMINATING}'
        WHEN 'RESTARTING' THEN '{RUNNING,TERMINATING}'
        WHEN 'TERMINATING' THEN '{TERMINATED}'
        ELSE '{}'
    END
$$;
COMMENT ON FUNCTION kernel_steps IS 'What a kernel may become next.';

CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
COMMENT ON DOMAIN positive IS 'Like the others a domain, not a CHECK of the table: that is read and asked for each version of a row, this for each value that is given.';
CREATE DOMAIN isolation_level AS text CHECK (VALUE IN ('process', 'namespaced', 'oci'));
CREATE DOMAIN session_type AS text CHECK (VALUE IN ('interactive', 'batch', 'inference'));
CREATE DOMAIN kernel_role AS text CHECK (VALUE IN ('main', 'sub'));
CREATE DOMAIN kernel_index AS integer CHECK (VALUE BETWEEN 1 AND 15);
CREATE DOMAIN cluster_size AS integer CHECK (VALUE BETWEEN 1 AND 16);

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users,
    name text,
    image text NOT NULL REFERENCES images,
    image_digest text,
    architectures text[] NOT NULL DEFAULT '{}',
    cpu positive NOT NULL,
    memory_mib positive NOT NULL,
    cluster_size cluster_size NOT NULL DEFAULT 1,
    limits jsonb NOT NULL DEFAULT '{}',
    ports integer[] NOT NULL DEFAULT '{}',
    isolation isolation_level NOT NULL DEFAULT 'process',
    environment jsonb NOT NULL DEFAULT '{}',
    type session_type NOT NULL DEFAULT 'interactive',
    command text[] NOT NULL DEFAULT '{}',
    depends_on uuid[] NOT NULL DEFAULT '{}',
    batch_seconds positive,
    lifetime_seconds positive,
    idle_seconds positive,
    started_at timestamptz,
    expires_at timestamptz,
    status text NOT NULL,
    status_cause text NOT NULL,
    status_actor text NOT NULL,
    status_changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text,
    detail text,
    exit_code integer,
    result text,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN sessions.image_digest IS 'What the image''s tag named when the session was made: it stays so when the tag moves. Null: each agent has the image of its own.';
COMMENT ON COLUMN sessions.architectures IS 'Of machines that can run the image; empty: any can.';
COMMENT ON COLUMN sessions.cpu IS 'Slots are for each of the session''s kernels, of which there are cluster_size.';
COMMENT ON COLUMN sessions.ports IS 'TCP ports of each kernel at which the others of the session reach it by name.';
COMMENT ON COLUMN sessions.status_cause IS 'Why the status last changed; whoever changes it sets cause and actor with it, the history copies them.';
COMMENT ON COLUMN sessions.depends_on IS 'Sessions of the same owner that have to succeed before this one may be placed.';
COMMENT ON COLUMN sessions.expires_at IS 'The earlier end of batch_seconds and lifetime_seconds since started_at, by the clock of this database alone.';
COMMENT ON COLUMN sessions.reason IS 'Why the session ended or is ending.';
COMMENT ON COLUMN sessions.detail IS 'The same in words, with what is known of the end of its kernel.';
COMMENT ON COLUMN sessions.result IS 'Of one that is TERMINATED: a batch session succeeds with exit code 0, any other when its user ended it.';
CREATE UNIQUE INDEX sessions_live_name ON sessions (owner_id, name)
    WHERE status NOT IN ('TERMINATED', 'CANCELLED');
CREATE INDEX sessions_live ON sessions (status, created_at, id)
    WHERE status NOT IN ('TERMINATED', 'CANCELLED');
CREATE INDEX sessions_dependent ON sessions (id) WHERE status = 'PENDING' AND depends_on <> '{}';
CREATE INDEX sessions_expiring ON sessions (expires_at) WHERE status = 'RUNNING';
CREATE INDEX sessions_image ON sessions (image);
CREATE INDEX sessions_owner ON sessions (owner_id, created_at DESC, id DESC);

CREATE FUNCTION dependencies_met(depends_on uuid[]) RETURNS boolean STABLE LANGUAGE sql AS $$
    SELECT depends_on = '{}' OR NOT EXISTS (
        SELECT FROM unnest(depends_on) AS wanted (id) LEFT JOIN sessions s ON s.id = wanted.id
        WHERE s.result IS DISTINCT FROM 'SUCCESS'
    )
$$;
COMMENT ON FUNCTION dependencies_met IS 'Whether all of these sessions have succeeded: once true, true for ever.';

CREATE TABLE session_logs (
    session_id uuid PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    text text NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE session_logs IS 'What the command of a session wrote, its newest part, kept before the kernel goes.';

CREATE TABLE session_mounts (
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    folder_id uuid NOT NULL,
    path text NOT NULL,
    source text NOT NULL,
    subpath text,
    read_only boolean NOT NULL DEFAULT false,
    PRIMARY KEY (session_id, path)
);
COMMENT ON COLUMN session_mounts.folder_id IS 'The folder as it was; past sessions outlive it, live ones prevent its deletion.';
COMMENT ON COLUMN session_mounts.source IS 'Where the folder''s tree lies on the agents.';
COMMENT ON COLUMN session_mounts.subpath IS 'The directory of the tree that is mounted, found by the agent when the kernel begins; null: the whole tree.';
CREATE INDEX session_mounts_folder ON session_mounts (folder_id);

CREATE TABLE kernels (
    id uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    role kernel_role NOT NULL DEFAULT 'main',
    index kernel_index NOT NULL DEFAULT 1,
    hostname text NOT NULL,
    agent_id text NOT NULL REFERENCES agents,
    isolation isolation_level,
    generation integer NOT NULL DEFAULT 0,
    status text NOT NULL,
    status_cause text NOT NULL,
    status_actor text NOT NULL,
    status_changed_at timestamptz NOT NULL DEFAULT now(),
    pull jsonb,
    claimed_by text,
    claimed_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN kernels.pull IS 'How far the pull of its image has come, as its agent last said: bytes_done, bytes_total, layer, layers.';
COMMENT ON COLUMN kernels.role IS 'A session has one main kernel, main1, and, if it is a cluster, sub1, sub2, ...';
COMMENT ON COLUMN kernels.hostname IS 'Role and index in one word.';
COMMENT ON COLUMN kernels.isolation IS 'How well its agent keeps it apart, known once it runs; the session says what is the least.';
COMMENT ON COLUMN kernels.generation IS 'How often it was to be restarted; its agent keeps the same number, and restarts it for a greater one.';
COMMENT ON COLUMN kernels.claimed_by IS 'The manager that talks to the agent about this kernel, until claimed_until at the latest.';
CREATE INDEX kernels_session ON kernels (session_id, created_at DESC);
CREATE UNIQUE INDEX kernels_live_place ON kernels (session_id, role, index) WHERE status <> 'TERMINATED';
CREATE INDEX kernels_live ON kernels (agent_id) WHERE status <> 'TERMINATED';

CREATE TABLE kernel_removals (
    kernel_id uuid PRIMARY KEY REFERENCES kernels ON DELETE CASCADE,
    agent_id text NOT NULL REFERENCES agents,
    not_before timestamptz NOT NULL DEFAULT now(),
    requested_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE kernel_removals IS 'Kernels that were ended by force and that their agents still have to destroy.';

CREATE TABLE allocations (
    kernel_id uuid PRIMARY KEY REFERENCES kernels ON DELETE CASCADE,
    agent_id text NOT NULL REFERENCES agents,
    cpu positive NOT NULL,
    memory_mib positive NOT NULL,
    allocated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    freed_at timestamptz
);
COMMENT ON TABLE allocations IS 'Slots in use are the sum of the rows not freed; there is no counter.';
CREATE INDEX allocations_in_use ON allocations (agent_id) INCLUDE (cpu, memory_mib) WHERE freed_at IS NULL;

CREATE TABLE session_history (
    seq bigserial PRIMARY KEY,
    session_id uuid NOT NULL,
    kernel_id uuid,
    from_status text,
    to_status text NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE session_history IS 'Written by the triggers of sessions and their kernels, which are there: no foreign key asks again. It goes with its session.';
COMMENT ON COLUMN session_history.kernel_id IS 'The kernel that changed, or null: the session did.';
CREATE INDEX session_history_session ON session_history (session_id, seq);

CREATE FUNCTION guard_command() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.type = 'interactive' AND NEW.command <> '{}' OR NEW.type = 'batch' AND NEW.command = '{}' THEN
        RAISE EXCEPTION 'a batch session has a command, an interactive one has none' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sessions_guard_command BEFORE INSERT OR UPDATE OF type, command ON sessions
    FOR EACH ROW EXECUTE FUNCTION guard_command();

CREATE FUNCTION session_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'CREATING' THEN
        INSERT INTO session_history (session_id, from_status, to_status, cause, actor)
        VALUES (NEW.id, NULL, 'PENDING', 'requested', NEW.owner_id::text),
               (NEW.id, 'PENDING', 'SCHEDULED', 'placed', 'scheduler'),
               (NEW.id, 'SCHEDULED', 'CREATING', NEW.status_cause, NEW.status_actor);
    ELSIF NEW.status = 'PENDING' THEN
        -- Nobody can wait for a session that was not there: no notification.
        INSERT INTO session_history (session_id, to_status, cause, actor)
        VALUES (NEW.id, NEW.status, NEW.status_cause, NEW.status_actor);
    ELSE
        RAISE EXCEPTION 'a session begins PENDING, or CREATING if it was placed at once, not %', NEW.status USING ERRCODE = 'QD001';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sessions_begin AFTER INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION session_begins();

CREATE FUNCTION session_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = OLD.status THEN
        RETURN NEW;
    END IF;
    IF NEW.status <> ALL (session_steps(OLD.status)) THEN
        RAISE EXCEPTION 'session %: % -> % is no legal transition', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'QD001';
    END IF;
    NEW.status_changed_at := clock_timestamp();
    IF NEW.status = 'RUNNING' AND NEW.started_at IS NULL THEN
        NEW.started_at := NEW.status_changed_at;
        NEW.expires_at := NEW.started_at + make_interval(secs => least(NEW.batch_seconds, NEW.lifetime_seconds));
    END IF;
    IF NEW.status = 'TERMINATED' THEN
        NEW.result := CASE WHEN NEW.reason = CASE NEW.type WHEN 'batch' THEN 'task-finished' ELSE 'user-requested' END
            THEN 'SUCCESS' ELSE 'FAILURE' END;
    END IF;
    INSERT INTO session_history (session_id, from_status, to_status, cause, actor)
    VALUES (NEW.id, OLD.status, NEW.status, NEW.status_cause, NEW.status_actor);
    PERFORM pg_notify('session_history', NEW.id::text);
    RETURN NEW;
END $$;
CREATE TRIGGER sessions_change BEFORE UPDATE OF status ON sessions FOR EACH ROW EXECUTE FUNCTION session_changes();

CREATE FUNCTION forget_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM session_history WHERE session_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER sessions_forget AFTER DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION forget_history();

CREATE FUNCTION name_kernel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One writer a session at a time: history rows of a session become visible in the order of their seq.
    PERFORM FROM sessions WHERE id = NEW.session_id FOR NO KEY UPDATE;
    NEW.hostname := NEW.role || NEW.index;
    RETURN NEW;
END $$;
CREATE TRIGGER kernels_name BEFORE INSERT OR UPDATE OF role, index, hostname ON kernels
    FOR EACH ROW EXECUTE FUNCTION name_kernel();

CREATE FUNCTION kernel_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'CREATING' THEN
        INSERT INTO session_history (session_id, kernel_id, from_status, to_status, cause, actor)
        VALUES (NEW.session_id, NEW.id, NULL, 'SCHEDULED', 'placed', 'scheduler'),
               (NEW.session_id, NEW.id, 'SCHEDULED', 'CREATING', NEW.status_cause, NEW.status_actor);
    ELSIF NEW.status = 'SCHEDULED' THEN
        INSERT INTO session_history (session_id, kernel_id, to_status, cause, actor)
        VALUES (NEW.session_id, NEW.id, NEW.status, NEW.status_cause, NEW.status_actor);
    ELSE
        RAISE EXCEPTION 'a kernel begins SCHEDULED, or CREATING if it was placed at once, not %', NEW.status USING ERRCODE = 'QD001';
    END IF;
    PERFORM pg_notify('session_history', NEW.session_id::text);
    RETURN NULL;
END $$;
-- AFTER: of a kernel that was there already (ON CONFLICT) nothing begins.
CREATE TRIGGER kernels_begin AFTER INSERT ON kernels FOR EACH ROW EXECUTE FUNCTION kernel_begins();

CREATE FUNCTION kernel_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = OLD.status THEN
        RETURN NEW;
    END IF;
    IF NEW.status <> ALL (kernel_steps(OLD.status)) THEN
        RAISE EXCEPTION 'kernel %: % -> % is no legal transition', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'QD001';
    END IF;
    PERFORM FROM sessions WHERE id = NEW.session_id FOR NO KEY UPDATE;
    NEW.status_changed_at := clock_timestamp();
    INSERT INTO session_history (session_id, kernel_id, from_status, to_status, cause, actor)
    VALUES (NEW.session_id, NEW.id, OLD.status, NEW.status, NEW.status_cause, NEW.status_actor);
    IF NEW.status = 'TERMINATED' THEN
        UPDATE allocations SET freed_at = clock_timestamp() WHERE kernel_id = NEW.id AND freed_at IS NULL;
    END IF;
    PERFORM pg_notify('session_history', NEW.session_id::text);
    RETURN NEW;
END $$;
CREATE TRIGGER kernels_change BEFORE UPDATE OF status ON kernels FOR EACH ROW EXECUTE FUNCTION kernel_changes();

CREATE FUNCTION can_run(architecture text, wanted text[]) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
    SELECT wanted = '{}' OR architecture = ANY(wanted)
$$;
COMMENT ON FUNCTION can_run IS 'Whether a machine of an architecture runs an image that is there for these; one that is there for none is every agent''s own.';

CREATE FUNCTION isolates(offered text, wanted text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
    SELECT array_position('{process,namespaced,oci}'::text[], offered) >= array_position('{process,namespaced,oci}'::text[], wanted)
$$;
COMMENT ON FUNCTION isolates IS 'Whether one level of isolation is at least as much as another.';

CREATE FUNCTION can_host(architecture text, isolation text, mounts boolean, session sessions, has_mounts boolean) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
    SELECT can_run(architecture, session.architectures)
           AND (session.image_digest IS NOT NULL OR isolates(isolation, session.isolation) AND (mounts OR NOT has_mounts))
$$;
COMMENT ON FUNCTION can_host IS 'Whether kernels of a session can be on an agent like this, room aside. In an image they are in containers, which can have mounts.';

CREATE FUNCTION place_sessions(
    kernels uuid[], sessions uuid[], ranks integer[], agents text[], cpu integer[], memory_mib integer[]
) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    -- One scheduler writes at a time in the whole cluster; the statement after the lock sees all that others wrote.
    PERFORM pg_advisory_xact_lock(x'51440002'::bigint);
    RETURN QUERY
    WITH decided AS (
        SELECT kernel_id, session_id, rank, agent_id, d.cpu, d.memory_mib,
               sum(d.cpu) OVER earlier AS cpu_so_far, sum(d.memory_mib) OVER earlier AS memory_so_far
        FROM unnest(kernels, sessions, ranks, agents, place_sessions.cpu, place_sessions.memory_mib) WITH ORDINALITY
            AS d (kernel_id, session_id, rank, agent_id, cpu, memory_mib, position)
        WINDOW earlier AS (PARTITION BY agent_id ORDER BY position)
    ), room AS (
        SELECT a.id, a.architecture, a.isolation, a.mounts, a.cpu - coalesce(sum(l.cpu), 0) AS cpu, a.memory_mib - coalesce(sum(l.memory_mib), 0) AS memory_mib
        FROM public.agents a
        LEFT JOIN public.allocations l ON l.agent_id = a.id AND l.freed_at IS NULL
        WHERE a.id = ANY(place_sessions.agents) AND a.status = 'ALIVE' AND a.schedulable
        GROUP BY a.id
    ), whole AS (
        SELECT d.session_id, count(*) AS kernels
        FROM decided d JOIN public.sessions s ON s.id = d.session_id LEFT JOIN room r ON r.id = d.agent_id
        GROUP BY d.session_id
        HAVING bool_and(r.id IS NOT NULL AND d.cpu_so_far <= r.cpu AND d.memory_so_far <= r.memory_mib
                        AND can_host(r.architecture, r.isolation, r.mounts, s, EXISTS (SELECT FROM session_mounts m WHERE m.session_id = s.id)))
    ), scheduled AS (
        UPDATE sessions s
        SET status = 'SCHEDULED', status_cause = 'placed', status_actor = 'scheduler'
        FROM whole w
        WHERE s.id = w.session_id AND s.status = 'PENDING' AND s.cluster_size = w.kernels
        RETURNING s.id
    ), begun AS (
        INSERT INTO kernels (id, session_id, role, index, agent_id, status, status_cause, status_actor)
        SELECT d.kernel_id, d.session_id, CASE d.rank WHEN 0 THEN 'main' ELSE 'sub' END, greatest(d.rank, 1), d.agent_id,
               'SCHEDULED', 'placed', 'scheduler'
        FROM decided d JOIN scheduled s ON s.id = d.session_id
        ORDER BY d.session_id, d.rank
    ), allocated AS (
        INSERT INTO allocations (kernel_id, agent_id, cpu, memory_mib)
        SELECT d.kernel_id, d.agent_id, d.cpu, d.memory_mib FROM decided d JOIN scheduled s ON s.id = d.session_id
    )
    SELECT id FROM scheduled;
END $$;
COMMENT ON FUNCTION place_sessions IS
    'Writes a decision about placement as far as it still holds: PENDING sessions, agents that are ALIVE and have the room. All kernels of a session or none.';

CREATE FUNCTION create_session(new sessions, kernel uuid, manager text, claim_seconds float)
RETURNS TABLE (created_at timestamptz, image_digest text, status text, agent text, address text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    -- What is simple begins at once, unless others wait (of many it is not asked for what): these go by the scheduler's order. Whoever has its
    -- lock flushes nothing: nobody waits for a disk in this line.
    IF kernel IS NOT NULL AND new.cluster_size = 1 AND new.depends_on = '{}' AND NOT (
        SELECT count(*) > 64 OR coalesce(bool_or(dependencies_met(w.depends_on)), false)
        FROM (SELECT o.depends_on FROM sessions o WHERE o.status = 'PENDING' LIMIT 65) w)
    THEN
        PERFORM pg_advisory_xact_lock(x'51440002'::bigint);
        SELECT a.id, a.address INTO agent, address
        FROM (
            SELECT open.* FROM images i JOIN agents open ON can_run(open.architecture, i.architectures)
            WHERE i.name = new.image AND i.digest IS NULL AND open.status = 'ALIVE' AND open.schedulable AND isolates(open.isolation, new.isolation)
            ORDER BY random() LIMIT 16
        ) a
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(l.cpu), 0) AS cpu, coalesce(sum(l.memory_mib), 0) AS memory_mib
            FROM allocations l WHERE l.agent_id = a.id AND l.freed_at IS NULL
        ) used ON true
        WHERE a.cpu - used.cpu >= new.cpu AND a.memory_mib - used.memory_mib >= new.memory_mib
        ORDER BY a.cpu - used.cpu DESC, a.memory_mib - used.memory_mib DESC, a.id LIMIT 1;
    END IF;
    status := CASE WHEN agent IS NULL THEN 'PENDING' ELSE 'CREATING' END;
    INSERT INTO sessions AS s (id, owner_id, name, image, image_digest, architectures, cpu, memory_mib, cluster_size, limits, ports, isolation, environment,
                               type, command, depends_on, batch_seconds, lifetime_seconds, idle_seconds, status, status_cause, status_actor)
    SELECT new.id, u.id, new.name, i.name, i.digest, i.architectures, new.cpu, new.memory_mib, new.cluster_size, new.limits, new.ports, new.isolation, new.environment,
           new.type, new.command, new.depends_on, new.batch_seconds, new.lifetime_seconds, new.idle_seconds, create_session.status,
           CASE WHEN agent IS NULL THEN 'requested' ELSE 'kernel-requested' END, CASE WHEN agent IS NULL THEN u.id::text ELSE 'lifecycle' END
    FROM users u
    JOIN images i ON i.name = new.image AND i.missing_since IS NULL AND i.cpu_min <= new.cpu AND i.memory_mib_min <= new.memory_mib
    WHERE u.id = new.owner_id AND u.deleted_at IS NULL AND (agent IS NULL OR i.digest IS NULL) AND NOT EXISTS (
        SELECT FROM unnest(new.depends_on) AS wanted (id)
        WHERE NOT EXISTS (SELECT FROM sessions d WHERE d.id = wanted.id AND d.owner_id = u.id)
    )
    FOR KEY SHARE OF u, i
    ON CONFLICT (owner_id, name) WHERE s.status NOT IN ('TERMINATED', 'CANCELLED') DO NOTHING
    RETURNING s.created_at, s.image_digest INTO created_at, image_digest;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF agent IS NOT NULL THEN
        INSERT INTO kernels (id, session_id, agent_id, status, status_cause, status_actor, claimed_by, claimed_until)
        VALUES (kernel, new.id, agent, 'CREATING', 'kernel-requested', 'lifecycle', manager, now() + make_interval(secs => claim_seconds));
        INSERT INTO allocations (kernel_id, agent_id, cpu, memory_mib) VALUES (kernel, agent, new.cpu, new.memory_mib);
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION create_session IS
    'Adds a session, PENDING; with the id of a kernel it has begun at once if there is room (of 16 agents, the one with the most) and nobody to be passed over: CREATING, and claimed, but not flushed. No row: the name is taken, the image is not offered or wants more, a dependency is missing, or the owner or the image was deleted (FOR KEY SHARE meets the FOR UPDATE of deletion).';

CREATE FUNCTION end_session(
    session uuid, reason text, actor text, exit_code integer DEFAULT NULL, detail text DEFAULT NULL, culprit uuid DEFAULT NULL, generation integer DEFAULT NULL,
    manager text DEFAULT NULL, claim_seconds float DEFAULT NULL
) RETURNS TABLE (kernel uuid, agent text, address text, claimed boolean) LANGUAGE plpgsql AS $$
DECLARE
    until timestamptz := now() + make_interval(secs => claim_seconds);
BEGIN
    IF end_session.generation IS NOT NULL THEN
        PERFORM FROM sessions s WHERE s.id = end_session.session FOR NO KEY UPDATE;
        IF NOT EXISTS (SELECT FROM kernels k WHERE k.id = culprit AND k.generation = end_session.generation) THEN
            RETURN;
        END IF;
    END IF;
    UPDATE sessions s
    SET status = CASE s.status WHEN 'PENDING' THEN 'CANCELLED' ELSE 'TERMINATING' END,
        status_cause = end_session.reason, status_actor = end_session.actor, reason = end_session.reason,
        exit_code = end_session.exit_code,
        detail = CASE WHEN s.cluster_size = 1 OR culprit IS NULL THEN end_session.detail
            ELSE (SELECT k.hostname FROM kernels k WHERE k.id = culprit) || ': ' || coalesce(end_session.detail, end_session.reason) END
    WHERE s.id = end_session.session AND s.status IN ('PENDING', 'SCHEDULED', 'PULLING', 'CREATING', 'RUNNING', 'RESTARTING');
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- A statement of its own: it sees the kernels of a placement that the first one had to wait for.
    RETURN QUERY
    UPDATE kernels k
    SET status = 'TERMINATING', status_actor = end_session.actor,
        status_cause = CASE WHEN culprit IS NULL OR k.id = culprit THEN end_session.reason ELSE 'sibling-ended' END,
        claimed_by = CASE WHEN k.claimed_by <> manager AND k.claimed_until >= now() THEN k.claimed_by ELSE coalesce(manager, k.claimed_by) END,
        claimed_until = CASE WHEN k.claimed_by <> manager AND k.claimed_until >= now() THEN k.claimed_until ELSE coalesce(until, k.claimed_until) END
    FROM agents a
    WHERE k.session_id = end_session.session AND a.id = k.agent_id AND k.status IN ('SCHEDULED', 'PULLING', 'CREATING', 'RUNNING', 'RESTARTING')
    RETURNING k.id, k.agent_id, a.address, k.claimed_by = manager;
END $$;
COMMENT ON FUNCTION end_session IS
    'Ends a session that lives: PENDING becomes CANCELLED, anything before TERMINATING becomes that. Returns its kernels, claimed by the manager, if one is given, unless another has them. The culprit is a kernel: the detail names it. Nothing happens if it is of another generation by now.';

CREATE FUNCTION peers_of(session uuid) RETURNS json STABLE LANGUAGE sql AS $$
    SELECT json_agg(json_build_array(k.hostname, k.id, a.address) ORDER BY k.role, k.index)
    FROM kernels k JOIN agents a ON a.id = k.agent_id
    WHERE k.session_id = session AND k.status <> 'TERMINATED'
$$;
COMMENT ON FUNCTION peers_of IS 'The kernels of a session that has been placed, in their order, and where they are: hostname, id, URL of the agent.';

CREATE FUNCTION force_end_session(session uuid, actor text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM sessions s WHERE s.id = session FOR NO KEY UPDATE;
    PERFORM end_session(session, 'force-terminated', actor, NULL, 'ended by force');
    INSERT INTO kernel_removals (kernel_id, agent_id)
    SELECT k.id, k.agent_id FROM kernels k WHERE k.session_id = session AND k.status <> 'TERMINATED';
    UPDATE kernels k
    SET status = 'TERMINATING', status_cause = 'force-terminated', status_actor = actor
    WHERE k.session_id = session AND k.status NOT IN ('TERMINATING', 'TERMINATED');
    UPDATE kernels k
    SET status = 'TERMINATED', status_cause = 'force-terminated', status_actor = actor, claimed_by = NULL, claimed_until = NULL
    WHERE k.session_id = session AND k.status = 'TERMINATING';
    UPDATE sessions s
    SET status = 'TERMINATED', status_cause = 'force-terminated', status_actor = actor
    WHERE s.id = session AND s.status = 'TERMINATING';
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION force_end_session IS
    'Ends a session now, whatever its agents say; they are told afterwards, by kernel_removals. False: it had ended, or was only waiting.';

CREATE FUNCTION restart_session(session uuid, actor text) RETURNS TABLE (kernel uuid, agent text) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sessions s
    SET status = 'RESTARTING', status_cause = 'restart-requested', status_actor = restart_session.actor
    WHERE s.id = restart_session.session AND s.status = 'RUNNING' AND s.type <> 'batch';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    UPDATE kernels k
    SET status = 'RESTARTING', status_cause = 'restart-requested', status_actor = restart_session.actor,
        generation = k.generation + 1, claimed_by = NULL, claimed_until = NULL
    WHERE k.session_id = restart_session.session AND k.status = 'RUNNING'
    RETURNING k.id, k.agent_id;
END $$;
COMMENT ON FUNCTION restart_session IS
    'Has all kernels of a RUNNING session made anew in their places, which they keep with their slots. Returns them; none: it was not RUNNING.';

CREATE FUNCTION kernel_runs(kernel uuid, isolation text, generation integer)
RETURNS TABLE (started_at timestamptz, expires_at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    session uuid;
BEGIN
    SELECT s.id INTO session FROM sessions s
    WHERE s.id = (SELECT session_id FROM kernels WHERE id = kernel) AND s.status IN ('CREATING', 'RESTARTING')
    FOR NO KEY UPDATE;
    UPDATE kernels k
    SET status = 'RUNNING', status_cause = 'kernel-running', status_actor = 'lifecycle', claimed_by = NULL, claimed_until = NULL,
        isolation = kernel_runs.isolation
    WHERE k.id = kernel AND k.session_id = session AND k.status IN ('CREATING', 'RESTARTING') AND k.generation = kernel_runs.generation;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE sessions s
    SET status = 'RUNNING', status_cause = 'kernel-running', status_actor = 'lifecycle'
    WHERE s.id = session
      AND s.cluster_size = (SELECT count(*) FROM kernels k WHERE k.session_id = session AND k.status = 'RUNNING')
    RETURNING s.started_at, s.expires_at INTO started_at, expires_at;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION kernel_runs IS
    'CREATING or RESTARTING -> RUNNING, and with the last kernel the session, whose times are returned. No row: it is to end meanwhile, or of another generation. The session''s lock comes first, as everywhere.';

CREATE FUNCTION kernel_ended(kernel uuid)
RETURNS TABLE (status text, status_changed_at timestamptz, reason text, detail text, exit_code integer, result text, started_at timestamptz, expires_at timestamptz, isolation text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    session uuid;
    cause text;
BEGIN
    SELECT s.id, coalesce(s.reason, s.status_cause) INTO session, cause FROM sessions s
    WHERE s.id = (SELECT session_id FROM kernels WHERE id = kernel) AND s.status = 'TERMINATING'
    FOR NO KEY UPDATE;
    UPDATE kernels k
    SET status = 'TERMINATED', status_actor = 'lifecycle', claimed_by = NULL, claimed_until = NULL
    WHERE k.id = kernel AND k.session_id = session AND k.status = 'TERMINATING'
    RETURNING k.isolation INTO isolation;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE sessions s
    SET status = 'TERMINATED', status_cause = cause, status_actor = 'lifecycle'
    WHERE s.id = session AND NOT EXISTS (SELECT FROM kernels k WHERE k.session_id = session AND k.status <> 'TERMINATED')
    RETURNING s.status, s.status_changed_at, s.reason, s.detail, s.exit_code, s.result, s.started_at, s.expires_at
    INTO status, status_changed_at, reason, detail, exit_code, result, started_at, expires_at;
    IF FOUND THEN
        RETURN NEXT;
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
END $$;
COMMENT ON FUNCTION kernel_ended IS 'TERMINATING -> TERMINATED, and with the last kernel the session, of which is returned what it has become, with the isolation of that kernel. Not flushed.';

CREATE FUNCTION guard_allocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the slots of kernel % are freed already', OLD.kernel_id USING ERRCODE = 'QD002';
END $$;
CREATE TRIGGER allocations_guard BEFORE UPDATE ON allocations
    FOR EACH ROW WHEN (OLD.freed_at IS NOT NULL) EXECUTE FUNCTION guard_allocation();
