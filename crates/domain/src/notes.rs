//! What is noted beside the requests, so that none of them waits for it: when credentials were last
//! used, and which changes were denied. [`App::write_notes`] writes it; a crash loses the last few
//! seconds of it and nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::text::RequestId;
use kici_model::{AuditId, CredentialId, OrgId, Timestamp};
use kici_rbac::{Denied, Permission};
use serde_json::{Value, json};

use crate::access::{Caller, Operation};
use crate::digest::audit_id;
use crate::{App, Org, Trouble, webhooks};

/// How exact a last use is.
const MINUTE: Duration = Duration::from_secs(60);
/// The most that waits to be written, of each of the two; what comes then is not noted.
const MOST: usize = 10_000;

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    used: HashMap<CredentialId, Timestamp>,
    /// When a use was last written.
    written: HashMap<CredentialId, Timestamp>,
    denied: HashMap<AuditId, (AuditEntry, i64)>,
}

impl Notes {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A credential was used.
    pub(crate) fn used(&self, id: &CredentialId, now: Timestamp) {
        let mut waiting = self.waiting();
        let is_written = waiting.written.get(id).is_some_and(|at| *at + MINUTE > now);
        if !is_written && waiting.used.len() < MOST {
            waiting.used.insert(id.clone(), now);
        }
    }

    /// Somebody tried a change that they may not make: one row for each caller, operation and minute.
    pub(crate) fn denied(
        &self,
        app: &App,
        org: &OrgId,
        actor: Actor,
        caller: Caller<'_>,
        denied: &Denied,
    ) {
        let needed = denied.required().iter().map(|(what, level)| format!("{what}:{level}"));
        let details = json!({
            "code": "insufficient_permission",
            "required": needed.collect::<Vec<_>>(),
            "held": denied.held().map(|level| level.to_string()),
        });
        let by = By { org: Some(org), actor: &actor, operation: caller.operation };
        self.count(app, by, caller.request_id, "", details);
    }

    fn count(&self, app: &App, by: By<'_>, request_id: &RequestId, why: &str, details: Value) {
        let now = app.clock.now();
        let Some(id) = id(by, why, now) else { return };
        let mut waiting = self.waiting();
        if waiting.denied.len() >= MOST && !waiting.denied.contains_key(&id) {
            return;
        }
        let first = || AuditEntry {
            id: id.clone(),
            org: by.org.cloned(),
            actor: by.actor.clone(),
            action: Action::AccessDenied,
            target: by.operation.to_string(),
            details: Some(details),
            request_id: request_id.to_string(),
            at: now,
        };
        waiting.denied.entry(id.clone()).or_insert_with(|| (first(), 0)).1 += 1;
    }
}

/// Who tried what, and where.
#[derive(Clone, Copy)]
struct By<'a> {
    org: Option<&'a OrgId>,
    actor: &'a Actor,
    operation: &'a Operation,
}

/// Somebody who was let in, for the log of what they are denied then.
#[derive(Debug, Clone)]
pub struct Entered {
    org: Option<OrgId>,
    actor: Actor,
    operation: Operation,
    request_id: RequestId,
}

impl<P: Permission> Org<P> {
    /// What the log needs of them.
    #[must_use]
    pub fn entered(&self) -> Entered {
        Entered {
            org: Some(self.id().clone()),
            actor: self.actor().clone(),
            operation: self.operation().clone(),
            request_id: self.request_id().clone(),
        }
    }
}

impl Entered {
    /// A person, outside of any organisation.
    #[must_use]
    pub fn person(actor: &Actor, caller: Caller<'_>) -> Self {
        Self {
            org: None,
            actor: actor.clone(),
            operation: caller.operation.clone(),
            request_id: caller.request_id.clone(),
        }
    }
}

/// The same for all that is counted together.
fn id(by: By<'_>, why: &str, now: Timestamp) -> Option<AuditId> {
    let minute = now.micros() / 60_000_000;
    let By { org, actor, operation } = by;
    let org = org.map_or("", OrgId::as_str);
    let text = format!("{org} {} {} {operation} {minute} {why}", actor.kind(), actor.id());
    audit_id(&text)
}

impl App {
    /// Notes that a change was denied to somebody who was let in: it was beyond what they may, not
    /// beyond what the operation needs. `code` is that of the answer.
    pub fn note_denied(&self, entered: &Entered, code: &str) {
        let Entered { org, actor, operation, request_id } = entered;
        let by = By { org: org.as_ref(), actor, operation };
        self.notes.count(self, by, request_id, code, json!({ "code": code }));
    }

    /// Writes what was noted since the last time.
    ///
    /// # Errors
    /// The database fails; denials and counts are kept for the next time, uses are noted again by the next
    /// use.
    pub async fn write_notes(&self) -> Result<(), Trouble> {
        let counted = webhooks::write_counts(self).await;
        self.write_uses_and_denials().await.and(counted)
    }

    async fn write_uses_and_denials(&self) -> Result<(), Trouble> {
        let now = self.clock.now();
        let (used, denied) = {
            let mut waiting = self.notes.waiting();
            waiting.written.retain(|_, at| *at + MINUTE > now);
            let used: Vec<_> = std::mem::take(&mut waiting.used).into_iter().collect();
            waiting.written.extend(used.iter().cloned());
            (used, std::mem::take(&mut waiting.denied))
        };
        if used.is_empty() && denied.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut tx = self.store.record().await?;
            tx.credentials_used(&used, now - MINUTE).await?;
            for (entry, times) in denied.values() {
                tx.record_denied(entry, *times).await?;
            }
            tx.commit().await
        };
        if let Err(error) = written.await {
            let mut waiting = self.notes.waiting();
            for (id, (entry, times)) in denied {
                waiting.denied.entry(id).or_insert((entry, 0)).1 += times;
            }
            return Err(error.into());
        }
        Ok(())
    }
}
