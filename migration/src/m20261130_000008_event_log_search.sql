-- The newest deliveries of one source, event, status or id, without reading any other.
CREATE INDEX IF NOT EXISTS event_log_by_source ON event_log (org_id, routing_key, received_at, id);
CREATE INDEX IF NOT EXISTS event_log_by_event ON event_log (org_id, event, received_at, id);
CREATE INDEX IF NOT EXISTS event_log_by_status ON event_log (org_id, status, received_at, id);
CREATE INDEX IF NOT EXISTS event_log_by_delivery_id ON event_log (org_id, delivery_id, received_at, id);
-- Nothing looks for a source and an id together.
DROP INDEX IF EXISTS event_log_by_delivery;

-- The newest entries of one actor, target or action.
CREATE INDEX IF NOT EXISTS audit_log_by_actor ON audit_log (org_id, actor_id, created_at, id);
CREATE INDEX IF NOT EXISTS audit_log_by_target ON audit_log (org_id, target, created_at, id);
CREATE INDEX IF NOT EXISTS audit_log_by_action ON audit_log (org_id, action, created_at, id);

-- What is revoked or answered stays in its table for good; the lists show what is not.
CREATE INDEX IF NOT EXISTS credentials_in_use_by_org
    ON credentials (org_id, kind, created_at, id) WHERE revoked_at IS NULL;
CREATE INDEX IF NOT EXISTS credentials_in_use_by_user
    ON credentials (user_id, kind, created_at, id) WHERE revoked_at IS NULL;
CREATE INDEX IF NOT EXISTS credentials_in_use_by_account
    ON credentials (org_id, service_account_id, kind, created_at, id) WHERE revoked_at IS NULL;
CREATE INDEX IF NOT EXISTS invites_open_by_time
    ON invites (org_id, created_at, id) WHERE settled_as IS NULL;
CREATE INDEX IF NOT EXISTS invites_open_by_email
    ON invites (email, created_at, id) WHERE settled_as IS NULL;

-- Whose an account at a provider is, which each sign-in looks for under a lock of the table.
CREATE INDEX IF NOT EXISTS identity_links_by_name
    ON identity_links (provider, lower(provider_username));
CREATE INDEX IF NOT EXISTS identity_links_by_account
    ON identity_links (provider, provider_user_id);
