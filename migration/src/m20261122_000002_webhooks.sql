CREATE TABLE IF NOT EXISTS sources (
    id            TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    routing_key   TEXT NOT NULL,
    name          TEXT NOT NULL,
    provider      TEXT NOT NULL,
    subtype       TEXT NOT NULL,
    slug          TEXT,
    registered_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS sources_by_routing_key ON sources (org_id, routing_key);
CREATE INDEX IF NOT EXISTS sources_by_name ON sources (org_id, name);

-- `attempts` is a JSON array: every connection that the delivery was offered to.
CREATE TABLE IF NOT EXISTS event_log (
    id          TEXT PRIMARY KEY,
    org_id      TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    routing_key TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    event       TEXT NOT NULL,
    action      TEXT,
    repo        TEXT,
    git_ref     TEXT,
    status      TEXT NOT NULL,
    reason      TEXT,
    attempts    TEXT NOT NULL,
    body_bytes  BIGINT NOT NULL,
    body_hash   TEXT NOT NULL,
    client_ip   TEXT,
    received_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS event_log_by_time ON event_log (org_id, received_at, id);
CREATE INDEX IF NOT EXISTS event_log_by_delivery ON event_log (org_id, routing_key, delivery_id);
