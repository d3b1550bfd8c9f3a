//! The answer "no", with what would have been needed and what is held.

use std::error::Error;
use std::fmt;

use crate::{Level, Matrix, Need, Resource};

/// A check that was not passed. Its text is public and safe to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    need: Need,
    required: Vec<(Resource, Level)>,
    held: Vec<Level>,
}

impl Denied {
    pub(crate) fn new(need: Need, matrix: Matrix) -> Self {
        let mut required = Vec::new();
        collect_levels(&need, &mut required);
        let held = required.iter().map(|&(resource, _)| matrix.level(resource)).collect();
        Self { need, required, held }
    }

    /// What was asked for.
    #[must_use]
    pub fn need(&self) -> Need {
        self.need
    }

    /// The levels of which one would have been enough; empty where no level is.
    #[must_use]
    pub fn required(&self) -> &[(Resource, Level)] {
        &self.required
    }

    /// The level held instead, where a single one was asked for.
    #[must_use]
    pub fn held(&self) -> Option<Level> {
        match self.held.as_slice() {
            &[level] => Some(level),
            _ => None,
        }
    }

    /// The levels held instead, one for each of [`required`](Self::required).
    #[must_use]
    pub fn held_levels(&self) -> &[Level] {
        &self.held
    }
}

fn collect_levels(need: &Need, levels: &mut Vec<(Resource, Level)>) {
    match need {
        Need::Level(resource, level) => levels.push((*resource, *level)),
        Need::Any(needs) => needs.iter().for_each(|need| collect_levels(need, levels)),
        Need::Membership | Need::Ownership | Need::Link | Need::Person | Need::Setup => {}
    }
}

impl Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Insufficient permission: ")?;
        match self.need {
            Need::Level(resource, level) => write!(f, "{resource}.{level} needed"),
            Need::Any(needs) => {
                f.write_str("one of ")?;
                write_alternatives(f, needs)?;
                f.write_str(" needed")
            }
            Need::Membership => f.write_str("only a member of the organization may do this"),
            Need::Ownership => f.write_str("only an owner may do this"),
            Need::Link => f.write_str("only an orchestrator may do this"),
            Need::Person => f.write_str("only a signed-in person may do this"),
            Need::Setup => f.write_str("only the setup of the installation may do this"),
        }
    }
}

fn write_alternatives(f: &mut fmt::Formatter<'_>, needs: &[Need]) -> fmt::Result {
    for (i, need) in needs.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        match need {
            Need::Level(resource, level) => write!(f, "{resource}.{level}")?,
            Need::Any(needs) => write_alternatives(f, needs)?,
            Need::Membership => f.write_str("membership")?,
            Need::Ownership => f.write_str("ownership")?,
            Need::Link => f.write_str("an orchestrator key")?,
            Need::Person => f.write_str("a signed-in person")?,
            Need::Setup => f.write_str("setup")?,
        }
    }
    Ok(())
}
