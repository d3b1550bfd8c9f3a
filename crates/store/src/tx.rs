//! The two kinds of writing. What people do commits together with its audit row or not at all;
//! what machines report has a transaction that can't reach a table of tenancy.

use std::collections::BTreeSet;

use kici_model::audit::AuditEntry;
use kici_model::{OrgId, UserId};
use sea_orm::{SqliteTransactionMode, TransactionOptions};

use crate::attempt::Attempt;
use crate::changes::Changes;
use crate::connection::{Pool, Tx};
use crate::{Store, StoreError, members};

/// A change that somebody makes. Dropping it rolls it back.
#[derive(Debug)]
pub struct WriteTx {
    pub(crate) tx: Tx,
    changes: Changes,
    /// Organisations that are changed without an entry of their own.
    touched: BTreeSet<OrgId>,
}

/// Facts that machines report: registrations, deliveries, last uses. Dropping it rolls it back.
#[derive(Debug)]
pub struct RecordTx {
    pub(crate) tx: Tx,
}

impl Store {
    /// Begins a change.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn write(&self) -> Result<WriteTx, StoreError> {
        let (tx, changes) = (begin(&self.write).await?, self.changes.clone());
        Ok(WriteTx { tx, changes, touched: BTreeSet::new() })
    }

    /// Begins a record.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn record(&self) -> Result<RecordTx, StoreError> {
        Ok(RecordTx { tx: begin(&self.write).await? })
    }
}

/// On SQLite a transaction that will write must say so at once: one that only finds out later
/// fails when another has written in between.
async fn begin(pool: &Pool) -> Result<Tx, StoreError> {
    pool.begin(TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    })
    .await
}

impl WriteTx {
    /// Commits the change together with the entry that tells of it.
    ///
    /// # Errors
    /// The database did not commit; [`StoreError::Uncertain`] if it may have made the change all the same.
    pub async fn commit(self, entry: AuditEntry) -> Result<(), StoreError> {
        self.commit_all([entry]).await
    }

    /// Commits a change that takes several entries to tell; at least one.
    ///
    /// # Errors
    /// The database did not commit; [`StoreError::Uncertain`] if it may have made the change all the same.
    pub async fn commit_all<const N: usize>(
        self,
        entries: [AuditEntry; N],
    ) -> Result<(), StoreError> {
        const { assert!(N > 0, "a change without an audit entry") };
        self.commit_told(entries.into()).await
    }

    /// Commits a change of which it turns out on the way what there is to tell; without any entry
    /// nothing is changed.
    ///
    /// # Errors
    /// The database did not commit; [`StoreError::Uncertain`] if it may have made the change all the same.
    pub async fn commit_told(self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return self.tx.rollback().await;
        }
        for entry in &entries {
            crate::audit::insert(&self.tx, entry).await?;
        }
        let Self { tx, changes, touched: mut orgs } = self;
        orgs.extend(entries.into_iter().filter_map(|entry| entry.org));
        // Told also where nobody waits for the answer any more, and where there is none.
        let _told = changes.telling(orgs);
        Attempt::current().change_sent();
        tx.commit().await
    }

    /// What is being changed of a person changes each organisation that they are in.
    pub(crate) async fn touch_orgs_of(&mut self, user: &UserId) -> Result<(), StoreError> {
        self.touched.extend(members::orgs_of(&self.tx, user).await?);
        Ok(())
    }
}

impl RecordTx {
    /// Commits the record.
    ///
    /// # Errors
    /// The database did not commit; [`StoreError::Uncertain`] if it may have recorded it all the same.
    pub async fn commit(self) -> Result<(), StoreError> {
        Attempt::current().record_sent();
        self.tx.commit().await
    }
}
