//! Whose share is used up by what, and what is left for others.

use super::*;

const SMALL: usize = 256 * 1024;
const LARGE: usize = 25 * 1024 * 1024;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// As many leases of `bytes` as `lease` gives, and the share that had no more.
fn fill(lease: impl Fn(usize) -> BodyLease, bytes: usize) -> (Vec<BodyLease>, Share) {
    let mut taken = Vec::new();
    loop {
        let mut lease = lease(taken.len());
        match lease.grow_to(bytes) {
            Ok(()) => taken.push(lease),
            Err(share) => return (taken, share),
        }
    }
}

#[test]
fn one_network_gets_a_part_of_an_organizations_share_and_others_the_rest() {
    let budget = BodyBudget::for_deliveries();
    let from = |network: &str| {
        let lease = || budget.delivery("org_a", Some(ip(network)), false);
        fill(|_| lease(), LARGE)
    };
    let (first, share) = from("192.0.2.0");
    assert_eq!((first.len(), share), (2, Share::Network));
    let (second, share) = from("198.51.100.0");
    assert_eq!((second.len(), share), (2, Share::Network));
    let (third, share) = from("203.0.113.0");
    assert_eq!((third.len(), share), (0, Share::Organization));
    // Networks with accepted deliveries have a share of their own, and so has every organization.
    let grow = |org, network, is_verified| {
        budget.delivery(org, Some(ip(network)), is_verified).grow_to(LARGE)
    };
    assert_eq!(grow("org_a", "203.0.113.0", true), Ok(()));
    assert_eq!(grow("org_b", "203.0.113.0", false), Ok(()));
    drop(first);
    assert_eq!(grow("org_a", "203.0.113.0", false), Ok(()));
}

#[test]
fn one_network_does_not_get_all_memory_through_many_organizations() {
    let budget = BodyBudget::for_deliveries();
    let network = Some(ip("192.0.2.0"));
    let lease = |n: usize| budget.delivery(&format!("org_{n}"), network, false);
    let (taken, share) = fill(lease, LARGE);
    assert_eq!((taken.len(), share), (6, Share::Network));
    let elsewhere = Some(ip("198.51.100.0"));
    assert_eq!(budget.delivery("org_1", elsewhere, false).grow_to(LARGE), Ok(()));
}

#[test]
fn large_bodies_leave_room_for_small_ones() {
    let budget = BodyBudget::for_deliveries();
    let lease = |n: usize| budget.delivery(&format!("org_{n}"), None, false);
    let (large, share) = fill(lease, LARGE);
    assert_eq!((large.len(), share), (17, Share::Server));
    // One that says its length is large before it has arrived.
    let mut early = lease(18).of_length(Some(LARGE));
    assert_eq!(early.grow_to(23 * 1024 * 1024), Ok(()));
    let (small, share) = fill(lease, SMALL);
    assert_eq!((small.len(), share), (64 * 4, Share::Server));
    drop(early);
    // One that grows is moved from the small to the large ones, all of it.
    let mut growing = lease(19);
    assert_eq!(growing.grow_to(SMALL), Ok(()));
    assert_eq!(growing.grow_to(24 * 1024 * 1024), Err(Share::Server));
    assert_eq!(growing.grow_to(22 * 1024 * 1024), Ok(()));
    assert!(budget.used()[&Owner::Server].small == 64 * MIB);
}

#[test]
fn everything_is_given_back() {
    let budget = BodyBudget::for_api();
    let mut lease = budget.request(Some(ip("192.0.2.0")), Some("token"));
    for bytes in [0, 1, 16 * 1024, 16 * 1024 + 1, 1024 * 1024] {
        assert_eq!(lease.grow_to(bytes), Ok(()));
    }
    assert_eq!(budget.used()[&Owner::Server].large, MIB);
    lease.release();
    assert!(budget.used().is_empty());
    assert_eq!(lease.grow_to(5), Ok(()));
    drop(lease);
    assert!(budget.used().is_empty());
}

#[test]
fn a_credential_and_a_network_of_the_api_have_shares() {
    let budget = BodyBudget::for_api();
    let (network, other) = (Some(ip("192.0.2.0")), Some(ip("198.51.100.0")));
    let body = 1024 * 1024;
    let (taken, share) = fill(|_| budget.request(network, Some("one")), body);
    assert_eq!((taken.len(), share), (7, Share::Credential));
    assert_eq!(budget.request(other, Some("one")).grow_to(body), Err(Share::Credential));
    let (more, share) = fill(|n| budget.request(network, Some(&n.to_string())), body);
    assert_eq!((taken.len() + more.len(), share), (21, Share::Network));
    assert_eq!(budget.request(other, Some("two")).grow_to(body), Ok(()));
    let budget = BodyBudget::for_unauthenticated();
    let (taken, share) = fill(|_| budget.request(network, None), body);
    assert_eq!((taken.len(), share), (7, Share::Network));
    assert_eq!(budget.request(other, None).grow_to(body), Ok(()));
}
