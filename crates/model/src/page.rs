//! Pages of lists, by keyset, so that a page costs the same however deep it lies.

use crate::Timestamp;

/// How many items a page may have: 1 to 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u64);

impl Limit {
    /// What a caller gets who does not say.
    pub const DEFAULT: Self = Self(50);
    /// The most, as a number.
    pub const MAX: u64 = 200;
    /// The most.
    pub const MOST: Self = Self(Self::MAX);

    /// `None` outside 1 to 200.
    #[must_use]
    pub const fn new(limit: u64) -> Option<Self> {
        if limit >= 1 && limit <= Self::MAX { Some(Self(limit)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The last item of a page: the next one begins behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Its time.
    pub at: Timestamp,
    /// Its id, which decides among items of the same time.
    pub id: String,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C> {
    /// Its items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// The page of `items`, of which one more than `limit` was asked for, to see whether there is a
    /// next page.
    #[must_use]
    pub fn cut(mut items: Vec<T>, limit: Limit, position: impl Fn(&T) -> C) -> Self {
        let full = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let has_more = items.len() > full;
        items.truncate(full);
        let next = items.last().filter(|_| has_more).map(position);
        Self { items, next }
    }

    /// The same page of what `make` makes of the items.
    ///
    /// # Errors
    /// The first that `make` gives.
    pub fn try_map<U, E>(self, make: impl FnMut(T) -> Result<U, E>) -> Result<Page<U, C>, E> {
        let items = self.items.into_iter().map(make).collect::<Result<_, E>>()?;
        Ok(Page { items, next: self.next })
    }
}

/// A page of a list for which no more than so many rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPage<T, C> {
    /// The items, and where the search goes on.
    pub page: Page<T, C>,
    /// Whether the bound on the rows read ended the search before the page was full.
    pub is_partial: bool,
}

impl<T, C> SearchPage<T, C> {
    /// The same page of what `make` makes of the items.
    ///
    /// # Errors
    /// The first that `make` gives.
    pub fn try_map<U, E>(self, make: impl FnMut(T) -> Result<U, E>) -> Result<SearchPage<U, C>, E> {
        Ok(SearchPage { page: self.page.try_map(make)?, is_partial: self.is_partial })
    }
}
