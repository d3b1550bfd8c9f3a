//! Rows of the event log that stand for several deliveries.

use kici_model::OrgId;
use kici_model::event_log::Event;
use kici_rbac::{Granted, perm};
use sea_orm::EntityTrait;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};

use super::{columns, row};
use crate::{RecordTx, StoreError};

impl RecordTx {
    /// Adds a row for `event.times` deliveries, or counts them to the row that has its id already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_events(
        &mut self,
        grant: &Granted<perm::EventLogWrite, OrgId>,
        event: &Event,
    ) -> Result<(), StoreError> {
        let sum = Expr::col((row::Entity, row::Column::Times)).add(event.times);
        let again = OnConflict::column(row::Column::Id).value(row::Column::Times, sum).to_owned();
        let row = columns(grant, event)?;
        row::Entity::insert(row).on_conflict(again).exec_without_returning(&self.tx).await?;
        Ok(())
    }
}
