use std::collections::BTreeMap;

use kici_model::RoutingKey;
use kici_model::delivery::Verdict::{
    RejectedMisconfigured, RejectedSignature, RejectedUnknownSource,
};

use super::*;
use crate::sign;

const BODY: &[u8] = br#"{"zen":"Keep it logically awesome."}"#;

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn source(verification: Verification) -> Source {
    let key: RoutingKey = "generic:org_a:hook".parse().unwrap();
    Source::generic(&key, "hook", verification)
}

fn start(headers: &[(&str, &str)]) -> WebhookRelayStart {
    WebhookRelayStart {
        message_id: "m".into(),
        routing_key: "generic:org_a:hook".into(),
        delivery_id: "d".into(),
        event: "push".into(),
        action: None,
        signature_header_name: None,
        signature_header: None,
        client_ip: None,
        headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        total_size: BODY.len(),
        chunk_count: 1,
        request_id: None,
    }
}

#[track_caller]
fn check(verification: Verification, headers: &[(&str, &str)], want: Option<Verdict>) {
    let got = super::check(Some(&source(verification)), &start(headers), BODY);
    assert_eq!(got.as_ref().err().map(|rejection| rejection.verdict), want, "{got:?}");
}

#[test]
fn any_secret_of_a_generic_source_will_do_in_either_form() {
    let two = || Verification::HmacSha256 {
        header: "X-Acme-Sign".into(),
        secrets: vec![secret("new"), secret("old")],
    };
    let (old, new) = (sign::hex("old", BODY), sign::github("new", BODY));
    check(two(), &[("x-acme-sign", &old)], None);
    check(two(), &[("x-acme-sign", &new)], None);
    check(two(), &[("x-acme-sign", &old.to_uppercase())], None);
    check(two(), &[("x-signature-256", &old)], Some(RejectedSignature));
    check(two(), &[("x-acme-sign", &sign::hex("other", BODY))], Some(RejectedSignature));
    check(two(), &[("x-acme-sign", &sign::hex("old", b"{}"))], Some(RejectedSignature));
    check(two(), &[("x-acme-sign", "")], Some(RejectedSignature));
    check(two(), &[("x-acme-sign", "sha256=ä")], Some(RejectedSignature));
}

#[test]
fn a_github_signature_comes_in_its_own_field_or_in_the_named_header() {
    let github = source(Verification::GitHub { secrets: vec![secret("s")] });
    let good = sign::github("s", BODY);
    let verdict = |start: &WebhookRelayStart| super::check(Some(&github), start, BODY);

    assert_eq!(verdict(&start(&[("x-hub-signature-256", &good)])), Ok(()));
    let mut named = start(&[("x-sig", &good)]);
    named.signature_header_name = Some("X-Sig".into());
    assert_eq!(verdict(&named), Ok(()));
    // The field wins over the header, also when it is wrong.
    named.signature_header = Some(sign::github("t", BODY));
    assert_eq!(verdict(&named).unwrap_err().verdict, RejectedSignature);
    named.signature_header = Some(good);
    assert_eq!(verdict(&named), Ok(()));
    // GitHub always writes the scheme.
    named.signature_header = Some(sign::hex("s", BODY));
    assert_eq!(verdict(&named).unwrap_err().verdict, RejectedSignature);
    let missing = verdict(&start(&[])).unwrap_err();
    assert_eq!(missing.reason, "the header `x-hub-signature-256` is missing");
}

#[test]
fn signatures_are_over_the_raw_bytes() {
    let body = [0xff, 0xfe, 0x00, 0x80];
    let hook = source(Verification::hmac(secret("s")));
    let start = start(&[("x-signature-256", &sign::hex("s", &body))]);
    assert_eq!(super::check(Some(&hook), &start, &body), Ok(()));
}

#[test]
fn tokens_come_with_or_without_their_scheme() {
    let token = || Verification::bearer(secret("t0ken"));
    check(token(), &[("authorization", "Bearer t0ken")], None);
    check(token(), &[("authorization", "bearer t0ken")], None);
    check(token(), &[("authorization", "t0ken")], None);
    for wrong in ["", "Bearer ", "t0ke", "t0kenn", "Bearer t0ken ", "Basic t0ken"] {
        check(token(), &[("authorization", wrong)], Some(RejectedSignature));
    }
    check(token(), &[], Some(RejectedSignature));
}

#[test]
fn addresses_match_to_the_character() {
    let listed = source(Verification::IpAllowlist(vec!["192.0.2.1".into()]));
    let from = |ip: Option<&str>| {
        let mut start = start(&[]);
        start.client_ip = ip.map(str::to_owned);
        super::check(Some(&listed), &start, BODY).is_ok()
    };
    assert!(from(Some("192.0.2.1")));
    assert!(!from(Some("192.0.2.10")));
    assert!(!from(None));
}

#[test]
fn a_source_without_its_secret_is_misconfigured() {
    for broken in [
        Verification::GitHub { secrets: vec![] },
        Verification::hmac(secret("")),
        Verification::bearer(secret("")),
        Verification::IpAllowlist(vec![]),
    ] {
        check(broken, &[("authorization", "")], Some(RejectedMisconfigured));
    }
}

#[test]
fn only_enabled_sources_are_known() {
    let verdict = |source: Option<&Source>, key: &str| {
        let start = WebhookRelayStart { routing_key: key.into(), ..start(&[]) };
        super::check(source, &start, BODY).map_err(|rejection| rejection.verdict)
    };
    let mut open = source(Verification::None);
    assert_eq!(verdict(Some(&open), "generic:org_a:hook"), Ok(()));
    assert_eq!(verdict(None, "generic:org_a:hook"), Err(RejectedUnknownSource));
    assert_eq!(verdict(Some(&open), "remote:org_a"), Err(RejectedUnknownSource));
    open.is_enabled = false;
    assert_eq!(verdict(Some(&open), "generic:org_a:hook"), Err(RejectedUnknownSource));
}

#[test]
fn what_claims_to_be_json_has_to_be_it() {
    let verdict = |kind: Option<&str>, body: &[u8]| {
        let headers: BTreeMap<_, _> =
            kind.map(|kind| ("content-type".to_owned(), kind.to_owned())).into_iter().collect();
        let start = WebhookRelayStart { headers, ..start(&[]) };
        super::check(Some(&source(Verification::None)), &start, body)
            .map_err(|rejection| rejection.verdict)
    };
    let json = Some("Application/JSON; charset=utf-8");
    assert_eq!(verdict(json, br#" {"a":[1,2.5e3,"\u00e4"]} "#), Ok(()));
    assert_eq!(verdict(json, "[".repeat(9_999).as_bytes()), Err(RejectedMisconfigured));
    for bad in [&b""[..], b"{", b"{} {}", b"\"\xff\"", b"payload=%7B%7D"] {
        assert_eq!(verdict(json, bad), Err(RejectedMisconfigured), "{bad:?}");
        assert_eq!(verdict(Some(""), bad), Err(RejectedMisconfigured), "{bad:?}");
        assert_eq!(verdict(None, bad), Ok(()), "{bad:?}");
        assert_eq!(verdict(Some("application/x-www-form-urlencoded"), bad), Ok(()), "{bad:?}");
    }
}

#[test]
fn no_secret_and_nothing_that_was_presented_is_shown() {
    let hook = source(Verification::bearer(secret("t0ken")));
    let refused =
        super::check(Some(&hook), &start(&[("authorization", "gue55")]), BODY).unwrap_err();
    let shown = format!("{hook:?} {refused:?}");
    assert!(!shown.contains("t0ken") && !shown.contains("gue55"), "{shown}");
}
