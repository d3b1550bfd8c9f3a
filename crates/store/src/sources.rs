//! Webhook sources: written by orchestrators, read by people and by the ingress.

use std::collections::HashMap;

use kici_model::page::{Limit, Page};
use kici_model::sources::{Registration, Source};
use kici_model::{OrgId, RoutingKey, SourceId, Timestamp};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::error::OrCorrupt;
use crate::{RecordTx, Store, StoreError, orgs, page};

const TABLE: &str = "sources";
/// How many sources of one name are looked at.
const NAMESAKES: u64 = 100;

impl Store {
    /// A page of the sources of the organisation, by routing key, beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sources(
        &self,
        grant: &Granted<perm::WebhookSourcesRead, OrgId>,
        after: Option<&str>,
        limit: Limit,
    ) -> Result<Page<Source, String>, StoreError> {
        let all = row::Entity::find().filter(row::Column::OrgId.eq(grant.tenant().as_str()));
        page::by_name(
            &self.read,
            all,
            row::Column::RoutingKey,
            |row| &row.routing_key,
            after,
            limit,
        )
        .await?
        .try_map(source)
    }

    /// The source with this routing key, where its organisation may be used.
    ///
    /// # Errors
    /// The database fails.
    pub async fn source(
        &self,
        grant: &Granted<perm::WebhookSourcesRead, OrgId>,
        key: &RoutingKey,
    ) -> Result<Option<Source>, StoreError> {
        let found = row::Entity::find()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::RoutingKey.eq(key.to_string()))
            .filter(row::Column::OrgId.in_subquery(orgs::active(grant.tenant())))
            .one(&self.read)
            .await?;
        found.map(source).transpose()
    }

    /// The generic sources of an organisation that may be used which a URL segment can mean, the likeliest first: the one whose routing key
    /// ends in it, then those that are called so, the one registered first before the others.
    ///
    /// # Errors
    /// The database fails.
    pub async fn generic_sources(
        &self,
        grant: &Granted<perm::WebhookSourcesRead, OrgId>,
        segment: &str,
    ) -> Result<Vec<Source>, StoreError> {
        let org = grant.tenant();
        let by_key = row::Column::RoutingKey.eq(format!("generic:{org}:{segment}"));
        let found = row::Entity::find()
            .filter(row::Column::OrgId.eq(org.as_str()))
            .filter(row::Column::RoutingKey.starts_with("generic:"))
            .filter(row::Column::OrgId.in_subquery(orgs::active(org)))
            .filter(Condition::any().add(by_key.clone()).add(row::Column::Name.eq(segment)))
            .order_by_desc(Expr::expr(Expr::case(by_key, 1).finally(0)))
            .order_by_asc(row::Column::RegisteredAt)
            .order_by_asc(row::Column::Id)
            .limit(NAMESAKES)
            .all(&self.read)
            .await?;
        found.into_iter().map(source).collect()
    }
}

impl Store {
    /// What is registered under these routing keys, in the eyes of an orchestrator of the organisation.
    ///
    /// # Errors
    /// The database fails.
    pub async fn registered(
        &self,
        grant: &Granted<perm::Link, OrgId>,
        keys: impl IntoIterator<Item = &RoutingKey>,
    ) -> Result<HashMap<RoutingKey, Registration>, StoreError> {
        let found = row::Entity::find()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::RoutingKey.is_in(keys.into_iter().map(ToString::to_string)))
            .all(&self.read)
            .await?;
        let registered = found.into_iter().map(|row| source(row).map(|source| source.registered));
        registered.map(|one| one.map(|one| (one.routing_key.clone(), one))).collect()
    }
}

impl RecordTx {
    /// How many sources the organisation has. Nobody else counts them before this record has ended.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_sources(
        &mut self,
        grant: &Granted<perm::Link, OrgId>,
    ) -> Result<usize, StoreError> {
        orgs::lock(&self.tx, grant.tenant()).await?;
        let all = row::Entity::find().filter(row::Column::OrgId.eq(grant.tenant().as_str()));
        Ok(usize::try_from(all.count(&self.tx).await?).unwrap_or(usize::MAX))
    }

    /// Adds a source or brings it up to date; a known one keeps its id and its first registration.
    ///
    /// # Errors
    /// The database fails.
    pub async fn register_source(
        &mut self,
        grant: &Granted<perm::Link, OrgId>,
        fresh: &SourceId,
        registration: &Registration,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            id: Set(fresh.to_string()),
            org_id: Set(grant.tenant().to_string()),
            routing_key: Set(registration.routing_key.to_string()),
            name: Set(registration.name.clone()),
            provider: Set(registration.provider.to_string()),
            subtype: Set(registration.subtype.to_string()),
            slug: Set(registration.slug.clone()),
            registered_at: Set(at.to_utc()),
        };
        let known = OnConflict::columns([row::Column::OrgId, row::Column::RoutingKey])
            .update_columns([
                row::Column::Name,
                row::Column::Provider,
                row::Column::Subtype,
                row::Column::Slug,
            ])
            .to_owned();
        row::Entity::insert(row).on_conflict(known).exec_without_returning(&self.tx).await?;
        Ok(())
    }

    /// Removes a source for good; `false` when the organisation has none with this key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn deregister_source(
        &mut self,
        grant: &Granted<perm::Link, OrgId>,
        key: &RoutingKey,
    ) -> Result<bool, StoreError> {
        let done = row::Entity::delete_many()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::RoutingKey.eq(key.to_string()))
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected == 1)
    }
}

fn source(row: row::Model) -> Result<Source, StoreError> {
    Ok(Source {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        registered: Registration {
            routing_key: row.routing_key.parse().or_corrupt(TABLE, &row.id)?,
            name: row.name,
            provider: row.provider.parse().or_corrupt(TABLE, &row.id)?,
            subtype: row.subtype.parse().or_corrupt(TABLE, &row.id)?,
            slug: row.slug,
        },
        registered_at: Timestamp::new(row.registered_at),
    })
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sources")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub org_id: String,
        pub routing_key: String,
        pub name: String,
        pub provider: String,
        pub subtype: String,
        pub slug: Option<String>,
        pub registered_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
