//! Which claims tell the accounts that somebody has at other providers.

use std::fmt;
use std::str::FromStr;

use kici_model::identity_links::Account;
use kici_model::text::ProviderName;
use serde_json::Value;

/// `PROVIDER=CLAIM` or `PROVIDER=CLAIM:ID_CLAIM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkClaim {
    provider: ProviderName,
    name: Box<str>,
    id: Option<Box<str>>,
}

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkClaimError {
    /// Something is missing, or is too much.
    #[error(
        "write `PROVIDER=CLAIM` or `PROVIDER=CLAIM:ID_CLAIM`, such as `github=github_login:github_id`"
    )]
    Form,
    /// There is no such provider.
    #[error(transparent)]
    Provider(#[from] kici_model::TextError),
}

impl LinkClaim {
    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        &self.provider
    }

    /// The account that these claims tell. One whose id is missing, though that is asked for, is
    /// none: its name alone may be another one's by now.
    pub(crate) fn account(&self, claims: &Value) -> Option<Account> {
        let name = claims.get(&*self.name)?.as_str()?.parse().ok()?;
        let id = match &self.id {
            None => None,
            Some(claim) => Some(text(claims.get(&**claim)?)?.parse().ok()?),
        };
        Some(Account { provider: self.provider.clone(), name, id })
    }
}

/// Ids are numbers at many.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

impl FromStr for LinkClaim {
    type Err = LinkClaimError;

    fn from_str(text: &str) -> Result<Self, LinkClaimError> {
        let (provider, claims) = text.split_once('=').ok_or(LinkClaimError::Form)?;
        let mut parts = parts(claims).into_iter();
        let (name, id) = match (parts.next(), parts.next(), parts.next()) {
            (Some(name), id, None) => (name, id),
            _ => return Err(LinkClaimError::Form),
        };
        let is_claim =
            |claim: &str| !claim.is_empty() && claim.bytes().all(|c| c.is_ascii_graphic());
        if !is_claim(name) || id.is_some_and(|id| !is_claim(id)) {
            return Err(LinkClaimError::Form);
        }
        Ok(Self { provider: provider.parse()?, name: name.into(), id: id.map(Into::into) })
    }
}

/// Parts at each `:`, but for one before `//`: some claims are called by an address.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(found) = rest.get(from..).and_then(|rest| rest.find(':')) {
        let (at, after) = (from + found, from + found + 1);
        let is_address = rest.get(after..).is_some_and(|after| after.starts_with("//"));
        if is_address {
            from = after;
            continue;
        }
        parts.push(rest.get(..at).unwrap_or_default());
        (rest, from) = (rest.get(after..).unwrap_or_default(), 0);
    }
    parts.push(rest);
    parts
}

impl fmt::Display for LinkClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.provider, self.name)?;
        self.id.as_ref().map_or(Ok(()), |id| write!(f, ":{id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_provider_one_claim_and_perhaps_another() {
        for good in [
            "github=github_login",
            "github=github_login:github_id",
            "gitlab=https://id.example.org/login",
            "my-git=https://id.example.org/login:https://id.example.org/id",
        ] {
            assert_eq!(good.parse::<LinkClaim>().unwrap().to_string(), good);
        }
        for bad in
            ["", "github", "github=", "github=:id", "github=a:", "github=a:b:c", "github=a b"]
        {
            assert_eq!(bad.parse::<LinkClaim>(), Err(LinkClaimError::Form), "{bad}");
        }
        for bad in ["=a", "GitHub=a", "git hub=a", "-=a", " github=a"] {
            let refused = bad.parse::<LinkClaim>();
            assert!(matches!(refused, Err(LinkClaimError::Provider(_))), "{bad}");
        }
    }

    #[test]
    fn an_account_is_told_whole_or_not_at_all() {
        let check = |links: &str, claims: Value, want: Option<(&str, Option<&str>)>| {
            let link: LinkClaim = links.parse().unwrap();
            let found = link.account(&claims);
            let found = found
                .as_ref()
                .map(|account| (account.name.as_str(), account.id.as_ref().map(|id| id.as_str())));
            assert_eq!(found, want, "{links} {claims}");
        };
        check("github=login", json!({"login": "ada", "id": 7}), Some(("ada", None)));
        check("github=login:id", json!({"login": "ada", "id": 7}), Some(("ada", Some("7"))));
        check("github=login:id", json!({"login": "ada", "id": "7"}), Some(("ada", Some("7"))));
        for claims in [
            json!({}),
            json!({"login": null, "id": 7}),
            json!({"login": "", "id": 7}),
            json!({"login": 7, "id": 7}),
            json!({"login": ["ada"], "id": 7}),
            json!({"login": "a da", "id": 7}),
            json!({"login": "\u{430}da", "id": 7}),
            json!({"login": "ada"}),
            json!({"login": "ada", "id": null}),
            json!({"login": "ada", "id": -7}),
            json!({"login": "ada", "id": 7.5}),
            json!({"login": "ada", "id": ""}),
        ] {
            check("github=login:id", claims, None);
        }
    }
}
