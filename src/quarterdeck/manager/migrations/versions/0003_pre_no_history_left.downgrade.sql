-- Ids change and tables are emptied without a word to the history.

DROP TRIGGER sessions_refuse_truncate ON sessions;
DROP TRIGGER sessions_refuse_new_id ON sessions;
DROP TRIGGER kernels_refuse_new_id ON kernels;
DROP FUNCTION refuse_truncate(), refuse_new_id();
