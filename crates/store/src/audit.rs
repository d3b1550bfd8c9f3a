//! The audit log: written inside the transaction that it tells of.

use kici_model::audit::AuditEntry;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseTransaction};

use crate::StoreError;

pub(crate) async fn insert(tx: &DatabaseTransaction, entry: &AuditEntry) -> Result<(), StoreError> {
    let row = row::ActiveModel {
        id: Set(entry.id.to_string()),
        org_id: Set(entry.org.as_ref().map(ToString::to_string)),
        actor_type: Set(entry.actor.kind().to_owned()),
        actor_id: Set(entry.actor.id().to_owned()),
        action: Set(entry.action.to_string()),
        target: Set(entry.target.clone()),
        request_id: Set(entry.request_id.clone()),
        created_at: Set(entry.at.to_utc()),
    };
    row.insert(tx).await?;
    Ok(())
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_log")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub org_id: Option<String>,
        pub actor_type: String,
        pub actor_id: String,
        pub action: String,
        pub target: String,
        pub request_id: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
