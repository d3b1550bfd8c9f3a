//! Who may do what: roles as matrices, repositories as patterns, and checks that leave a proof.
//!
//! This crate decides and does nothing else: no database, no network, no clock. It is told which
//! roles reach somebody and says what they may do, why, and what a change would alter. So it can
//! be put into any service that knows who is asking.
//!
//! # A check that can't be forgotten
//!
//! A function that needs a permission takes a proof of it as an argument. Only
//! [`Access::require`] makes proofs, they can't be copied, and they carry the tenant that was
//! checked. A caller that forgets the check, checks for something else or means another tenant
//! does not compile.
//!
//! ```
//! use kici_rbac::{
//!     Access, Denied, Effective, Granted, GrantedIn, Level, Matrix, RepoPattern, RepoScope,
//!     Resource, RoleGrant, Via, perm,
//! };
//!
//! // Your functions ask for proofs. There is no other way to learn the tenant.
//! fn rename(org: &Granted<perm::OrgSettingsAdmin, String>, name: &str) -> String {
//!     format!("{} is now {name}", org.tenant())
//! }
//!
//! // A level on runs, workflows or secrets holds in some repositories; its proof says in which.
//! fn may_see(runs: &GrantedIn<perm::RunsRead, String>, repo: &str) -> bool {
//!     runs.scope().allows(repo)
//! }
//!
//! // One place of yours loads the roles that reach the caller and opens the gate.
//! let roles = [RoleGrant {
//!     id: "role_1".into(),
//!     name: "Backend".into(),
//!     is_owner: false,
//!     permissions: Matrix::only(Resource::Runs, Level::Write),
//!     patterns: vec![RepoPattern::parse("myorg/backend-*")?],
//!     via: Via::Direct,
//! }];
//! let access = Access::new("acme".to_owned(), Effective::from_roles(&roles));
//!
//! assert!(may_see(&access.require::<perm::RunsRead>()?, "myorg/backend-api"));
//!
//! let denied: Denied = access.require::<perm::OrgSettingsAdmin>().unwrap_err();
//! assert_eq!(denied.to_string(), "Insufficient permission: org_settings.admin needed");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! | to | use |
//! |---|---|
//! | keep and read what a role gives | [`Matrix`], [`Resource`], [`Level`], [`stored`] |
//! | say in which repositories | [`RepoPattern`], [`RepoScope`] |
//! | add up the roles of somebody, narrow a key to its maker | [`Effective`] |
//! | check, and prove that it was checked | [`Access`], [`perm`], [`Granted`], [`GrantedIn`] |
//! | keep people from giving what they do not have | [`escalation`] |
//! | answer "why" | [`explain()`] |
//! | answer "what if" | [`simulate`] |
//! | check on an orchestrator | [`operator`] |
#![warn(missing_docs)]

mod access;
mod denied;
mod effective;
pub mod escalation;
mod explain;
mod level;
mod matrix;
pub mod operator;
mod permission;
mod proof;
mod repo_pattern;
mod repo_scope;
mod resource;
mod role;
pub mod simulate;
pub mod stored;
mod task;
mod text;

pub use access::Access;
pub use denied::Denied;
pub use effective::{Effective, RoleGrant, Via};
pub use escalation::Escalation;
pub use explain::{AssignableBy, Explanation, GrantedBy, WidenedBy, WouldGrant, explain};
pub use level::{Level, ParseLevelError};
pub use matrix::{Matrix, MatrixEntryProblem, ParseMatrixEntryError};
pub use permission::{Need, Permission, perm};
pub use proof::{Granted, GrantedIn};
pub use repo_pattern::{ParsePatternError, RepoPattern};
pub use repo_scope::RepoScope;
pub use resource::{ParseResourceError, Resource};
pub use role::{Role, RoleRef};
pub use task::SystemTask;
