//! Personal access tokens, for the person alone.

use kici_model::credentials::NewCredential;
use kici_model::page::{Limit, Page, Position};
use kici_model::personal_tokens::PersonalToken;
use kici_model::text::AgentLabel;
use kici_model::{CredentialId, Timestamp, TokenKind, UserId};
use kici_rbac::{Granted, Matrix, perm};
use sea_orm::{ColumnTrait, Condition};

use crate::credentials::{self, Extra, TABLE, row};
use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx, roles};

impl Store {
    /// A page of the person's tokens that are not revoked, oldest first, beginning behind `after`;
    /// where `only` names one, that one alone.
    ///
    /// # Errors
    /// The database fails.
    pub async fn personal_tokens(
        &self,
        grant: &Granted<perm::Person, UserId>,
        only: Option<&CredentialId>,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Page<PersonalToken, Position>, StoreError> {
        let one = only.map(|id| row::Column::Id.eq(id.as_str()));
        let whose = of_person(grant).add_option(one);
        credentials::list(self, TokenKind::Personal, whose, token, after, limit).await
    }
}

impl WriteTx {
    /// Adds a token for the person.
    ///
    /// # Errors
    /// The database fails.
    pub async fn create_personal_token(
        &mut self,
        grant: &Granted<perm::Person, UserId>,
        new: NewCredential<'_>,
        scopes: Option<Matrix>,
        agent: Option<&AgentLabel>,
    ) -> Result<(), StoreError> {
        let extra = Extra { permissions: scopes, agent, ..Extra::default() };
        let new = NewCredential { made_by: grant.tenant(), ..new };
        credentials::insert(self, None, TokenKind::Personal, &new, extra).await
    }

    /// Revokes a token of the person; `false` when they have no such token in use.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_personal_token(
        &mut self,
        grant: &Granted<perm::Person, UserId>,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        credentials::revoke(self, TokenKind::Personal, id, of_person(grant), at).await
    }
}

fn of_person(grant: &Granted<perm::Person, UserId>) -> Condition {
    Condition::all().add(row::Column::UserId.eq(grant.tenant().as_str()))
}

fn token(row: row::Model) -> Result<PersonalToken, StoreError> {
    let scopes = row.permissions.map(|text| roles::matrix(TABLE, &row.id, &text)).transpose()?;
    let agent = row.agent_label.map(|text| text.parse()).transpose();
    Ok(PersonalToken {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        name: row.name.parse().or_corrupt(TABLE, &row.id)?,
        shown: row.shown,
        scopes,
        agent: agent.or_corrupt(TABLE, &row.id)?,
        created_at: Timestamp::new(row.created_at),
        expires_at: row.expires_at.map(Timestamp::new),
        last_used_at: row.last_used_at.map(Timestamp::new),
    })
}
