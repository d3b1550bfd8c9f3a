//! Keys that end soon: whoever made one hears of it in time to rotate it.

use std::time::Duration;

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::credentials::Expiring;
use kici_model::{AuditId, TokenKind};
use serde_json::json;

use crate::digest::audit_id;
use crate::founding::real;
use crate::mails::{Occasion, quoted};
use crate::ports::Mail;
use crate::{App, Trouble};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end a key is warned of: twice, each time once.
const AHEAD: [Duration; 2] = [DAY, DAY.saturating_mul(7)];
/// How many keys are looked at together.
const PAGE: u64 = 500;

impl App {
    /// Warns of the keys that end within a week, and again of those that end within a day: in the
    /// audit log, in the log, and by mail to whoever made them. Says how many warnings there were.
    ///
    /// # Errors
    /// The database fails. Whatever was not warned of is the next time.
    pub async fn warn_of_expiry(&self) -> Result<usize, Trouble> {
        let (now, mut warned, mut after) = (self.clock.now(), 0, None);
        loop {
            let mut tx = self.store.record().await?;
            let [_, week] = AHEAD;
            // What was made to last a day needs no warning when it begins.
            let page = tx.expiring((now, now + week), now - DAY, after.as_ref(), PAGE).await?;
            let mut fresh = Vec::new();
            for key in &page {
                let Some(ahead) = AHEAD.into_iter().find(|ahead| key.expires_at <= now + *ahead)
                else {
                    continue;
                };
                if tx.record_once(&self.warning(key, ahead)?).await? {
                    fresh.push(key);
                }
            }
            tx.commit().await?;
            for key in &fresh {
                tracing::warn!(
                    credential = %key.id, kind = %key.kind, expires_at = %key.expires_at,
                    org = key.org.as_ref().map(|(id, _)| id.as_str()), "a key ends soon"
                );
                self.tell(key).await;
            }
            warned += fresh.len();
            match page.last() {
                Some(last) if page.len() as u64 == PAGE => {
                    after = Some((last.expires_at, last.id.clone()));
                }
                _ => return Ok(warned),
            }
        }
    }

    /// The entry of this warning: the same one whoever makes it, and however often.
    fn warning(&self, key: &Expiring, ahead: Duration) -> Result<AuditEntry, Trouble> {
        let text = format!("expiring {} {} {}", key.id, key.expires_at, ahead.as_secs());
        Ok(AuditEntry {
            id: audit_id(&text).map_or_else(|| AuditId::new(&*self.clock, &*self.entropy), Ok)?,
            org: key.org.as_ref().map(|(id, _)| id.clone()),
            actor: Actor::System { component: "expiry" },
            action: Action::KeyExpiring,
            target: key.id.to_string(),
            details: Some(json!({
                "kind": key.kind.as_str(),
                "name": key.name.as_str(),
                "expiresAt": key.expires_at.to_string(),
            })),
            request_id: String::new(),
            at: self.clock.now(),
        })
    }

    async fn tell(&self, key: &Expiring) {
        let Some(to) = key.maker.as_ref().and_then(real).cloned() else { return };
        let (what, how) = match key.kind {
            TokenKind::Personal => ("personal access token", "Make a new one in time"),
            TokenKind::ApiKey => ("API key", "Rotate it in time"),
            TokenKind::ServiceAccount => ("key of a service account", "Rotate it in time"),
            TokenKind::Orchestrator => ("orchestrator key", "Rotate it in time"),
        };
        let place = key.org.as_ref();
        let place = place.map(|(_, name)| format!(" of {}", quoted(name.as_str())));
        let (place, called) = (place.unwrap_or_default(), quoted(key.name.as_str()));
        let Expiring { shown, expires_at, .. } = key;
        let mail = Mail {
            to,
            subject: format!("KiCI Platform: your {what} ends soon"),
            text: format!(
                "The {what} {called} ({shown}…){place}, which you have made, stops working at \
                 {expires_at}.\n\n{how}; whatever uses it is refused from then on.\n"
            ),
        };
        let org = key.org.as_ref().map(|(id, _)| id);
        self.mail(Occasion::Expiry { org }, &mail).await;
    }
}
