CREATE INDEX IF NOT EXISTS memberships_by_time ON memberships (org_id, created_at, user_id);

-- Accounts at providers, as the identity provider has told them.
CREATE TABLE IF NOT EXISTS identity_links (
    id                TEXT PRIMARY KEY,
    user_id           TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider          TEXT NOT NULL,
    provider_username TEXT NOT NULL,
    provider_user_id  TEXT,
    link_method       TEXT NOT NULL,
    linked_at         TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS identity_links_by_provider ON identity_links (user_id, provider);

-- `name_key` is the name in lower case, `permissions` a JSON object. Its keys are credentials.
CREATE TABLE IF NOT EXISTS service_accounts (
    id          TEXT PRIMARY KEY,
    org_id      TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,
    description TEXT,
    permissions TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS service_accounts_by_name ON service_accounts (org_id, name_key);

-- `role_ids` is a JSON array; empty means the role Member, while it exists. An invitation is open
-- until one of the three: accepted, declined, revoked.
CREATE TABLE IF NOT EXISTS invites (
    id          TEXT PRIMARY KEY,
    org_id      TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    email       TEXT NOT NULL,
    role_ids    TEXT NOT NULL,
    invited_by  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    settled_as  TEXT,
    settled_at  TIMESTAMPTZ
);
CREATE UNIQUE INDEX IF NOT EXISTS invites_open ON invites (org_id, email) WHERE settled_as IS NULL;
CREATE INDEX IF NOT EXISTS invites_by_email ON invites (email);

-- The answer to a request with an `Idempotency-Key`, for a day. `status` is null while the first
-- request is under way.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    caller      TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status      INTEGER,
    answer      TEXT,
    created_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (caller, key)
);
CREATE INDEX IF NOT EXISTS idempotency_keys_by_time ON idempotency_keys (created_at);
