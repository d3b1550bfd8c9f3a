//! Nobody gives what they do not have.
//!
//! Every way of handing out permissions (a role, a team, an invite, a key) comes down to one
//! comparison: what the receiver could do before, what they can do after, and whether each gain
//! lies within what the giver holds. Comparing the receiver and not the role matters: a weak role
//! with the pattern `*` widens all other roles of whoever gets it.

use crate::repo_scope::Pairs;
use crate::{Effective, Level, RepoPattern, RepoScope, Resource};

/// The first gain that lies outside what the giver holds. Its text is public and safe to send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Escalation {
    /// The receiver becomes an owner, and the giver is none.
    #[error("Only an owner can make somebody an owner")]
    Ownership,
    /// The giver holds less on the resource.
    #[error("You can't give `{resource}: {level}`, you have `{resource}: {held}` yourself")]
    Level {
        /// What it is on.
        resource: Resource,
        /// What the receiver would have.
        level: Level,
        /// What the giver has.
        held: Level,
    },
    /// The giver holds the level, but not in all repositories in which the receiver would.
    #[error(
        "You can't give `{resource}: {level}` in {}, which your own roles do not cover",
        repositories(.pattern.as_ref())
    )]
    Scope {
        /// What it is on.
        resource: Resource,
        /// What the receiver would have.
        level: Level,
        /// In which repositories; `None` means every repository.
        pattern: Option<RepoPattern>,
    },
}

fn repositories(pattern: Option<&RepoPattern>) -> String {
    pattern.map_or_else(|| "every repository".to_owned(), |pattern| format!("`{pattern}`"))
}

/// Whoever gives, and compares what for one receiver after the other. All of them together have the
/// bound on pairs that a comparison of [`RepoScope`]s has.
#[derive(Debug)]
pub struct Giver<'a> {
    effective: &'a Effective,
    pairs: Pairs,
}

impl<'a> Giver<'a> {
    /// Somebody who holds this.
    #[must_use]
    pub fn new(effective: &'a Effective) -> Self {
        Self { effective, pairs: Pairs::default() }
    }

    /// Whether they may turn what somebody can do from `before` into `after`; see [`check`].
    ///
    /// # Errors
    ///
    /// The first gain that goes too far: ownership, then the resources in their order.
    pub fn check(&mut self, before: &Effective, after: &Effective) -> Result<(), Escalation> {
        let giver = self.effective;
        if before == after {
            return Ok(());
        }
        if after.is_owner() && !before.is_owner() && !giver.is_owner() {
            return Err(Escalation::Ownership);
        }
        // The same for all resources, so looked at once: where the receiver would be and the giver
        // is not, and what of that is new.
        let mut outside = None;
        let mut added = None;
        for (resource, level) in after.matrix().held() {
            let is_raised = level > before.matrix().level(resource);
            let held = giver.matrix().level(resource);
            let is_scoped = resource.is_repo_scoped();
            if level > held {
                let (old, new, pairs) = (before.scope(), after.scope(), &mut self.pairs);
                if is_raised || is_scoped && new.beyond_within(old, pairs) != RepoScope::nothing() {
                    return Err(Escalation::Level { resource, level, held });
                }
            }
            if !is_scoped {
                continue;
            }
            let outside = outside
                .get_or_insert_with(|| after.scope().beyond_within(giver.scope(), &mut self.pairs));
            let gained = if is_raised {
                outside
            } else {
                added.get_or_insert_with(|| outside.beyond_within(before.scope(), &mut self.pairs))
            };
            let pattern = match gained {
                RepoScope::Everything => None,
                RepoScope::Matching(patterns) => match patterns.first() {
                    None => continue,
                    pattern => pattern.cloned(),
                },
            };
            return Err(Escalation::Scope { resource, level, pattern });
        }
        Ok(())
    }
}

/// Whether `giver` may turn what somebody can do from `before` into `after`. Whoever receives
/// something new, such as a key, had [`Effective::none`] before.
///
/// ```
/// use kici_rbac::{Effective, Level, Matrix, RepoPattern, RepoScope, Resource, escalation};
///
/// let runs = |level| Matrix::only(Resource::Runs, level);
/// let backend = RepoScope::of([RepoPattern::parse("myorg/backend-*")?]);
/// let giver = Effective::new(runs(Level::Write), backend.clone(), false);
///
/// let colleague = Effective::new(runs(Level::Read), backend, false);
/// assert!(escalation::check(&giver, &Effective::none(), &colleague).is_ok());
///
/// // A key is not limited to repositories, so it would do more than its maker.
/// let key = Effective::new(runs(Level::Read), RepoScope::Everything, false);
/// let refused = escalation::check(&giver, &Effective::none(), &key).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "You can't give `runs: read` in every repository, which your own roles do not cover"
/// );
/// # Ok::<(), kici_rbac::ParsePatternError>(())
/// ```
///
/// # Errors
///
/// The first gain that goes too far: ownership, then the resources in their order.
pub fn check(giver: &Effective, before: &Effective, after: &Effective) -> Result<(), Escalation> {
    Giver::new(giver).check(before, after)
}
