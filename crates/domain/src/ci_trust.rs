//! Whom CI trusts, and what it does with changes by others: decided here, acted on by the orchestrator.

use std::collections::{BTreeMap, HashMap};

use kici_model::audit::Action;
use kici_model::ci_trust::CiTrustPolicy;
use kici_model::identities::IdentityKey;
use kici_model::identity_links::IdentityLink;
use kici_model::text::LinkedId;
use kici_rbac::{Resource, perm};
use kici_store::TrustedMember;
use kici_wire::{LinkedAccount, TeamMembership, TrustPolicyUpdate};
use serde_json::json;

use crate::change::ChangeError;
use crate::{App, Link, Org, Trouble};

/// What the organisation has decided.
///
/// # Errors
/// The database fails.
pub async fn policy(app: &App, org: &Org<perm::CiTrustRead>) -> Result<CiTrustPolicy, Trouble> {
    Ok(app.store.ci_trust_policy(org.grant()).await?)
}

/// Decides otherwise, if what was decided still is what one of `tags` stands for.
///
/// # Errors
/// It is not, or the server did not do its part.
pub async fn set_policy(
    app: &App,
    org: &Org<perm::CiTrustAdmin>,
    tags: Option<&[&str]>,
    policy: CiTrustPolicy,
) -> Result<CiTrustPolicy, ChangeError> {
    let entry = org.audit(app, Action::CiTrustPolicySet, org.id())?;
    let (mut tx, org) = org.begin(app).await?;
    let before = tx.ci_trust_policy(org.grant()).await?;
    ChangeError::unless_fresh(tags, &before.tag())?;
    tx.set_ci_trust_policy(org.grant(), policy).await?;
    tx.commit(entry.with(json!({"before": before, "after": policy}))).await?;
    Ok(policy)
}

/// All of it, as an orchestrator is told (protocol §9).
///
/// # Errors
/// The database fails.
pub async fn update(app: &App, link: &Link) -> Result<TrustPolicyUpdate, Trouble> {
    let known = app.store.ci_trust(link.grant()).await?;
    let reaching = known.chart.reaching();
    let issuer = app.identity.as_ref().map(|provider| provider.issuer());
    let mut subjects = HashMap::new();
    let mut levels = BTreeMap::new();
    let mut identity_links = Vec::new();
    for member in &known.members {
        let subject = subject(member, issuer);
        let own = || reaching.effective(member.user.as_str()).matrix().level(Resource::CiTrust);
        levels.insert(subject.clone(), member.level.unwrap_or_else(own).into());
        identity_links.extend(member.links.iter().map(|link| account(&subject, link)));
        subjects.insert(member.user.as_str(), subject);
    }
    let team_memberships = known.chart.teams.iter().map(|team| TeamMembership {
        team_name: team.name.clone(),
        member_user_ids: {
            let members = team.members.iter().filter_map(|user| subjects.get(user.as_str()));
            let mut members: Vec<_> = members.cloned().collect();
            members.sort();
            members
        },
    });
    Ok(TrustPolicyUpdate {
        org_id: link.org().to_string(),
        policy: known.policy,
        identity_links,
        member_ci_trust_levels: levels,
        team_memberships: team_memberships.collect(),
    })
}

/// What stands for somebody towards orchestrators: the provider's own id of them. Whoever came from
/// another provider, or never through one, must not be taken for one of its people.
fn subject(member: &TrustedMember, issuer: Option<&str>) -> String {
    match &member.identity {
        Some(IdentityKey { issuer: from, subject }) if Some(&**from) == issuer => {
            subject.to_string()
        }
        Some(IdentityKey { issuer: from, subject }) => format!("{from}|{subject}"),
        None => member.user.to_string(),
    }
}

fn account(subject: &str, link: &IdentityLink) -> LinkedAccount {
    LinkedAccount {
        user_id: subject.to_owned(),
        provider: link.account.provider.to_string(),
        provider_username: link.account.name.to_string(),
        provider_user_id: link.account.id.as_ref().map(LinkedId::to_string),
    }
}
