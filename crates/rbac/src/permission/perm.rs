//! Every permission there is, one type each. The types have no values; they are names for the
//! compiler.

use std::marker::PhantomData;

use super::sealed::Sealed;
use super::{Need, Permission};
use crate::access::Passed;
use crate::{Granted, GrantedIn, Level, Resource};

/// Declares `Name = Resource: Level;` as a permission type and lists them all in [`LEVELS`].
/// `per_repo` makes the proof one that carries the repositories, so that whoever takes it can't
/// forget them.
macro_rules! permissions {
    ($($name:ident = $resource:ident: $level:ident $(, $per_repo:ident)?;)+) => {
        $(
            permissions!(@type $name, Need::Level(Resource::$resource, Level::$level),
                concat!("`", stringify!($level), "` on [`", stringify!($resource), "`](Resource::",
                    stringify!($resource), ")."),
                $($per_repo)?);
        )+
        /// All permissions that are a level on a resource, by name.
        pub const LEVELS: &[(&str, Need)] = &[$((stringify!($name), $name::NEED)),+];
    };
    (@type $name:ident, $need:expr, $doc:expr, per_repo) => {
        permissions!(@impl $name, $need, $doc, GrantedIn);
    };
    (@type $name:ident, $need:expr, $doc:expr,) => {
        permissions!(@impl $name, $need, $doc, Granted);
    };
    (@impl $name:ident, $need:expr, $doc:expr, $proof:ident) => {
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}

        impl Sealed for $name {}

        impl Permission for $name {
            const NEED: Need = $need;
            type Proof<T: Clone + Send + Sync + 'static> = $proof<Self, T>;

            fn prove<T: Clone + Send + Sync + 'static>(passed: Passed<'_, T>) -> $proof<Self, T> {
                $proof::from_passed(passed)
            }
        }
    };
}

permissions! {
    RunsRead              = Runs: Read, per_repo;
    RunsWrite             = Runs: Write, per_repo;
    RunsAdmin             = Runs: Admin, per_repo;
    WorkflowsRead         = Workflows: Read, per_repo;
    WorkflowsWrite        = Workflows: Write, per_repo;
    WorkflowsAdmin        = Workflows: Admin, per_repo;
    SecretsRead           = Secrets: Read, per_repo;
    SecretsWrite          = Secrets: Write, per_repo;
    SecretsAdmin          = Secrets: Admin, per_repo;
    ApiKeysRead           = ApiKeys: Read;
    ApiKeysWrite          = ApiKeys: Write;
    ApiKeysAdmin          = ApiKeys: Admin;
    WebhookSourcesRead    = WebhookSources: Read;
    WebhookSourcesWrite   = WebhookSources: Write;
    WebhookSourcesAdmin   = WebhookSources: Admin;
    OrgSettingsRead       = OrgSettings: Read;
    OrgSettingsWrite      = OrgSettings: Write;
    OrgSettingsAdmin      = OrgSettings: Admin;
    MembersRead           = Members: Read;
    MembersWrite          = Members: Write;
    MembersAdmin          = Members: Admin;
    BillingRead           = Billing: Read;
    BillingWrite          = Billing: Write;
    BillingAdmin          = Billing: Admin;
    AuditRead             = Audit: Read;
    AuditWrite            = Audit: Write;
    AuditAdmin            = Audit: Admin;
    EnvironmentsRead      = Environments: Read;
    EnvironmentsWrite     = Environments: Write;
    EnvironmentsAdmin     = Environments: Admin;
    WebhookEndpointsRead  = WebhookEndpoints: Read;
    WebhookEndpointsWrite = WebhookEndpoints: Write;
    WebhookEndpointsAdmin = WebhookEndpoints: Admin;
    EventLogRead          = EventLog: Read;
    EventLogReadPayload   = EventLog: ReadPayload;
    EventLogWrite         = EventLog: Write;
    EventLogAdmin         = EventLog: Admin;
    EventDlqRead          = EventDlq: Read;
    EventDlqWrite         = EventDlq: Write;
    EventDlqAdmin         = EventDlq: Admin;
    TeamsRead             = Teams: Read;
    TeamsWrite            = Teams: Write;
    TeamsAdmin            = Teams: Admin;
    CiTrustRead           = CiTrust: Read;
    CiTrustWrite          = CiTrust: Write;
    CiTrustAdmin          = CiTrust: Admin;
    SupportRead           = Support: Read;
    SupportWrite          = Support: Write;
    SupportAdmin          = Support: Admin;
}

permissions!(@type Membership, Need::Membership, "To be a member, with whatever roles.",);
permissions!(@type Ownership, Need::Ownership, "To hold the role Owner; no level amounts to it.",);
permissions!(@type Link, Need::Link, "To hold the key of an orchestrator.",);
permissions!(@type Person, Need::Person, "To be a signed-in person, outside any organization.",);
permissions!(@type Setup, Need::Setup, "To be whoever runs the program.",);

/// One of several permissions: `AnyOf<(RunsWrite, OrgSettingsAdmin)>`, two or three of them.
///
/// The proof does not say which one was held. It carries the caller's
/// [scope](Granted::scope), since one of them may be repo-scoped.
#[derive(Debug)]
pub struct AnyOf<Ps>(PhantomData<fn() -> Ps>);

macro_rules! any_of {
    ($($p:ident),+) => {
        impl<$($p),+> Sealed for AnyOf<($($p,)+)> {}

        impl<$($p: Permission),+> Permission for AnyOf<($($p,)+)> {
            const NEED: Need = Need::Any(&[$($p::NEED),+]);
            type Proof<T: Clone + Send + Sync + 'static> = Granted<Self, T>;

            fn prove<T: Clone + Send + Sync + 'static>(passed: Passed<'_, T>) -> Granted<Self, T> {
                Granted::from_passed(passed)
            }
        }
    };
}

any_of!(P, Q);
any_of!(P, Q, R);
