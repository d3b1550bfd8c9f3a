//! Many rows of the two logs at once, which no test could make by requests.

use std::ops::RangeInclusive;

use anyhow::Context;

use crate::Database;

impl Database {
    /// Adds a delivery to the event log of `org` for each of `numbers`, the larger the newer, three of
    /// them to a second. Number 7 has the delivery id `bulk-100000007`.
    ///
    /// Odd numbers are of the source `github:884211`, even ones of `github:884212`. Each third is a
    /// `push`, the others are of a `pull_request`; each fifth has `failed`, the others are `relayed`.
    ///
    /// # Errors
    /// The database does not take them.
    pub async fn fill_event_log(
        &self,
        org: &str,
        numbers: RangeInclusive<u32>,
    ) -> anyhow::Result<()> {
        let columns = "id, org_id, routing_key, delivery_id, event, status, attempts, body_bytes, \
                       body_hash, received_at";
        let values = format!(
            "'evt_' || (100000000 + i), '{org}', \
             CASE i % 2 WHEN 1 THEN 'github:884211' ELSE 'github:884212' END, \
             'bulk-' || (100000000 + i), \
             CASE i % 3 WHEN 0 THEN 'push' ELSE 'pull_request' END, \
             CASE i % 5 WHEN 0 THEN 'failed' ELSE 'relayed' END, '[]', 2, 'hash', {}",
            self.moment()
        );
        self.fill("event_log", columns, &values, numbers).await
    }

    /// Adds an entry to the audit log of `org` for each of `numbers`, the larger the newer, three of
    /// them to a second, of what was allowed. Number 7 was done by `usr_bulk_7`, which is one of ten,
    /// to `bulk-100000007`; each fourth is `bulk.kept`, the others are `bulk.made`.
    ///
    /// # Errors
    /// The database does not take them.
    pub async fn fill_audit_log(
        &self,
        org: &str,
        numbers: RangeInclusive<u32>,
    ) -> anyhow::Result<()> {
        let columns = "id, org_id, actor_type, actor_id, action, target, outcome, times, \
                       request_id, created_at";
        let values = format!(
            "'aud_' || (100000000 + i), '{org}', 'user', 'usr_bulk_' || (i % 10), \
             CASE i % 4 WHEN 0 THEN 'bulk.kept' ELSE 'bulk.made' END, \
             'bulk-' || (100000000 + i), 'allowed', 1, 'bulk', {}",
            self.moment()
        );
        self.fill("audit_log", columns, &values, numbers).await
    }

    /// The time of number `i`, as the database keeps it: in 2020, before everything that happens.
    fn moment(&self) -> &'static str {
        if self.url().starts_with("sqlite:") {
            "strftime('%Y-%m-%dT%H:%M:%S+00:00', 1577836800 + i / 3, 'unixepoch')"
        } else {
            "to_timestamp(1577836800 + i / 3)"
        }
    }

    async fn fill(
        &self,
        table: &str,
        columns: &str,
        values: &str,
        numbers: RangeInclusive<u32>,
    ) -> anyhow::Result<()> {
        let (first, last) = numbers.into_inner();
        let sql = format!(
            "INSERT INTO {table} ({columns}) WITH RECURSIVE n (i) AS \
             (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) SELECT {values} FROM n"
        );
        kici_migration::execute(self.url(), &sql).await.context("the log was not filled")
    }
}
