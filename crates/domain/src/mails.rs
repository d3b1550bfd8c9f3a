//! Mail that goes out, within shares: one organization cannot use up what others may send to an
//! address, and many together cannot flood it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kici_model::orgs::Org;
use kici_model::text::Email;
use kici_model::{OrgId, Timestamp, UserId};

use crate::App;
use crate::metrics::MailOutcome;
use crate::ports::Mail;

/// The period of all counts; each begins with the first mail that it counts.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an organization counts as young, and may send few mails.
const YOUNG_AGE: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// How many invitations a sender may mail in a [`DAY`].
#[derive(Debug)]
struct Limits {
    /// Of one organization, and of one person in all such organizations of theirs.
    in_all: u32,
    /// Of one organization to one address.
    to_address: u32,
    /// How many organizations may mail to one address.
    orgs_to_address: u32,
}

const ESTABLISHED: Limits = Limits { in_all: 1_000, to_address: 5, orgs_to_address: 10 };
/// Counted apart from the established, so that organizations made in order to flood an address
/// don't keep others from mailing to it.
const YOUNG: Limits = Limits { in_all: 20, to_address: 2, orgs_to_address: 3 };

/// How many expiry warnings go to one address from one organization in a [`DAY`].
const WARNINGS_TO_ADDRESS: u32 = 10;
/// From how many organizations warnings go to one address in a [`DAY`].
const WARNING_ORGS_TO_ADDRESS: u32 = 20;

/// The most counts in memory. One organization has at most some 2,000 of them in a day.
const COUNTS_MAX: usize = 200_000;
/// Young organizations send nothing while this many are in use.
const YOUNG_COUNTS_MAX: usize = COUNTS_MAX / 2;

/// Why a mail is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Occasion<'a> {
    /// An invitation.
    Invitation {
        /// The organization.
        org: &'a Org,
        /// Whose invitation it is.
        inviter: &'a UserId,
    },
    /// A warning that a key expires.
    Expiry {
        /// Where it was made; `None` for a person's own.
        org: Option<&'a OrgId>,
    },
}

/// Kinds of mail that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Invitation,
    YoungInvitation,
    Warning,
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Counter {
    /// Mails of one organization.
    Org(Kind, OrgId),
    /// Mails of one person, over their organizations.
    Person(Kind, UserId),
    /// Mails of one organization to one address.
    OrgToAddress(Kind, Option<OrgId>, Box<str>),
    /// Organizations that have mailed to one address.
    OrgsToAddress(Kind, Box<str>),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    count: u32,
    since: Timestamp,
}

/// What this process has mailed within a day.
#[derive(Debug, Default)]
pub(crate) struct Mails(Mutex<HashMap<Counter, Count>>);

impl Mails {
    /// Whether the mail is within all shares; it is counted then, and otherwise not.
    fn admit(&self, occasion: Occasion<'_>, to: &Email, now: Timestamp) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, counters) = counters(occasion, to, now);
        let most = if kind == Kind::YoungInvitation { YOUNG_COUNTS_MAX } else { COUNTS_MAX };
        if counts.len() >= most {
            counts.retain(|_, count| count.since + DAY > now);
        }
        if counts.len().saturating_add(counters.len()) > most {
            return false;
        }
        let used = |counter: &Counter| {
            let count = counts.get(counter).filter(|count| count.since + DAY > now);
            count.map_or(0, |count| count.count)
        };
        // A further mail of an organization that has mailed to the address is no further organization.
        let is_known = counters
            .iter()
            .any(|(counter, _)| matches!(counter, Counter::OrgToAddress(..)) && used(counter) > 0);
        let needed = counters
            .into_iter()
            .filter(|(counter, _)| !(is_known && matches!(counter, Counter::OrgsToAddress(..))));
        let needed: Vec<_> = needed.collect();
        if needed.iter().any(|(counter, limit)| used(counter) >= *limit) {
            return false;
        }
        for (counter, _) in needed {
            let first = Count { count: 0, since: now };
            let count = counts.entry(counter).or_insert(first);
            if count.since + DAY <= now {
                *count = first;
            }
            count.count += 1;
        }
        true
    }
}

/// The counts that a mail needs room in, with their limits.
fn counters(occasion: Occasion<'_>, to: &Email, now: Timestamp) -> (Kind, Vec<(Counter, u32)>) {
    let address = folded(to);
    match occasion {
        Occasion::Invitation { org, inviter } => {
            let is_young = now < org.created_at + YOUNG_AGE;
            let (kind, limits) = match is_young {
                true => (Kind::YoungInvitation, YOUNG),
                false => (Kind::Invitation, ESTABLISHED),
            };
            let counters = vec![
                (Counter::Org(kind, org.id.clone()), limits.in_all),
                (Counter::Person(kind, inviter.clone()), limits.in_all),
                (
                    Counter::OrgToAddress(kind, Some(org.id.clone()), address.clone()),
                    limits.to_address,
                ),
                (Counter::OrgsToAddress(kind, address), limits.orgs_to_address),
            ];
            (kind, counters)
        }
        Occasion::Expiry { org } => {
            let kind = Kind::Warning;
            let counters = vec![
                (Counter::OrgToAddress(kind, org.cloned(), address.clone()), WARNINGS_TO_ADDRESS),
                (Counter::OrgsToAddress(kind, address), WARNING_ORGS_TO_ADDRESS),
            ];
            (kind, counters)
        }
    }
}

/// The mailbox that an address leads to, for counting alone: `ada+x@example.org` is
/// `ada@example.org` at most mail servers. Upper case is folded by [`Email`] itself.
fn folded(email: &Email) -> Box<str> {
    let text = email.to_string().to_lowercase();
    let Some((local, host)) = text.split_once('@') else { return text.into() };
    let base = local.split('+').next().filter(|base| !base.is_empty()).unwrap_or(local);
    format!("{base}@{}", host.trim_end_matches('.')).into()
}

/// A name that people have chosen, for the text of a mail: in quotes that it can't end itself.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace(['"', '“', '”'], "'"))
}

impl App {
    /// Hands a mail over to the mailer, if there is one and the mail is within its shares; says
    /// whether it did. A mail that is not sent is a line in the log, and no reason for anything else
    /// to fail.
    pub(crate) async fn mail(&self, occasion: Occasion<'_>, mail: &Mail) -> bool {
        let Some(mailer) = &self.mailer else { return false };
        if !self.mails.admit(occasion, &mail.to, self.clock.now()) {
            let org = match occasion {
                Occasion::Invitation { org, .. } => Some(&org.id),
                Occasion::Expiry { org } => org,
            };
            self.metrics().mail(MailOutcome::Limited);
            tracing::warn!(org = org.map(OrgId::as_str), "no mail sent: too many within a day");
            return false;
        }
        match mailer.send(mail).await {
            Ok(()) => {
                self.metrics().mail(MailOutcome::Sent);
                true
            }
            Err(error) => {
                self.metrics().mail(MailOutcome::Failed);
                tracing::warn!(error = &*error, "mail not sent");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
