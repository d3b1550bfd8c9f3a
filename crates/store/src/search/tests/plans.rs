//! The plans of both databases for lists with filters: the rows of one index in the order of the list,
//! no table from end to end, and no sorting.

use kici_model::audit::AuditFilter;
use kici_model::event_log::{EventFilter, EventStatus};
use kici_model::identity_links::Account;
use kici_model::{Timestamp, TokenKind};
use sea_orm::sea_query::{Order, SelectStatement};
use sea_orm::{ColumnTrait, Condition, QuerySelect, QueryTrait, Select, StatementBuilder, Value};

use super::*;
use crate::{audit, credentials, identity_links, invites, page};

/// One connection, so that the settings of searches hold where they should.
struct Plans(DatabaseConnection);

impl Plans {
    async fn of(database: &Database) -> Self {
        let mut options = ConnectOptions::new(database.url());
        options.max_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
        Self(sea_orm::Database::connect(options).await.unwrap())
    }

    fn backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn set(&self, sql: &str) {
        if self.backend() == DbBackend::Postgres {
            self.0.execute_unprepared(sql).await.unwrap();
        }
    }

    async fn explain(&self, statement: Statement) -> String {
        let (explain, column) = match self.backend() {
            DbBackend::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
            _ => ("EXPLAIN", "QUERY PLAN"),
        };
        let sql = format!("{explain} {}", statement.sql);
        let values = statement.values.map(|values| values.0).unwrap_or_default();
        let explain = Statement::from_sql_and_values(self.backend(), sql, values);
        let rows = self.0.query_all_raw(explain).await.unwrap();
        let lines = rows.iter().map(|row| row.try_get::<String>("", column).unwrap());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The plan reads `table` by `index` alone, and sorts nothing.
    async fn check(&self, select: &SelectStatement, table: &str, index: &str, what: &str) {
        let plan = self.explain(StatementBuilder::build(select, &self.backend())).await;
        let by_index = match self.backend() {
            DbBackend::Sqlite => format!("INDEX {index} ("),
            _ => format!("{index} on {table}"),
        };
        assert!(plan.contains(&by_index), "{what} not by {index}:\n{plan}");
        for bad in ["Seq Scan", "Sort", "TEMP B-TREE", &format!("SCAN {table} USING")] {
            assert!(!plan.contains(bad), "{what}:\n{plan}");
        }
        // SQLite calls a subquery by the table's name as well; it holds what the index has given.
        let scans = plan.matches(&format!("SCAN {table}")).count();
        assert_eq!(scans, plan.matches("CO-ROUTINE").count(), "{what}:\n{plan}");
    }

    /// An ordinary list, or the two parts of a search.
    async fn check_list<E: EntityTrait>(
        &self,
        list: Filtered<E>,
        after: Option<&Position>,
        index: &str,
        what: &str,
    ) {
        let entity = E::default();
        let table = entity.table_name();
        if list.matching.is_empty() {
            self.check(list.read(after).limit(51).as_query(), table, index, what).await;
            return;
        }
        self.set(SETTINGS).await;
        self.check(&list.found(after, Limit::DEFAULT), table, index, what).await;
        self.check(&list.end(after), table, index, what).await;
        // Together the two are put into one order: some 50 rows, and the last two that were read.
        let whole = self.explain(list.statement(self.backend(), after, Limit::DEFAULT)).await;
        assert!(!whole.contains("Seq Scan"), "{what}:\n{whole}");
        self.set("RESET ALL").await;
    }
}

fn event_filters() -> Vec<(EventFilter, &'static str)> {
    let source = |mut filter: EventFilter| {
        filter.routing_key = Some("github:884211".parse().unwrap());
        filter
    };
    let event = |mut filter: EventFilter| {
        filter.event = Some("push".to_owned());
        filter
    };
    let status = |status, mut filter: EventFilter| {
        filter.status = Some(status);
        filter
    };
    let range = |mut filter: EventFilter| {
        filter.from = Some(Timestamp::from_micros(1_577_837_000_000_000).unwrap());
        filter.to = Some(Timestamp::from_micros(1_577_842_000_000_000).unwrap());
        filter
    };
    let (relayed, failed) = (EventStatus::Relayed, EventStatus::Failed);
    let all = EventFilter::default;
    vec![
        (all(), "event_log_by_time"),
        (range(all()), "event_log_by_time"),
        (source(all()), "event_log_by_source"),
        (range(source(all())), "event_log_by_source"),
        (event(all()), "event_log_by_event"),
        (status(relayed, all()), "event_log_by_status"),
        (status(failed, all()), "event_log_by_status"),
        (containing("zz"), "event_log_by_time"),
        (range(containing("zz")), "event_log_by_time"),
        (source(containing("zz")), "event_log_by_source"),
        (event(containing("zz")), "event_log_by_event"),
        (status(failed, containing("zz")), "event_log_by_status"),
        (source(event(all())), "event_log_by_source"),
        (status(failed, source(all())), "event_log_by_status"),
        (status(relayed, source(all())), "event_log_by_source"),
        (status(relayed, event(all())), "event_log_by_event"),
        (range(status(failed, source(event(containing("zz"))))), "event_log_by_status"),
    ]
}

fn audit_filters() -> Vec<(AuditFilter, &'static str)> {
    let filter = |actor: bool, action: Option<&str>, target: bool, denied: bool| AuditFilter {
        actor: actor.then(|| "usr_bulk_4".to_owned()),
        action: action.map(|action| action.parse().unwrap()),
        target: target.then(|| "bulk-100000007".to_owned()),
        outcome: denied.then(|| "denied".parse().unwrap()),
        ..AuditFilter::default()
    };
    vec![
        (filter(false, None, false, false), "audit_log_by_time"),
        (filter(true, None, false, false), "audit_log_by_actor"),
        (filter(false, Some("bulk.made"), false, false), "audit_log_by_action"),
        (filter(false, None, true, false), "audit_log_by_target"),
        (filter(false, Some("member."), false, false), "audit_log_by_time"),
        (filter(false, None, false, true), "audit_log_by_time"),
        (filter(true, Some("bulk.made"), false, true), "audit_log_by_actor"),
        (filter(true, Some("bulk."), true, true), "audit_log_by_target"),
    ]
}

/// Of 20,000 keys and 20,000 invitations 300 are in use or open; and 5,000 accounts at a provider.
const BULK: &str = "
INSERT INTO users (id, email, name, created_at)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
  SELECT 'usr_' || i, i || '@example.org', 'x', '2020-01-01T00:00:00+00:00' FROM n;
INSERT INTO identity_links (id, user_id, provider, provider_username, provider_user_id,
    link_method, linked_at)
  SELECT 'idl_' || id, id, 'github', 'Name-' || id, 'id-' || id, 'x', created_at FROM users;
INSERT INTO identities (issuer, subject, user_id, email, email_verified, created_at, last_seen_at)
  SELECT 'issuer', id, id, email, true, created_at, created_at FROM users;
INSERT INTO service_accounts (id, org_id, name, name_key, permissions, created_by, created_at)
  VALUES ('sva_1', 'org_a', 'x', 'x', '{}', 'usr_1', '2020-01-01T00:00:00+00:00');
INSERT INTO credentials (id, kind, hash, shown, name, org_id, user_id, service_account_id,
    revoked_at, created_at)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
  SELECT 'key_' || i, CASE i % 3 WHEN 0 THEN 'pat' WHEN 1 THEN 'api_key' ELSE '{account}' END,
    'hash' || i, 'x', 'x', CASE i % 3 WHEN 0 THEN NULL ELSE 'org_a' END, u.id,
    CASE i % 3 WHEN 2 THEN 'sva_1' END, CASE WHEN i > 300 THEN u.created_at END, u.created_at
  FROM n JOIN users u ON u.id = 'usr_1';
INSERT INTO invites (id, org_id, email, role_ids, invited_by, created_at, expires_at, settled_as)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
  SELECT 'inv_' || i, 'org_a', CASE WHEN i > 300 THEN 1 ELSE i END || '@example.org', '[]',
    u.id, u.created_at, u.created_at, CASE WHEN i > 300 THEN 'revoked' END
  FROM n JOIN users u ON u.id = 'usr_1';
";

/// The first page of the credentials of a kind.
fn in_use(kind: TokenKind, whose: Condition) -> Select<credentials::row::Entity> {
    let columns = [credentials::row::Column::CreatedAt, credentials::row::Column::Id];
    page::ordered(credentials::in_use(kind, whose), columns, Order::Asc, None).limit(51)
}

on_both_databases! {
    async fn a_list_with_filters_reads_one_index_in_its_order(database: Database) {
        fill(&database).await;
        // Where all rows have one value a planner could as well take them by time.
        let same = "UPDATE audit_log SET actor_id = 'usr_bulk_4'; ANALYZE";
        kici_migration::execute(database.url(), same).await.unwrap();
        let plans = Plans::of(&database).await;
        let a = org("org_a");
        let cursor = Position {
            at: Timestamp::from_micros(1_577_840_000_000_000).unwrap(),
            id: "evt_100009600".to_owned(),
        };
        for after in [None, Some(&cursor)] {
            for (filter, index) in event_filters() {
                let list = event_log::filtered(&a, &filter);
                plans.check_list(list, after, index, &format!("{filter:?} {after:?}")).await;
            }
            for (filter, index) in audit_filters() {
                let list = audit::filtered(&a, &filter);
                plans.check_list(list, after, index, &format!("{filter:?} {after:?}")).await;
            }
        }
        let one = event_log::of_delivery(&a, &"bulk-100000007".parse().unwrap());
        plans.check(one.as_query(), "event_log", "event_log_by_delivery_id", "one delivery").await;
    }

    async fn lists_do_not_read_what_is_revoked_or_answered(database: Database) {
        fill(&database).await;
        let bulk = BULK.replace("{account}", TokenKind::ServiceAccount.as_str());
        kici_migration::execute(database.url(), &bulk).await.unwrap();
        kici_migration::execute(database.url(), "ANALYZE").await.unwrap();
        let plans = Plans::of(&database).await;
        let a = org("org_a");
        let own = Condition::all().add(credentials::row::Column::UserId.eq("usr_1"));
        let account = credentials::row::Column::ServiceAccountId.eq("sva_1");
        let of_account = credentials::of_org(&a).add(account);
        for (kind, whose, index) in [
            (TokenKind::ApiKey, credentials::of_org(&a), "credentials_in_use_by_org"),
            (TokenKind::Personal, own, "credentials_in_use_by_user"),
            (TokenKind::ServiceAccount, of_account, "credentials_in_use_by_account"),
        ] {
            plans.check(in_use(kind, whose).as_query(), "credentials", index, index).await;
        }
        let columns = [invites::row::Column::CreatedAt, invites::row::Column::Id];
        let list = page::ordered(invites::open(&a), columns, Order::Asc, None).limit(51);
        plans.check(list.as_query(), "invites", "invites_open_by_time", "invitations").await;
        let values: [Value; 5] = [
            "usr_1".into(),
            None::<String>.into(),
            None::<sea_orm::entity::prelude::DateTimeUtc>.into(),
            None::<String>.into(),
            51_i64.into(),
        ];
        let pending = Statement::from_sql_and_values(plans.backend(), invites::PENDING, values);
        let plan = plans.explain(pending).await;
        assert!(plan.contains("invites_open_by_email"), "{plan}");
        let account = Account {
            provider: "github".parse().unwrap(),
            name: "name-usr_7".parse().unwrap(),
            id: Some("id-usr_7".parse().unwrap()),
        };
        let plan = plans.explain(identity_links::to(&account).build(plans.backend())).await;
        for index in ["identity_links_by_name", "identity_links_by_account"] {
            assert!(plan.contains(index), "{index}:\n{plan}");
        }
    }

    async fn a_search_has_a_time_and_no_plan_that_reads_the_table(database: Database) {
        let store = Store::open(database.url(), 4).await.unwrap();
        if store.search.pool.get_database_backend() == DbBackend::Sqlite {
            return;
        }
        for (name, of_search, of_read) in
            [("statement_timeout", "5s", "0"), ("enable_seqscan", "off", "on")]
        {
            for (db, expected) in [(&store.search.pool, of_search), (&store.read, of_read)] {
                let show = Statement::from_string(DbBackend::Postgres, format!("SHOW {name}"));
                let row = db.query_one_raw(show).await.unwrap().unwrap();
                assert_eq!(row.try_get::<String>("", name).unwrap(), expected);
            }
        }
    }
}
