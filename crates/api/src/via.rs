//! How a role reaches somebody: `"direct"` or `{"team": …}`.

use kici_rbac::Via;
use poem_openapi::{Enum, Object, Union};

/// How a role reaches somebody.
#[derive(Debug, Union)]
#[oai(one_of, rename = "Via")]
pub(crate) enum Route {
    /// It was assigned to them.
    Direct(ViaDirect),
    /// It was granted to a team that they are in.
    Team(ViaTeam),
}

/// Assigned to the person.
#[derive(Debug, Enum)]
#[oai(rename_all = "lowercase")]
pub(crate) enum ViaDirect {
    /// The word for it.
    Direct,
}

/// Granted to a team.
#[derive(Debug, Object)]
pub(crate) struct ViaTeam {
    /// The team.
    team: TeamRef,
}

/// A team.
#[derive(Debug, Object)]
pub(crate) struct TeamRef {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
}

impl From<&Via> for Route {
    fn from(via: &Via) -> Self {
        match via {
            Via::Direct => Self::Direct(ViaDirect::Direct),
            Via::Team { id, name } => {
                Self::Team(ViaTeam { team: TeamRef { id: id.clone(), name: name.clone() } })
            }
        }
    }
}
