-- One row that is written to see whether the database takes writes.
CREATE TABLE IF NOT EXISTS readiness (
    id         INTEGER PRIMARY KEY,
    written_at TIMESTAMPTZ NOT NULL
);
INSERT INTO readiness (id, written_at) VALUES (1, '2026-11-30 00:00:00+00:00')
    ON CONFLICT (id) DO NOTHING;
