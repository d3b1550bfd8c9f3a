-- An id is taken once its delivery was accepted. `body_hash` tells a repetition from another delivery.
CREATE TABLE IF NOT EXISTS accepted_deliveries (
    org_id      TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    routing_key TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    body_hash   TEXT NOT NULL,
    accepted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (org_id, routing_key, delivery_id)
);
CREATE INDEX IF NOT EXISTS accepted_deliveries_by_time ON accepted_deliveries (accepted_at);

-- `name` is empty for orchestrators without a cluster name. `dashboard_writes` is a JSON object of
-- booleans, the last one that the cluster has reported; an operation that is left out is allowed.
CREATE TABLE IF NOT EXISTS clusters (
    org_id           TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name             TEXT NOT NULL,
    dashboard_writes TEXT NOT NULL,
    reported_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (org_id, name)
);
