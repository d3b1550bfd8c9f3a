//! What all rivals are given: the same roles, as the database has them, and the same names.

/// One row of the table of roles, as far as it decides something.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) permissions: String,
    pub(crate) patterns: String,
}

/// The resources in the order in which they are stored.
pub(crate) const RESOURCES: [&str; 16] = [
    "runs",
    "workflows",
    "secrets",
    "api_keys",
    "webhook_sources",
    "org_settings",
    "members",
    "billing",
    "audit",
    "environments",
    "webhook_endpoints",
    "event_log",
    "event_dlq",
    "teams",
    "ci_trust",
    "support",
];

/// The levels, lowest first.
pub(crate) const LEVELS: [&str; 5] = ["none", "read", "read_payload", "write", "admin"];

/// What is asked for everywhere: `runs: write`, which the last role alone gives.
pub(crate) const RESOURCE: &str = "runs";
pub(crate) const LEVEL: &str = "write";

/// The repository that is asked for; the last role's last pattern alone matches it.
pub(crate) const REPO: &str = "myorg/payments-service";

/// Ten patterns as people write them: names, prefixes, suffixes, whole owners, braces, a class.
pub(crate) const PATTERNS: [&str; 10] = [
    "myorg/api",
    "myorg/backend-*",
    "myorg/web-shop",
    "infra/*",
    "myorg/team-?/docs",
    "myorg/{android,ios}-app",
    "myorg/lib-[a-f]*",
    "tools/**",
    "myorg/frontend-*",
    "myorg/*-service",
];

/// Roles of which each gives something else. Most are much like Member; none has the pattern `*`,
/// with which no name would be compared at all.
pub(crate) fn rows(count: usize) -> Vec<Row> {
    (0..count)
        .map(|n| {
            let is_last = n + 1 == count;
            let level = |at: usize| match at {
                0 if is_last => "write",
                0 => "read",
                at if at == 3 + n % 9 => "write",
                at if at == 11 && n % 2 == 1 => "read_payload",
                14.. => "none",
                _ => "read",
            };
            let held = RESOURCES.iter().enumerate().map(|(at, name)| (*name, level(at)));
            let held = held.filter(|(_, level)| *level != "none");
            let entries: Vec<_> = held.map(|(name, level)| format!("{name:?}:{level:?}")).collect();
            let patterns: Vec<_> = if is_last {
                vec![PATTERNS[8], PATTERNS[9]]
            } else {
                vec![PATTERNS[n * 2 % 8], PATTERNS[(n * 2 + 1) % 8]]
            };
            Row {
                permissions: format!("{{{}}}", entries.join(",")),
                patterns: format!("{patterns:?}").replace("\", \"", "\",\""),
            }
        })
        .collect()
}

/// Names of repositories of which the ten patterns match some three in ten.
pub(crate) fn names(count: usize) -> Vec<String> {
    const KINDS: [&str; 10] = [
        "myorg/backend-",
        "myorg/web-",
        "myorg/data-pipeline-",
        "other/",
        "myorg/mobile-app-",
        "infra/terraform-",
        "myorg/lib-x",
        "partner-company/sdk-",
        "myorg/frontend-",
        "myorg/job-",
    ];
    const ENDS: [&str; 3] = ["", "-service", ".github.io"];
    (0..count)
        .map(|n| format!("{}{}{}", KINDS[n * 7 % KINDS.len()], n, ENDS[n / 10 % ENDS.len()]))
        .collect()
}
