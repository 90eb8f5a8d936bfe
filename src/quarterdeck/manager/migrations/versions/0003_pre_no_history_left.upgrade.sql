-- History is found by the ids of sessions and kernels, without a foreign key: what would leave it behind is refused.

CREATE FUNCTION refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% cannot be truncated: their history would stay. DELETE takes it along', TG_TABLE_NAME USING ERRCODE = 'QD003';
END $$;
CREATE TRIGGER sessions_refuse_truncate BEFORE TRUNCATE ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate();

CREATE FUNCTION refuse_new_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: row % keeps its ids, by which its history is found', TG_TABLE_NAME, OLD.id USING ERRCODE = 'QD003';
END $$;
CREATE TRIGGER sessions_refuse_new_id BEFORE UPDATE OF id ON sessions
    FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION refuse_new_id();
CREATE TRIGGER kernels_refuse_new_id BEFORE UPDATE OF id, session_id ON kernels
    FOR EACH ROW WHEN ((OLD.id, OLD.session_id) IS DISTINCT FROM (NEW.id, NEW.session_id)) EXECUTE FUNCTION refuse_new_id();
