//! Roles to begin with: what many organisations end up with. They are no roles until one is made.

use kici_rbac::{Level, Matrix, Resource};

/// A role to begin with.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Stands for it in programs.
    pub key: &'static str,
    /// What the role would be called.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it gives.
    pub permissions: Matrix,
}

const READS_EVERYTHING: Matrix = Matrix::MEMBER;

const DEVELOPS: Matrix = Matrix::NONE
    .with(Resource::Runs, Level::Write)
    .with(Resource::Workflows, Level::Write)
    .with(Resource::Secrets, Level::Read)
    .with(Resource::Environments, Level::Read)
    .with(Resource::WebhookSources, Level::Read)
    .with(Resource::EventLog, Level::ReadPayload)
    .with(Resource::EventDlq, Level::Read)
    .with(Resource::Members, Level::Read)
    .with(Resource::Teams, Level::Read);

/// All of them, by how much they give.
pub const TEMPLATES: [Template; 4] = [
    Template {
        key: "auditor",
        name: "Auditor",
        description: "Sees who may do what, and what was done",
        permissions: Matrix::NONE
            .with(Resource::Audit, Level::Read)
            .with(Resource::Members, Level::Read)
            .with(Resource::Teams, Level::Read)
            .with(Resource::ApiKeys, Level::Read)
            .with(Resource::OrgSettings, Level::Read)
            .with(Resource::EventLog, Level::Read)
            .with(Resource::CiTrust, Level::Read)
            .with(Resource::Support, Level::Read),
    },
    Template {
        key: "read_only",
        name: "Read-only",
        description: "Sees everything that a member sees, and changes nothing",
        permissions: READS_EVERYTHING,
    },
    Template {
        key: "developer",
        name: "Developer",
        description: "Starts, cancels and repeats runs; sees payloads of webhooks",
        permissions: DEVELOPS,
    },
    Template {
        key: "release_engineer",
        name: "Release engineer",
        description: "What a developer does, and secrets, environments and deliveries",
        permissions: DEVELOPS
            .with(Resource::Secrets, Level::Write)
            .with(Resource::Environments, Level::Write)
            .with(Resource::EventLog, Level::Write)
            .with(Resource::EventDlq, Level::Write)
            .with(Resource::WebhookEndpoints, Level::Write)
            .with(Resource::CiTrust, Level::Read),
    },
];
