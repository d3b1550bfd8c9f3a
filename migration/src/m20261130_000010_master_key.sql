-- The master keys that have sealed something that is still here, without the keys themselves: a
-- server starts only with all of them. `position` makes servers that start together agree on one.
-- In `server_keys` a row without `master_key_id` is from before, and not sealed.
CREATE TABLE IF NOT EXISTS master_keys (
    position    INTEGER PRIMARY KEY,
    key_id      TEXT NOT NULL UNIQUE,
    check_value TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL
);
