//! The forms on the wire and in the database, and what those who mistype are told.

use kici_rbac::{Level, Matrix, MatrixEntryProblem, Resource};
use proptest::prelude::*;

use crate::any;

#[test]
fn words_are_parsed_as_they_are_printed() {
    for resource in Resource::ALL {
        assert_eq!(resource.to_string().parse(), Ok(resource));
        let json = serde_json::to_string(&resource).unwrap();
        assert_eq!(json, format!(r#""{resource}""#));
        assert_eq!(serde_json::from_str::<Resource>(&json).unwrap(), resource);
    }
    for level in Level::ALL {
        assert_eq!(level.to_string().parse(), Ok(level));
        let json = serde_json::to_string(&level).unwrap();
        assert_eq!(serde_json::from_str::<Level>(&json).unwrap(), level);
    }
}

#[test]
fn an_unknown_word_is_named_with_those_that_would_work() {
    assert_eq!(
        "Runs".parse::<Resource>().unwrap_err().to_string(),
        "unknown resource `Runs`, expected one of runs, workflows, secrets, api_keys, \
         webhook_sources, org_settings, members, billing, audit, environments, \
         webhook_endpoints, event_log, event_dlq, teams, ci_trust, support"
    );
    assert_eq!(
        "all".parse::<Level>().unwrap_err().to_string(),
        "unknown level `all`, expected one of none, read, read_payload, write, admin"
    );
    let error = serde_json::from_str::<Level>("3").unwrap_err().to_string();
    assert!(error.contains("expected the name of a level"), "{error}");
}

#[test]
fn a_matrix_is_stored_without_what_is_none() {
    let matrix = Matrix::only(Resource::Runs, Level::Write)
        .with(Resource::EventLog, Level::ReadPayload)
        .with(Resource::ApiKeys, Level::Read);
    let json = r#"{"runs":"write","api_keys":"read","event_log":"read_payload"}"#;
    assert_eq!(serde_json::to_string(&matrix).unwrap(), json);
    assert_eq!(serde_json::from_str::<Matrix>(json).unwrap(), matrix);
    assert_eq!(serde_json::from_str::<Matrix>("{}").unwrap(), Matrix::NONE);
    assert_eq!(serde_json::from_str::<Matrix>(r#"{"runs":"none"}"#).unwrap(), Matrix::NONE);
    assert_eq!(
        format!("{:?}", Matrix::only(Resource::CiTrust, Level::Read)),
        r#"{"ci_trust": Read}"#
    );
}

#[track_caller]
fn refused(json: &str, expected: &str) {
    let error = serde_json::from_str::<Matrix>(json).unwrap_err().to_string();
    assert!(error.contains(expected), "{json}: {error}");
}

#[test]
fn what_is_wrong_in_a_matrix_is_named_and_never_dropped() {
    refused(r#"{"rums":"write"}"#, "`rums`: unknown resource `rums`, expected one of runs, ");
    refused(r#"{"runs":"rite"}"#, "`runs`: unknown level `rite`, expected one of none, ");
    refused(r#"{"runs":"read","runs":"write"}"#, "`runs`: given twice");
    refused(r#"{"runs":"none","runs":"write"}"#, "`runs`: given twice");
    refused(r#"{"runs":3}"#, "`runs`: invalid type: integer `3`");
    refused(r#"["runs"]"#, "expected an object of resources and levels");
}

#[test]
fn all_mistakes_come_at_once() {
    let entries = [("rums", "read"), ("teams", "all"), ("runs", "read"), ("runs", "read")];
    let errors = Matrix::parse(entries).unwrap_err();
    let keys: Vec<_> = errors.iter().map(|error| error.key()).collect();
    assert_eq!(keys, ["rums", "teams", "runs"]);
    assert!(matches!(errors[0].problem(), MatrixEntryProblem::Resource(_)));
    assert!(matches!(errors[1].problem(), MatrixEntryProblem::Level(_)));
    assert_eq!(errors[2].problem(), &MatrixEntryProblem::Twice);
    refused(r#"{"rums":"read","teams":"all"}"#, "; `teams`: unknown level `all`");
}

proptest! {
    #[test]
    fn a_matrix_survives_being_stored(matrix in any::matrix()) {
        let json = serde_json::to_value(matrix).unwrap();
        prop_assert_eq!(serde_json::from_value::<Matrix>(json).unwrap(), matrix);
        let entries: Vec<_> = matrix.iter().map(|(r, l)| (r.as_str(), l.as_str())).collect();
        prop_assert_eq!(Matrix::parse(entries).unwrap(), matrix);
    }
}
