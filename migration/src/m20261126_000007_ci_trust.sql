-- An organization without a row has decided nothing: the defaults hold.
CREATE TABLE IF NOT EXISTS ci_trust_policies (
    org_id                     TEXT PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    fork_policy                TEXT NOT NULL,
    unknown_contributor_policy TEXT NOT NULL,
    workflow_change_policy     TEXT NOT NULL,
    approval_expiry_hours      INTEGER NOT NULL
);
