//! The second layer: three roles, nineteen permissions.

use kici_rbac::operator::{Permission, Role};

#[test]
fn words_are_parsed_as_they_are_printed() {
    for role in Role::ALL {
        assert_eq!(role.to_string().parse(), Ok(role));
    }
    for permission in Permission::ALL {
        assert_eq!(permission.to_string().parse(), Ok(permission));
    }
    assert_eq!(
        "root".parse::<Role>().unwrap_err().to_string(),
        "unknown role `root`, expected one of owner, admin, auditor"
    );
    let error = "secret.list".parse::<Permission>().unwrap_err().to_string();
    assert!(error.starts_with("unknown permission `secret.list`, expected one of context.create,"));
}

#[test]
fn each_role_holds_what_the_one_below_it_holds() {
    for permission in Permission::ALL {
        assert!(Role::Owner.allows(permission));
        assert!(Role::Admin.allows(permission) || !Role::Auditor.allows(permission));
    }
}

#[test]
fn an_auditor_changes_nothing_and_sees_no_secret() {
    let held = Permission::ALL.into_iter().filter(|&permission| Role::Auditor.allows(permission));
    assert_eq!(
        held.map(Permission::as_str).collect::<Vec<_>>(),
        [
            "context.read",
            "audit.read",
            "run.read",
            "event_log.read",
            "access_log.read",
            "event_dlq.read"
        ]
    );
}

#[test]
fn only_tokens_and_keys_are_kept_from_an_admin() {
    let missing = Permission::ALL.into_iter().filter(|&permission| !Role::Admin.allows(permission));
    assert_eq!(missing.collect::<Vec<_>>(), [Permission::TokenManage, Permission::KeyRotate]);
}

#[test]
fn a_refusal_names_the_permission_and_the_role() {
    assert_eq!(Role::Admin.require(Permission::RunCancel), Ok(()));
    let refusal = Role::Auditor.require(Permission::RunCancel).unwrap_err();
    assert_eq!((refusal.role, refusal.permission), (Role::Auditor, Permission::RunCancel));
    assert_eq!(
        refusal.to_string(),
        "Insufficient permission: run.cancel needed, the role auditor does not have it"
    );
}
