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
pub(crate) type Place<E> = fn(&<E as EntityTrait>::Model) -> (DateTimeUtc, &String);

async fn by_time<E: EntityTrait>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    (columns, order): ([E::Column; 2], Order),
    place: Place<E>,
    after: Option<&Position>,
    limit: Limit,
) -> Result<Page<E::Model, Position>, StoreError> {
    let select = ordered(select, columns, order, after);
    let rows = select.limit(limit.get() + 1).all(db).await?;
    Ok(Page::cut(rows, limit, |row| position::<E>(place, row)))
}

/// What `select` finds after the cursor, in the order of the list.
pub(crate) fn ordered<E: EntityTrait>(
    select: Select<E>,
    [at, id]: [E::Column; 2],
    order: Order,
    after: Option<&Position>,
) -> Select<E> {
    let select = match after {
        Some(after) => select.filter(behind([at, id], &order, after)),
        None => select,
    };
    select.order_by(at, order.clone()).order_by(id, order)
}

/// The position of `row`.
pub(crate) fn position<E: EntityTrait>(place: Place<E>, row: &E::Model) -> Position {
    let (at, id) = place(row);
    Position { at: Timestamp::new(at), id: id.clone() }
}

/// The one of two upper bounds of a list, newest first, that excludes more rows. With both, SQLite may
/// take the wrong one for its index and read every row between them.
pub(crate) fn upper_bound(
    before: Option<Timestamp>,
    after: Option<&Position>,
) -> (Option<Timestamp>, Option<&Position>) {
    match (before, after) {
        (Some(before), Some(after)) if before <= after.at => (Some(before), None),
        (_, Some(after)) => (None, Some(after)),
        (before, None) => (before, None),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_upper_bound() {
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let cursor = Position { at: at(5), id: "evt_5".to_owned() };
        assert_eq!(upper_bound(None, None), (None, None));
        assert_eq!(upper_bound(Some(at(5)), None), (Some(at(5)), None));
        assert_eq!(upper_bound(None, Some(&cursor)), (None, Some(&cursor)));
        // Rows before 5 lie after a cursor at 5; with 6 those at 5 itself depend on the cursor.
        assert_eq!(upper_bound(Some(at(5)), Some(&cursor)), (Some(at(5)), None));
        assert_eq!(upper_bound(Some(at(6)), Some(&cursor)), (None, Some(&cursor)));
    }
}
