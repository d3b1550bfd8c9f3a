//! The authorization reads stay cheap as organisations grow: with ten thousand members PostgreSQL
//! reads no table of tenancy from end to end.

use kici_store::authn::{BY_IDENTITY, BY_SESSION, BY_TOKEN};
use kici_testkit::{Database, postgres};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, Value};

/// Ten thousand members in a hundred organisations: one of five thousand, the others small.
const FILL: &str = "
INSERT INTO users (id, email, name, created_at)
  SELECT 'usr_' || n, n || '@example.org', 'x', now() FROM generate_series(1, 10000) n;
INSERT INTO orgs (id, alias, name, created_at)
  SELECT 'org_' || n, 'oal_' || n, 'x', now() FROM generate_series(0, 999) n;
INSERT INTO memberships (org_id, user_id, created_at)
  SELECT 'org_' || CASE WHEN n <= 5000 THEN 0 ELSE n % 999 + 1 END, 'usr_' || n, now()
  FROM generate_series(1, 10000) n;
INSERT INTO roles (id, org_id, name, name_key, is_owner, permissions, repo_patterns, created_at)
  SELECT 'rol_' || o || '_' || r, 'org_' || o, r::text, r::text, false, '{}', '[\"*\"]', now()
  FROM generate_series(0, 999) o, generate_series(1, 10) r;
INSERT INTO role_assignments (org_id, user_id, role_id)
  SELECT m.org_id, m.user_id, 'rol_' || substr(m.org_id, 5) || '_' || r
  FROM memberships m, generate_series(1, 2) r;
INSERT INTO teams (id, org_id, name, name_key, created_at)
  SELECT 'team_' || o || '_' || t, 'org_' || o, t::text, t::text, now()
  FROM generate_series(0, 999) o, generate_series(1, 5) t;
INSERT INTO team_members (org_id, user_id, team_id)
  SELECT m.org_id, m.user_id, 'team_' || substr(m.org_id, 5) || '_' || t
  FROM memberships m, generate_series(1, 2) t;
INSERT INTO team_roles (org_id, team_id, role_id)
  SELECT t.org_id, t.id, 'rol_' || substr(t.org_id, 5) || '_' || r
  FROM teams t, generate_series(3, 4) r;
INSERT INTO service_accounts (id, org_id, name, name_key, permissions, created_by, created_at)
  SELECT 'sva_' || n, 'org_' || n % 1000, n::text, n::text, '{}', 'usr_1', now()
  FROM generate_series(1, 5000) n;
INSERT INTO credentials (id, kind, hash, shown, name, user_id, created_at)
  SELECT 'key_' || n, 'pat', 'hash' || n, 'x', 'x', 'usr_' || n, now()
  FROM generate_series(1, 10000) n;
INSERT INTO sessions (id, hash, user_id, created_at, seen_at, expires_at)
  SELECT 'ses_' || n, 'hash' || n, 'usr_' || n, now(), now(), now() FROM generate_series(1, 10000) n;
INSERT INTO identities (issuer, subject, user_id, email_verified, created_at, last_seen_at)
  SELECT 'issuer', 'hash' || n, 'usr_' || n, true, now(), now() FROM generate_series(1, 10000) n;
";

#[tokio::test]
async fn no_table_of_tenancy_is_read_from_end_to_end() {
    let Some(database) = Database::postgres().await.unwrap() else {
        println!("left out: {} is not set; `cargo xtask test` sets it", postgres::SERVER);
        return;
    };
    // One connection: a setting and a prepared statement live in theirs alone.
    let mut options = sea_orm::ConnectOptions::new(database.url());
    options.max_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
    let db = sea_orm::Database::connect(options).await.unwrap();
    db.execute_unprepared(FILL).await.unwrap();
    db.execute_unprepared("VACUUM ANALYZE").await.unwrap();
    for sql in [BY_TOKEN, BY_SESSION, BY_IDENTITY] {
        check(&db, sql).await;
    }
}

async fn check(db: &DatabaseConnection, sql: &str) {
    let takes_issuer = sql.contains("$3");
    for (hash, org) in
        [("hash7", "org_0"), ("hash9000", "org_9"), ("hash7", "org_nothere"), ("none", "org_0")]
    {
        let mut values: Vec<Value> = vec![hash.into(), org.into()];
        values.extend(takes_issuer.then(|| "issuer".into()));
        let explain = format!("EXPLAIN {sql}");
        let explain = Statement::from_sql_and_values(DbBackend::Postgres, explain, values);
        let plan = plan(db, explain).await;
        assert!(!plan.contains("Seq Scan"), "{hash} in {org}:\n{plan}");
        assert!(plan.contains("Index"), "{plan}");
    }
    // The generic plan, which PostgreSQL may take from the sixth execution on.
    db.execute_unprepared("SET plan_cache_mode = force_generic_plan").await.unwrap();
    let (types, values) = match takes_issuer {
        true => ("(text, text, text)", "('hash7', 'org_0', 'issuer')"),
        false => ("(text, text)", "('hash7', 'org_0')"),
    };
    db.execute_unprepared(&format!("PREPARE read {types} AS {sql}")).await.unwrap();
    let explain = format!("EXPLAIN EXECUTE read {values}");
    let plan = plan(db, Statement::from_string(DbBackend::Postgres, explain)).await;
    assert!(!plan.contains("Seq Scan"), "{plan}");
    db.execute_unprepared("DEALLOCATE read").await.unwrap();
    db.execute_unprepared("RESET plan_cache_mode").await.unwrap();
}

async fn plan(db: &DatabaseConnection, explain: Statement) -> String {
    let rows = db.query_all_raw(explain).await.unwrap();
    let lines: Vec<String> =
        rows.iter().map(|row| row.try_get("", "QUERY PLAN").unwrap()).collect();
    lines.join("\n")
}
