//! Pages by keyset: one costs the same however deep it lies.

use kici_model::Timestamp;
use kici_model::page::{Limit, Page, Position};
use sea_orm::entity::prelude::DateTimeUtc;
use sea_orm::sea_query::Order;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

use crate::StoreError;

/// A page of what `select` finds, oldest first, beginning behind `after`.
pub(crate) async fn oldest<E: EntityTrait>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    columns: [E::Column; 2],
    place: Place<E>,
    after: Option<&Position>,
    limit: Limit,
) -> Result<Page<E::Model, Position>, StoreError> {
    by_time(db, select, (columns, Order::Asc), place, after, limit).await
}

/// The same, newest first.
pub(crate) async fn newest<E: EntityTrait>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    columns: [E::Column; 2],
    place: Place<E>,
    after: Option<&Position>,
    limit: Limit,
) -> Result<Page<E::Model, Position>, StoreError> {
    by_time(db, select, (columns, Order::Desc), place, after, limit).await
}

/// The time of a row, and its id, which decides among rows of the same time.
type Place<E> = fn(&<E as EntityTrait>::Model) -> (DateTimeUtc, &String);

async fn by_time<E: EntityTrait>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    ([at, id], order): ([E::Column; 2], Order),
    place: Place<E>,
    after: Option<&Position>,
    limit: Limit,
) -> Result<Page<E::Model, Position>, StoreError> {
    let mut select = select.order_by(at, order.clone()).order_by(id, order.clone());
    if let Some(after) = after {
        select = select.filter(behind([at, id], &order, after));
    }
    let rows = select.limit(limit.get() + 1).all(db).await?;
    Ok(Page::cut(rows, limit, |row| {
        let (at, id) = place(row);
        Position { at: Timestamp::new(at), id: id.clone() }
    }))
}

/// What lies behind `after`. Row values would read better, but SQLite uses an index for this form
/// alone.
pub(crate) fn behind<C: ColumnTrait>(
    [at, id]: [C; 2],
    order: &Order,
    after: &Position,
) -> Condition {
    let (time, name) = (after.at.to_utc(), after.id.as_str());
    let (reached, later) = match order {
        Order::Desc => (at.lte(time), Condition::any().add(at.lt(time)).add(id.lt(name))),
        _ => (at.gte(time), Condition::any().add(at.gt(time)).add(id.gt(name))),
    };
    Condition::all().add(reached).add(later)
}

/// A page of what `select` finds, by a column that no two of its rows share the value of, beginning
/// behind `after`.
pub(crate) async fn by_name<E: EntityTrait>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    column: E::Column,
    name: fn(&E::Model) -> &String,
    after: Option<&str>,
    limit: Limit,
) -> Result<Page<E::Model, String>, StoreError> {
    let mut select = select.order_by_asc(column).limit(limit.get() + 1);
    if let Some(after) = after {
        select = select.filter(column.gt(after));
    }
    Ok(Page::cut(select.all(db).await?, limit, |row| name(row).clone()))
}
