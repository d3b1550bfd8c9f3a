//! Who owns an organisation.

use kici_model::{OrgId, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::{ConnectionTrait, Statement};

use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx};

/// Somebody who has the role Owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Who.
    pub user: UserId,
    /// Whether they are suspended, and so no owner to rely on.
    pub is_suspended: bool,
}

const OWNERS: &str = "\
SELECT m.user_id, m.suspended_at IS NOT NULL AS is_suspended
FROM roles r
JOIN role_assignments a ON a.org_id = r.org_id AND a.role_id = r.id
JOIN memberships m ON m.org_id = a.org_id AND m.user_id = a.user_id
WHERE r.org_id = $1 AND r.is_owner";

impl Store {
    /// Everybody who has the role Owner directly, suspended or not.
    ///
    /// # Errors
    /// The database fails.
    pub async fn owners(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
    ) -> Result<Vec<Owner>, StoreError> {
        owners(&self.read, grant.tenant()).await
    }
}

impl WriteTx {
    /// Everybody who has the role Owner directly, suspended or not.
    ///
    /// # Errors
    /// The database fails.
    pub async fn owners<P>(&mut self, grant: &Granted<P, OrgId>) -> Result<Vec<Owner>, StoreError> {
        owners(&self.tx, grant.tenant()).await
    }
}

/// Everybody who has the role Owner directly, suspended or not.
async fn owners(db: &impl ConnectionTrait, org: &OrgId) -> Result<Vec<Owner>, StoreError> {
    let org = [org.as_str().into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), OWNERS, org);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            let user: String = row.try_get("", "user_id")?;
            Ok(Owner {
                user: user.parse().or_corrupt("memberships", &user)?,
                is_suspended: row.try_get("", "is_suspended")?,
            })
        })
        .collect()
}
