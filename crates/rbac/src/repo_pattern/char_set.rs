//! Sets of characters: a literal, a class, whatever `?` stands for.

/// A set of ASCII characters, or all but those.
#[derive(Clone, Copy, Debug)]
pub(super) struct CharSet {
    /// One bit for each character.
    pub(super) listed: u128,
    pub(super) negated: bool,
}

impl CharSet {
    pub(super) const NONE: Self = Self { listed: 0, negated: false };

    pub(super) const fn of(byte: u8) -> Self {
        Self::NONE.with(byte)
    }

    pub(super) const fn with(self, byte: u8) -> Self {
        self.with_range(byte, byte)
    }

    /// Of an ASCII character.
    pub(super) const fn has(&self, byte: u8) -> bool {
        (self.listed >> byte & 1 == 1) != self.negated
    }

    /// Both ends are ASCII; a range that runs backwards adds nothing.
    pub(super) const fn with_range(self, from: u8, to: u8) -> Self {
        if from > to {
            return self;
        }
        let range = (2 << to) - (1 << from);
        Self { listed: self.listed | range, ..self }
    }

    pub(super) const fn negated(self) -> Self {
        Self { negated: true, ..self }
    }
}
