//! The organization of the latency: 1,000 members, 50 roles, 200 teams.

use anyhow::ensure;
use sqlx::{Connection, Executor, PgConnection};

/// Straight into the tables: over the API each of them would be compared with all others.
const FILL: &[&str] = &[
    "INSERT INTO users (id, email, name, created_at)
     SELECT 'usr_' || lpad(n::text, 20, '0'), 'member' || n || '@example.org', 'Member ' || n, now()
     FROM generate_series(1, 999) n",
    "INSERT INTO memberships (org_id, user_id, created_at)
     SELECT $ORG, 'usr_' || lpad(n::text, 20, '0'), now() FROM generate_series(1, 999) n",
    "INSERT INTO roles (id, org_id, name, name_key, is_owner, permissions, repo_patterns, created_at)
     SELECT 'rol_' || lpad(n::text, 20, '0'), $ORG, 'Role ' || n, 'role ' || n, false,
            '{\"runs\":\"write\",\"workflows\":\"read\",\"members\":\"read\"}',
            '[\"acme/shop-' || n || '\",\"acme/team' || n || '-*\"]', now()
     FROM generate_series(1, 48) n",
    "INSERT INTO teams (id, org_id, name, name_key, created_at)
     SELECT 'tem_' || lpad(n::text, 20, '0'), $ORG, 'Team ' || n, 'team ' || n, now()
     FROM generate_series(1, 200) n",
    "INSERT INTO team_roles (org_id, team_id, role_id)
     SELECT $ORG, 'tem_' || lpad(n::text, 20, '0'), 'rol_' || lpad((1 + n % 48)::text, 20, '0')
     FROM generate_series(1, 200) n",
    "INSERT INTO role_assignments (org_id, user_id, role_id)
     SELECT $ORG, 'usr_' || lpad(n::text, 20, '0'), 'rol_' || lpad((1 + n % 48)::text, 20, '0')
     FROM generate_series(1, 999) n",
    // Everybody is in five teams, whoever asks included.
    "INSERT INTO team_members (org_id, user_id, team_id)
     SELECT $ORG, m.user_id, 'tem_' || lpad((1 + (abs(hashtext(m.user_id)) + 37 * k) % 200)::text, 20, '0')
     FROM memberships m, generate_series(1, 5) k WHERE m.org_id = $ORG
     ON CONFLICT DO NOTHING",
    "VACUUM ANALYZE",
];

pub(crate) async fn fill(database: &str, org: &str) -> anyhow::Result<()> {
    ensure!(org.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "no id: {org}");
    let mut connection = PgConnection::connect(database).await?;
    for sql in FILL {
        let sql = sql.replace("$ORG", &format!("'{org}'"));
        connection.execute(sqlx::AssertSqlSafe(sql)).await?;
    }
    for (table, expected) in [("memberships", 1_000), ("roles", 50), ("teams", 200)] {
        let sql = format!("SELECT count(*) FROM {table} WHERE org_id = '{org}'");
        let (count,): (i64,) =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
        ensure!(count == expected, "{count} {table} instead of {expected}");
    }
    Ok(())
}
