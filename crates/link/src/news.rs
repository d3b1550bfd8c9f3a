//! What all connections of an organisation are told of without asking, and when they have to be told.

use std::collections::BTreeMap;
use std::sync::Arc;

use kici_domain::{App, Link, Trouble, ci_trust};
use kici_wire::{ToOrchestrator, TrustPolicyUpdate};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::Limits;

/// Counts what happens, so that whoever waits learns of it once, however much it was.
#[derive(Debug, Default)]
pub(crate) struct Count(watch::Sender<u64>);

impl Count {
    pub(crate) fn up(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    pub(crate) fn now(&self) -> u64 {
        *self.0.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// What there is to tell an organisation.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Changes of the organisation.
    pub(crate) changes: Count,
    /// Connections that came, left, or serve something else.
    pub(crate) moves: Count,
    trust: Mutex<Option<Trust>>,
}

/// Whom CI trusts, as it was read last.
#[derive(Debug)]
struct Trust {
    frame: Arc<str>,
    changes: u64,
    at: Instant,
}

impl News {
    /// Whom CI trusts, as a frame. All connections share one read, which holds until something is
    /// changed, and until keys are looked at again: what is changed beside this process is not heard of.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn trust(
        &self,
        app: &App,
        link: &Link,
        limits: &Limits,
    ) -> Result<Arc<str>, Trouble> {
        let mut last = self.trust.lock().await;
        // Counted before it is read: what is changed meanwhile is read again.
        let changes = self.changes.now();
        if let Some(trust) = &*last
            && trust.changes == changes
            && trust.at.elapsed() < limits.key_check
        {
            return Ok(trust.frame.clone());
        }
        let at = Instant::now();
        let frame: Arc<str> = frame(ci_trust::update(app, link).await?, limits.news).into();
        *last = Some(Trust { frame: frame.clone(), changes, at });
        Ok(frame)
    }
}

/// The frame, in at most `most` bytes. What is too large goes without the teams or, where that is not
/// enough, without anybody: who is told nothing new would go on trusting whom it has trusted.
fn frame(update: TrustPolicyUpdate, most: usize) -> String {
    let text = |update: &TrustPolicyUpdate| {
        Some(ToOrchestrator::TrustPolicyUpdate(update.clone()).to_text())
            .filter(|text| text.len() <= most)
    };
    if let Some(text) = text(&update) {
        return text;
    }
    tracing::error!(
        org = update.org_id,
        "more people and teams than an orchestrator can be told of"
    );
    let teamless = TrustPolicyUpdate { team_memberships: Vec::new(), ..update };
    text(&teamless).unwrap_or_else(|| {
        let nobody = TrustPolicyUpdate {
            identity_links: Vec::new(),
            member_ci_trust_levels: BTreeMap::new(),
            ..teamless
        };
        ToOrchestrator::TrustPolicyUpdate(nobody).to_text()
    })
}

#[cfg(test)]
mod tests {
    use kici_model::ci_trust::{CiTrustLevel, CiTrustPolicy};
    use kici_wire::{LinkedAccount, TeamMembership};

    use super::*;

    #[test]
    fn what_is_too_large_trusts_fewer_and_never_those_of_before() {
        let update = TrustPolicyUpdate {
            org_id: "org_k3m9p2x7q1zz".to_owned(),
            policy: CiTrustPolicy::default(),
            identity_links: vec![LinkedAccount {
                user_id: "ada".to_owned(),
                provider: "github".to_owned(),
                provider_username: "ada-l".to_owned(),
                provider_user_id: Some("7".to_owned()),
            }],
            member_ci_trust_levels: [("ada".to_owned(), CiTrustLevel::Write)].into(),
            team_memberships: vec![TeamMembership {
                team_name: "release".to_owned(),
                member_user_ids: vec!["ada".to_owned()],
            }],
        };
        let all = frame(update.clone(), usize::MAX);
        let read = |text: &str| match ToOrchestrator::parse(text).unwrap().unwrap() {
            ToOrchestrator::TrustPolicyUpdate(update) => update,
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&all), update);
        let teamless = frame(update.clone(), all.len() - 1);
        let left = read(&teamless);
        assert_eq!((left.team_memberships.len(), left.member_ci_trust_levels.len()), (0, 1));
        let nobody = read(&frame(update, teamless.len() - 1));
        assert!(nobody.identity_links.is_empty() && nobody.member_ci_trust_levels.is_empty());
    }
}
