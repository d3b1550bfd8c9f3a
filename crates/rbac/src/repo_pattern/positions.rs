//! A set of places in a name: place *n* is before its *n*th character, the last one after all of
//! them. As bits of a few words, every place is moved, kept or extended at the same time; most
//! names do with one.

/// The longest name that has places, in characters.
pub(super) const LONGEST_NAME: usize = 256;

const WORD: usize = u64::BITS as usize;

/// How many words the longest name needs.
pub(super) const MOST_WORDS: usize = words(LONGEST_NAME);

/// How many words a name of that length needs.
pub(super) const fn words(length: usize) -> usize {
    length / WORD + 1
}

/// A set of places, lowest word first.
#[derive(Clone, Copy)]
pub(super) struct Positions<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Positions<WORDS> {
    pub(super) const NONE: Self = Self([0; WORDS]);

    pub(super) fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / WORD) {
            *word |= 1 << (place % WORD);
        }
    }

    /// The only place, where there is but one.
    pub(super) fn single(&self) -> Option<usize> {
        let mut words = self.0.iter().enumerate().filter(|(_, word)| **word != 0);
        let (at, word) = words.next()?;
        let is_single = word.is_power_of_two() && words.next().is_none();
        is_single.then(|| at * WORD + word.trailing_zeros() as usize)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    pub(super) fn or(self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    pub(super) fn and(self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    pub(super) fn without(self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// Each place moved over one character.
    pub(super) fn next(mut self) -> Self {
        let mut carry = 0;
        for word in &mut self.0 {
            (*word, carry) = (*word << 1 | carry, *word >> (WORD - 1));
        }
        self
    }

    /// Each place moved back over one character.
    pub(super) fn previous(mut self) -> Self {
        let mut carry = 0;
        for word in self.0.iter_mut().rev() {
            (*word, carry) = (*word >> 1 | carry, *word << (WORD - 1));
        }
        self
    }

    /// All places that are reached by going on over any number of characters, as long as they are
    /// `open`.
    ///
    /// Adding a bit to a run of ones carries to the first place behind the run, and what the
    /// addition has changed on its way is what lies between: one addition walks every run to its
    /// end.
    pub(super) fn spread(self, open: &Self) -> Self {
        let mut carry = false;
        let walked = self.and(open).zip(open, |from, open| {
            let sum;
            (sum, carry) = from.carrying_add(open, carry);
            sum ^ open
        });
        self.or(&walked)
    }

    fn zip(mut self, other: &Self, mut f: impl FnMut(u64, u64) -> u64) -> Self {
        for (a, &b) in self.0.iter_mut().zip(&other.0) {
            *a = f(*a, b);
        }
        self
    }
}
