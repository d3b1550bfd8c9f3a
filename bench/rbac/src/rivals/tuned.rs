//! What somebody writes who knows serde well and wants it fast: enums, a level per resource in an
//! array, nothing copied out of the row, and patterns that fast-glob matches as they stand.

use std::borrow::Cow;

use serde::Deserialize;

use crate::data::Row;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub(crate) enum Level {
    #[default]
    None,
    Read,
    ReadPayload,
    Write,
    Admin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(dead_code, reason = "all sixteen are there, and one is asked for")]
pub(crate) enum Resource {
    Runs,
    Workflows,
    Secrets,
    ApiKeys,
    WebhookSources,
    OrgSettings,
    Members,
    Billing,
    Audit,
    Environments,
    WebhookEndpoints,
    EventLog,
    EventDlq,
    Teams,
    CiTrust,
    Support,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Permissions {
    runs: Level,
    workflows: Level,
    secrets: Level,
    api_keys: Level,
    webhook_sources: Level,
    org_settings: Level,
    members: Level,
    billing: Level,
    audit: Level,
    environments: Level,
    webhook_endpoints: Level,
    event_log: Level,
    event_dlq: Level,
    teams: Level,
    ci_trust: Level,
    support: Level,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Matrix([Level; 16]);

impl From<Permissions> for Matrix {
    fn from(p: Permissions) -> Self {
        Self([
            p.runs,
            p.workflows,
            p.secrets,
            p.api_keys,
            p.webhook_sources,
            p.org_settings,
            p.members,
            p.billing,
            p.audit,
            p.environments,
            p.webhook_endpoints,
            p.event_log,
            p.event_dlq,
            p.teams,
            p.ci_trust,
            p.support,
        ])
    }
}

impl Matrix {
    pub(crate) fn parse(text: &str) -> Self {
        serde_json::from_str::<Permissions>(text).expect("a matrix").into()
    }

    #[inline]
    pub(crate) fn allows(&self, resource: Resource, level: Level) -> bool {
        self.0[resource as usize] >= level
    }

    #[inline]
    fn union(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
        self
    }
}

pub(crate) fn union(matrices: &[Matrix]) -> Matrix {
    matrices.iter().fold(Matrix::default(), Matrix::union)
}

pub(crate) fn check(matrix: &Matrix) -> bool {
    matrix.allows(Resource::Runs, Level::Write)
}

/// A text without escapes is borrowed from the row.
#[derive(Debug, Deserialize)]
struct Pattern<'a>(#[serde(borrow)] Cow<'a, str>);

pub(crate) fn matches(pattern: &str, repo: &str) -> bool {
    pattern == "*" || fast_glob::glob_match(pattern, repo)
}

pub(crate) fn authorize(rows: &[Row], repo: Option<&str>) -> bool {
    let (mut matrix, mut patterns) = (Matrix::default(), Vec::with_capacity(2 * rows.len()));
    for row in rows {
        matrix = matrix.union(&Matrix::parse(&row.permissions));
        let own: Vec<Pattern<'_>> = serde_json::from_str(&row.patterns).expect("a list");
        patterns.extend(own);
    }
    matrix.allows(Resource::Runs, Level::Write)
        && repo.is_none_or(|repo| patterns.iter().any(|pattern| matches(&pattern.0, repo)))
}
