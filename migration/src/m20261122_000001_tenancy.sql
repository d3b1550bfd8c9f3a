CREATE TABLE IF NOT EXISTS users (
    id         TEXT PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS orgs (
    id          TEXT PRIMARY KEY,
    alias       TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    disabled_at TIMESTAMPTZ,
    created_at  TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS memberships (
    org_id       TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    suspended_at TIMESTAMPTZ,
    ci_trust     TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
CREATE INDEX IF NOT EXISTS memberships_by_user ON memberships (user_id);

-- `name_key` is the name in lower case. `permissions` is a JSON object, `repo_patterns` a JSON array.
CREATE TABLE IF NOT EXISTS roles (
    id            TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    description   TEXT,
    is_owner      BOOLEAN NOT NULL,
    permissions   TEXT NOT NULL,
    repo_patterns TEXT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS roles_by_name ON roles (org_id, name_key);
CREATE UNIQUE INDEX IF NOT EXISTS roles_in_org ON roles (org_id, id);

-- The keys of two columns keep an assignment inside one organisation.
CREATE TABLE IF NOT EXISTS role_assignments (
    org_id  TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role_id TEXT NOT NULL,
    PRIMARY KEY (org_id, user_id, role_id),
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, role_id) REFERENCES roles (org_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS role_assignments_by_role ON role_assignments (role_id);

CREATE TABLE IF NOT EXISTS teams (
    id         TEXT PRIMARY KEY,
    org_id     TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    name_key   TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS teams_by_name ON teams (org_id, name_key);
CREATE UNIQUE INDEX IF NOT EXISTS teams_in_org ON teams (org_id, id);

CREATE TABLE IF NOT EXISTS team_members (
    org_id  TEXT NOT NULL,
    user_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    PRIMARY KEY (org_id, user_id, team_id),
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, team_id) REFERENCES teams (org_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS team_members_by_team ON team_members (team_id);

CREATE TABLE IF NOT EXISTS team_roles (
    org_id  TEXT NOT NULL,
    team_id TEXT NOT NULL,
    role_id TEXT NOT NULL,
    PRIMARY KEY (org_id, team_id, role_id),
    FOREIGN KEY (org_id, team_id) REFERENCES teams (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, role_id) REFERENCES roles (org_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS team_roles_by_role ON team_roles (role_id);

-- `hash` is the SHA-256 of the token, `shown` its first characters. `user_id` is the person of a
-- personal token and the maker of any other key. `permissions` are an API key's own, or the scopes
-- of a personal token; `agent_label` names the program that a personal token was made for.
CREATE TABLE IF NOT EXISTS credentials (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    shown        TEXT NOT NULL,
    name         TEXT NOT NULL,
    description  TEXT,
    org_id       TEXT REFERENCES orgs (id) ON DELETE CASCADE,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    permissions  TEXT,
    agent_label  TEXT,
    expires_at   TIMESTAMPTZ,
    revoked_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS credentials_by_org ON credentials (org_id, kind, created_at);
CREATE INDEX IF NOT EXISTS credentials_by_user ON credentials (user_id);

-- `org_id` is null for what people do outside of any organisation.
CREATE TABLE IF NOT EXISTS audit_log (
    id         TEXT PRIMARY KEY,
    org_id     TEXT REFERENCES orgs (id) ON DELETE CASCADE,
    actor_type TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    action     TEXT NOT NULL,
    target     TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_log_by_time ON audit_log (org_id, created_at, id);

-- Secrets of the installation itself, such as the one that signs cursors; hexadecimal.
CREATE TABLE IF NOT EXISTS server_keys (
    name       TEXT PRIMARY KEY,
    secret     TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
