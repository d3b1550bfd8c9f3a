use kici_model::orgs::OrgState;
use kici_model::{Clock, OrgAlias, OsEntropy, SystemClock};

use super::*;

/// An organization of this age, and a person in it.
fn org(now: Timestamp, age: Duration) -> (Org, UserId) {
    let entropy = OsEntropy::default();
    let org = Org {
        id: OrgId::random(&entropy).unwrap(),
        alias: OrgAlias::random(&entropy).unwrap(),
        name: "Acme".parse().unwrap(),
        state: OrgState::Active,
        created_at: now - age,
    };
    (org, UserId::new(&SystemClock, &entropy).unwrap())
}

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

/// How many of so many invitations to `to` are mailed.
fn invited(mails: &Mails, (org, inviter): &(Org, UserId), to: &str, now: Timestamp) -> usize {
    let occasion = Occasion::Invitation { org, inviter };
    (0..30).filter(|_| mails.admit(occasion, &email(to), now)).count()
}

fn warned(mails: &Mails, org: Option<&OrgId>, now: Timestamp) -> usize {
    let to = email("ada@example.org");
    (0..30).filter(|_| mails.admit(Occasion::Expiry { org }, &to, now)).count()
}

#[test]
fn one_organization_uses_up_its_own_share_of_an_address_alone() {
    let (mails, now) = (Mails::default(), SystemClock.now());
    let (one, other) = (org(now, YOUNG_AGE), org(now, YOUNG_AGE));
    assert_eq!(invited(&mails, &one, "ada@example.org", now), 5);
    assert_eq!(invited(&mails, &one, "ada@example.org", now), 0);
    assert_eq!(invited(&mails, &other, "ada@example.org", now), 5);
    assert_eq!(invited(&mails, &one, "bob@example.org", now), 5);
    assert_eq!(invited(&mails, &one, "ada@example.org", now + DAY), 5);
}

#[test]
fn tags_and_case_are_the_same_mailbox() {
    let (mails, now) = (Mails::default(), SystemClock.now());
    let one = org(now, YOUNG_AGE);
    assert_eq!(invited(&mails, &one, "Ada+a@Example.org", now), 5);
    for same in ["ada@example.org", "ada+b@example.org", "ADA+a+b@example.org.", "ada+@example.org"]
    {
        assert_eq!(invited(&mails, &one, same, now), 0, "{same}");
    }
    // A dot is part of a name at most servers, and a tag alone is no tag.
    for other in ["a.da@example.org", "ada@example.com", "+ada@example.org"] {
        assert_eq!(invited(&mails, &one, other, now), 5, "{other}");
    }
}

#[test]
fn warnings_and_invitations_are_counted_apart() {
    let (mails, now) = (Mails::default(), SystemClock.now());
    let one = org(now, YOUNG_AGE);
    assert_eq!(invited(&mails, &one, "ada@example.org", now), 5);
    assert_eq!(warned(&mails, Some(&one.0.id), now), 10);
    assert_eq!(warned(&mails, None, now), 10);
    assert_eq!(warned(&mails, Some(&one.0.id), now), 0);
    let others = (0..30).map(|_| warned(&mails, Some(&org(now, YOUNG_AGE).0.id), now));
    assert_eq!(others.sum::<usize>(), 18 * 10);
    assert_eq!(invited(&mails, &org(now, YOUNG_AGE), "ada@example.org", now), 5);
}

#[test]
fn organizations_made_to_flood_an_address_send_it_six_mails_and_keep_nobody_else_from_it() {
    let (mails, now) = (Mails::default(), SystemClock.now());
    let fresh: Vec<_> = (0..50).map(|_| org(now, YOUNG_AGE - Duration::from_secs(1))).collect();
    let sent = fresh.iter().map(|one| invited(&mails, one, "ada@example.org", now));
    assert_eq!(sent.sum::<usize>(), 3 * 2);
    let old: Vec<_> = (0..50).map(|_| org(now, YOUNG_AGE)).collect();
    let sent: Vec<_> = old.iter().map(|one| invited(&mails, one, "ada@example.org", now)).collect();
    assert_eq!(sent.iter().sum::<usize>(), 10 * 5);
    // Those that were counted have their whole share, and the next day is another one.
    assert_eq!(sent.iter().filter(|sent| **sent == 5).count(), 10);
    assert_eq!(invited(&mails, &old[49], "ada@example.org", now + DAY), 5);
}

#[test]
fn a_young_organization_and_a_person_with_several_send_few_in_all() {
    let (mails, now) = (Mails::default(), SystemClock.now());
    let one = org(now, Duration::ZERO);
    let to = |n: usize| format!("person-{n}@example.org");
    let sent = |one: &(Org, UserId), from: usize, now| {
        (from..from + 30).map(|n| invited(&mails, one, &to(n), now)).sum::<usize>()
    };
    assert_eq!(sent(&one, 0, now), 20);
    // Another organization of the same person has nothing left; one of another person has.
    let (second, _) = org(now, Duration::ZERO);
    assert_eq!(sent(&(second, one.1.clone()), 100, now), 0);
    assert_eq!(sent(&org(now, Duration::ZERO), 200, now), 20);
    // It has grown up meanwhile.
    assert_eq!(sent(&one, 300, now + YOUNG_AGE), 30 * 5);
    let all: usize = (0..20).map(|n| sent(&one, 1_000 + n * 30, now + YOUNG_AGE)).sum();
    assert_eq!(all, 1_000 - 30 * 5);
}

#[test]
fn the_counts_in_memory_are_bounded_and_young_organizations_fill_half() {
    let (mails, now) = (Mails::default(), SystemClock.now());
    let mut people = (0..).map(|n| format!("person-{n}@example.org"));
    let mut fill = |age| {
        let before = mails.0.lock().unwrap().len();
        loop {
            let one = org(now, age);
            let occasion = Occasion::Invitation { org: &one.0, inviter: &one.1 };
            let mut each = people.by_ref().take(20).map(|to| email(&to));
            if !each.all(|to| mails.admit(occasion, &to, now)) {
                return mails.0.lock().unwrap().len() - before;
            }
        }
    };
    assert!((YOUNG_COUNTS_MAX - 4..=YOUNG_COUNTS_MAX).contains(&fill(Duration::ZERO)));
    assert!(fill(YOUNG_AGE) >= COUNTS_MAX / 2 - 4);
    assert!(mails.0.lock().unwrap().len() <= COUNTS_MAX);
    let one = org(now, Duration::ZERO);
    assert_eq!(invited(&mails, &one, "ada@example.org", now), 0);
    assert_eq!(invited(&mails, &one, "ada@example.org", now + DAY), 2);
}

#[test]
fn a_name_can_not_end_its_quotes() {
    assert_eq!(quoted("Acme"), "\"Acme\"");
    assert_eq!(quoted("A\" and \"B”"), "\"A' and 'B'\"");
}
