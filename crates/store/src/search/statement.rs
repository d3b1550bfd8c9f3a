//! The statements of a list by time with a filter, and what their rows mean.

use kici_model::Timestamp;
use kici_model::page::{Limit, Page, Position, SearchPage};
use sea_orm::entity::prelude::DateTimeUtc;
use sea_orm::sea_query::{
    Alias, Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr, UnionType,
};
use sea_orm::{
    Condition, DbBackend, EntityTrait, FromQueryResult, IdenStatic, Iterable, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, QueryTrait, Select, Statement, StatementBuilder, Value,
};

use crate::StoreError;
use crate::page::{self, Place};

/// How many rows one search reads, whether they match or not.
pub(crate) const ROWS_READ_MAX: u64 = 20_000;

/// Which part of the statement of a search a row comes from.
const PART: &str = "part";

/// A list by time, newest first, with a filter. One index leads to its rows: that of the organization, of
/// `lead` if there is one, of the time and the id.
pub(crate) struct Filtered<E: EntityTrait> {
    /// The rows of the organization.
    pub(crate) rows: Select<E>,
    /// A column and the value that it has.
    pub(crate) lead: Option<(E::Column, Value)>,
    /// From this time on.
    pub(crate) from: Option<Timestamp>,
    /// Before this time.
    pub(crate) before: Option<Timestamp>,
    /// Which of these rows the list shows. Where it is empty the list is no search; else at most
    /// [`ROWS_READ_MAX`] of them are read.
    pub(crate) matching: Condition,
    /// Their time and their id.
    pub(crate) columns: [E::Column; 2],
    pub(crate) place: Place<E>,
}

impl<E: EntityTrait> Filtered<E> {
    /// The rows that the index leads to, in its order, beginning after `after`.
    ///
    /// The lead is compared together with the time, and the rows are ordered by it, though it has one
    /// value: from `lead = value` a planner concludes that the index by time alone has the same order,
    /// and where it believes that nearly all rows have the value it reads the whole organization by that.
    pub(crate) fn read(&self, after: Option<&Position>) -> Select<E> {
        let [at, id] = self.columns;
        let moment = |time: Timestamp| (at, Value::from(time.to_utc()));
        let upper = match page::upper_bound(self.before, after) {
            (_, Some(after)) => vec![moment(after.at), (id, after.id.as_str().into())],
            (before, None) => before.into_iter().map(moment).collect(),
        };
        let lower: Vec<_> = self.from.into_iter().map(moment).collect();
        let mut read = self.rows.clone();
        if !upper.is_empty() {
            let (columns, values) = self.key(&upper);
            read = read.filter(columns.lt(values));
        } else if self.lead.is_some() {
            let (columns, values) = self.key(&[]);
            read = read.filter(columns.lte(values));
        }
        if self.lead.is_some() || !lower.is_empty() {
            let (columns, values) = self.key(&lower);
            read = read.filter(columns.gte(values));
        }
        self.order().fold(read, |read, column| read.order_by(column, Order::Desc))
    }

    /// The columns of the lead and `more`, and their values.
    fn key(&self, more: &[(E::Column, Value)]) -> (SimpleExpr, SimpleExpr) {
        let all = || self.lead.iter().chain(more);
        let columns = all().map(|(column, _)| Expr::col((E::default(), *column)));
        let values = all().map(|(_, value)| Expr::val(value.clone()));
        (Expr::tuple(columns), Expr::tuple(values))
    }

    fn order(&self) -> impl Iterator<Item = E::Column> {
        self.lead.iter().map(|(column, _)| *column).chain(self.columns)
    }

    /// The rows of the page and one more, then the last row that was read and one more, with their time
    /// and id alone. In one statement both see the same rows, whatever is written meanwhile.
    pub(crate) fn statement(
        &self,
        backend: DbBackend,
        after: Option<&Position>,
        limit: Limit,
    ) -> Statement {
        let mut found = Query::select();
        found
            .columns(E::Column::iter())
            .expr_as(Expr::cust("0"), Alias::new(PART))
            .from_subquery(self.found(after, limit), E::default());
        let mut end = Query::select();
        for column in E::Column::iter() {
            if self.columns.iter().any(|known| known.as_str() == column.as_str()) {
                end.column(column);
            } else {
                end.expr(Expr::cust("NULL"));
            }
        }
        end.expr(Expr::cust("1")).from_subquery(self.end(after), E::default());
        found.union(UnionType::All, end).order_by(Alias::new(PART), Order::Asc);
        for column in self.columns {
            found.order_by(Alias::new(column.as_str()), Order::Desc);
        }
        StatementBuilder::build(&found, &backend)
    }

    /// The matching ones among the rows that are read. The subquery has the table's name, so that
    /// conditions mean its columns.
    pub(crate) fn found(&self, after: Option<&Position>, limit: Limit) -> SelectStatement {
        let mut found = Query::select();
        found
            .columns(E::Column::iter())
            .from_subquery(self.read(after).limit(ROWS_READ_MAX).into_query(), E::default())
            .cond_where(self.matching.clone())
            .limit(limit.get() + 1);
        for column in self.order() {
            found.order_by(column, Order::Desc);
        }
        found
    }

    /// The last row that is read and the next one, if there are so many. The index alone tells.
    pub(crate) fn end(&self, after: Option<&Position>) -> SelectStatement {
        let read = self.read(after).select_only().columns(self.columns);
        read.offset(ROWS_READ_MAX - 1).limit(2).into_query()
    }

    /// The page that the rows of the statement are.
    pub(crate) fn page(
        &self,
        rows: &[QueryResult],
        limit: Limit,
    ) -> Result<SearchPage<E::Model, Position>, StoreError> {
        let (mut found, mut end) = (Vec::new(), Vec::new());
        for row in rows {
            if row.try_get::<i32>("", PART)? == 0 {
                found.push(E::Model::from_query_result(row, "")?);
            } else {
                end.push(row);
            }
        }
        let mut page = self.cut(found, limit);
        let mut is_partial = false;
        if let ([last, _], None) = (end.as_slice(), &page.next) {
            let [at, id] = self.columns.map(|column| column.as_str());
            page.next = Some(Position {
                at: Timestamp::new(last.try_get::<DateTimeUtc>("", at)?),
                id: last.try_get("", id)?,
            });
            is_partial = u64::try_from(page.items.len()).is_ok_and(|count| count < limit.get());
        }
        Ok(SearchPage { page, is_partial })
    }

    /// The page of rows of which one more was asked for.
    pub(crate) fn cut(&self, rows: Vec<E::Model>, limit: Limit) -> Page<E::Model, Position> {
        Page::cut(rows, limit, |row| page::position::<E>(self.place, row))
    }
}
