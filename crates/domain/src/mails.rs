//! Mail that goes out: never more to one address than its owner can bear, whoever asks for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kici_model::Timestamp;
use kici_model::text::Email;

use crate::App;
use crate::metrics::MailOutcome;
use crate::ports::Mail;

/// How many mails go to one address within [`DAY`].
const MOST: u32 = 10;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many addresses are remembered; with so many, no further one gets a mail that day.
const ADDRESSES: usize = 100_000;

/// To whom mails went lately, by this process.
#[derive(Debug, Default)]
pub(crate) struct Mails(Mutex<HashMap<Email, Sent>>);

#[derive(Debug, Clone, Copy)]
struct Sent {
    count: u32,
    since: Timestamp,
}

impl Mails {
    /// Whether one more may go to this address; it is counted then.
    fn count(&self, to: &Email, now: Timestamp) -> bool {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= ADDRESSES {
            sent.retain(|_, sent| sent.since + DAY > now);
        }
        if sent.len() >= ADDRESSES && !sent.contains_key(to) {
            return false;
        }
        let first = Sent { count: 0, since: now };
        let own = sent.entry(to.clone()).or_insert(first);
        if own.since + DAY <= now {
            *own = first;
        }
        own.count += 1;
        own.count <= MOST
    }
}

impl App {
    /// Hands a mail over, where the server has somebody to hand it to; says whether it did. That a
    /// mail does not go out is a line in the log, and no reason for anything else to fail.
    pub(crate) async fn mail(&self, mail: &Mail) -> bool {
        let Some(mailer) = &self.mailer else { return false };
        if !self.mails.count(&mail.to, self.clock.now()) {
            self.metrics().mail(MailOutcome::Limited);
            tracing::warn!("no mail sent: its address has had {MOST} within a day");
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
mod tests {
    use super::*;

    #[test]
    fn one_address_gets_ten_a_day_and_others_theirs() {
        let (mails, now) = (Mails::default(), Timestamp::from_micros(0).unwrap());
        let (ada, bob) = ("ada@example.org".parse().unwrap(), "bob@example.org".parse().unwrap());
        let sent = |to: &Email, at| (0..12).filter(|_| mails.count(to, at)).count();
        assert_eq!((sent(&ada, now), sent(&ada, now), sent(&bob, now)), (10, 0, 10));
        assert_eq!(sent(&ada, now + DAY), 10);
    }
}
