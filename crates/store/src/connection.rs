//! Through what every statement goes: a pool, or a transaction. [`Health`] and [`Availability`]
//! see what fails, and a transaction remembers whether one of its statements failed.

use std::sync::atomic::{AtomicUsize, Ordering};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, Statement, TransactionOptions, TransactionTrait,
};

use crate::StoreError;
use crate::availability::Availability;
use crate::health::Health;
use crate::pools::Waits;

/// The connections of one kind of work.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) db: DatabaseConnection,
    pub(crate) health: Health,
    pub(crate) availability: Availability,
    pub(crate) waits: Waits,
    /// The word for it in the metrics.
    pub(crate) name: &'static str,
}

/// An open transaction. Dropping it rolls it back.
#[derive(Debug)]
pub(crate) struct Tx {
    tx: DatabaseTransaction,
    health: Health,
    begun: AtomicUsize,
    succeeded: AtomicUsize,
}

impl Pool {
    /// Begins a transaction. If the caller is cancelled meanwhile, the transaction is rolled back: the
    /// driver for PostgreSQL would leave a `BEGIN` that was sent open on the pooled connection.
    pub(crate) async fn begin(&self, options: TransactionOptions) -> Result<Tx, StoreError> {
        let db = self.db.clone();
        let begun = tokio::spawn(async move { db.begin_with_options(options).await });
        let begun =
            async { begun.await.unwrap_or_else(|broken| Err(DbErr::Custom(broken.to_string()))) };
        let begun = self.waits.measure(self.availability.watch(begun)).await;
        let tx = begun.inspect_err(|error| self.health.write_failed(error))?;
        let health = self.health.clone();
        Ok(Tx { tx, health, begun: AtomicUsize::new(0), succeeded: AtomicUsize::new(0) })
    }
}

impl Tx {
    /// Commits. PostgreSQL answers `COMMIT` of a transaction in which a statement has failed with
    /// success, and keeps nothing: it is not asked.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let Self { tx, health, begun, succeeded } = self;
        if begun.into_inner() != succeeded.into_inner() {
            let text = "a statement of this transaction has failed or was cancelled";
            return Err(StoreError::Other(DbErr::Custom(text.to_owned())));
        }
        match tx.commit().await {
            Ok(()) => {
                health.write_committed();
                Ok(())
            }
            Err(error) => {
                health.write_failed(&error);
                Err(StoreError::of_commit(error))
            }
        }
    }

    /// Ends the transaction without keeping anything of it.
    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.tx.rollback().await?)
    }

    async fn run<T>(
        &self,
        statement: impl Future<Output = Result<T, DbErr>> + Send,
    ) -> Result<T, DbErr> {
        self.begun.fetch_add(1, Ordering::AcqRel);
        let answer = statement.await;
        match &answer {
            Ok(_) => drop(self.succeeded.fetch_add(1, Ordering::AcqRel)),
            Err(error) => self.health.write_failed(error),
        }
        answer
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        self.db.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let answer = self.availability.watch(self.db.execute_raw(statement)).await;
        answer.inspect_err(|error| self.health.read_failed(error))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let answer = self.availability.watch(self.db.execute_unprepared(sql)).await;
        answer.inspect_err(|error| self.health.read_failed(error))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let answer = self.availability.watch(self.db.query_one_raw(statement)).await;
        answer.inspect_err(|error| self.health.read_failed(error))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let answer = self.availability.watch(self.db.query_all_raw(statement)).await;
        answer.inspect_err(|error| self.health.read_failed(error))
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        self.tx.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(self.tx.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.run(self.tx.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(self.tx.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(self.tx.query_all_raw(statement)).await
    }
}
