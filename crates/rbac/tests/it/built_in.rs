//! The policy as two pictures that anybody can read: what the built-in roles and the background
//! tasks hold, and which permissions there are. A change of policy is a change of these files.
//!
//! `UPDATE_EXPECT=1` writes them anew.

use std::any::type_name;
use std::fmt::Write;

use expect_test::expect_file;
use kici_rbac::operator::{Permission as OperatorPermission, Role as OperatorRole};
use kici_rbac::{Level, Matrix, Need, Permission, Resource, SystemTask, perm};

#[test]
fn who_holds_what() {
    let mut text = "\
Who holds what in a new organization. Each level includes those before it:
read, read_payload, write, admin. A dash means nothing.

"
    .to_owned();
    let mut columns =
        vec![("Owner".to_owned(), Matrix::OWNER), ("Member".to_owned(), Matrix::MEMBER)];
    columns.extend(SystemTask::ALL.map(|task| (format!("task:{task}"), task.matrix())));

    let titles: Vec<&str> = columns.iter().map(|(title, _)| title.as_str()).collect();
    line(&mut text, "resource", titles);
    for resource in Resource::ALL {
        let star = if resource.is_repo_scoped() { " *" } else { "" };
        let levels = columns.iter().map(|(_, matrix)| match matrix.level(resource) {
            Level::None => "-",
            level => level.as_str(),
        });
        line(&mut text, &format!("{resource}{star}"), levels);
    }
    text += "
* only in the repositories of the role; Owner and Member have all of them

Who may do what on an orchestrator.

";
    line(&mut text, "permission", OperatorRole::ALL.map(OperatorRole::as_str));
    for permission in OperatorPermission::ALL {
        let marks = OperatorRole::ALL.map(|role| if role.allows(permission) { "yes" } else { "-" });
        line(&mut text, permission.as_str(), marks);
    }
    expect_file!["matrix.txt"].assert_eq(&text);
}

fn line<'a>(text: &mut String, first: &str, cells: impl IntoIterator<Item = &'a str>) {
    let mut line = format!("{first:<24}");
    for cell in cells {
        write!(line, "{cell:<21}").unwrap();
    }
    writeln!(text, "{}", line.trim_end()).unwrap();
}

#[test]
fn all_permissions() {
    let mut all = perm::LEVELS.to_vec();
    all.extend([
        ("Membership", perm::Membership::NEED),
        ("Ownership", perm::Ownership::NEED),
        ("Link", perm::Link::NEED),
        ("Person", perm::Person::NEED),
        ("Setup", perm::Setup::NEED),
    ]);
    let text: String = all.iter().map(|(name, need)| format!("{name:<24}{need}\n")).collect();
    expect_file!["permissions.txt"].assert_eq(&text);
}

/// The table is complete and each row is named after what it needs.
#[test]
fn each_level_above_none_has_its_permission() {
    let camel = |text: &str| -> String {
        let words = text.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        words.collect()
    };
    let mut expected = Vec::new();
    for resource in Resource::ALL {
        for level in Level::ALL {
            let means_something = match level {
                Level::None => false,
                Level::ReadPayload => resource == Resource::EventLog,
                Level::Read | Level::Write | Level::Admin => true,
            };
            if means_something {
                let name = camel(resource.as_str()) + &camel(level.as_str());
                expected.push((name, Need::Level(resource, level)));
            }
        }
    }
    let actual: Vec<_> =
        perm::LEVELS.iter().map(|(name, need)| ((*name).to_owned(), *need)).collect();
    assert_eq!(actual, expected);
}

#[test]
fn exactly_the_repo_scoped_permissions_prove_a_scope() {
    fn proof<P: Permission>() -> &'static str {
        let name = type_name::<P::Proof<()>>();
        if name.contains("GrantedIn<") { "with scope" } else { "without" }
    }
    assert_eq!(proof::<perm::RunsRead>(), "with scope");
    assert_eq!(proof::<perm::RunsWrite>(), "with scope");
    assert_eq!(proof::<perm::RunsAdmin>(), "with scope");
    assert_eq!(proof::<perm::WorkflowsRead>(), "with scope");
    assert_eq!(proof::<perm::WorkflowsWrite>(), "with scope");
    assert_eq!(proof::<perm::WorkflowsAdmin>(), "with scope");
    assert_eq!(proof::<perm::SecretsRead>(), "with scope");
    assert_eq!(proof::<perm::SecretsWrite>(), "with scope");
    assert_eq!(proof::<perm::SecretsAdmin>(), "with scope");
    assert_eq!(proof::<perm::EnvironmentsRead>(), "without");
    assert_eq!(proof::<perm::Membership>(), "without");
}

#[test]
fn the_words_are_the_stored_ones() {
    let resources = Resource::ALL.map(Resource::as_str).join(" ");
    assert_eq!(
        resources,
        "runs workflows secrets api_keys webhook_sources org_settings members billing audit \
         environments webhook_endpoints event_log event_dlq teams ci_trust support"
    );
    assert_eq!(Level::ALL.map(Level::as_str).join(" "), "none read read_payload write admin");
    assert_eq!(
        SystemTask::ALL.map(SystemTask::as_str).join(" "),
        "relay-webhooks accept-invites setup"
    );
}
