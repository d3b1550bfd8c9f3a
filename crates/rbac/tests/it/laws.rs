//! The algebra of levels, matrices, scopes and roles: stated once, searched for holes.

use kici_rbac::{Effective, Level, Matrix, RepoScope, Resource};
use proptest::prelude::*;

use crate::any;

/// A lane is one resource's four bits. What holds in each lane for all levels, and leaves the
/// other lanes alone, holds for matrices.
#[test]
fn every_lane_is_ordered_like_the_levels() {
    for resource in Resource::ALL {
        for a in Level::ALL {
            for b in Level::ALL {
                let (one, two) = (Matrix::only(resource, a), Matrix::only(resource, b));
                assert_eq!(one.level(resource), a);
                assert_eq!(one.allows(resource, b), a >= b, "{resource} {a} {b}");
                assert_eq!(one.within(two), a <= b, "{resource} {a} {b}");
                assert_eq!(one.union(two), Matrix::only(resource, a.max(b)));
                assert_eq!(one.cap(two), Matrix::only(resource, a.min(b)));
            }
        }
    }
}

#[test]
fn lanes_do_not_touch_each_other() {
    for resource in Resource::ALL {
        for level in Level::ALL {
            for (other, held) in Matrix::only(resource, level).iter() {
                assert_eq!(held, if other == resource { level } else { Level::None });
            }
            for (other, held) in Matrix::OWNER.with(resource, level).iter() {
                assert_eq!(held, if other == resource { level } else { Level::Admin });
            }
        }
    }
}

proptest! {
    #[test]
    fn a_matrix_has_the_levels_it_was_given(m in any::matrix(), r in any::resource(), l in any::level()) {
        prop_assert_eq!(m.with(r, l).level(r), l);
        prop_assert_eq!(m.without(r).level(r), Level::None);
        prop_assert_eq!(m.without(r), m.with(r, Level::None));
        prop_assert_eq!(m.iter().fold(Matrix::NONE, |sum, (r, l)| sum.union(Matrix::only(r, l))), m);
        prop_assert_eq!(m.held().count() == 0, m.is_empty());
    }

    #[test]
    fn union_is_commutative(a in any::matrix(), b in any::matrix()) {
        prop_assert_eq!(a.union(b), b.union(a));
    }

    #[test]
    fn union_is_associative(a in any::matrix(), b in any::matrix(), c in any::matrix()) {
        prop_assert_eq!(a.union(b).union(c), a.union(b.union(c)));
    }

    #[test]
    fn union_is_idempotent(a in any::matrix()) {
        prop_assert_eq!(a.union(a), a);
        prop_assert_eq!(a.union(Matrix::NONE), a);
        prop_assert_eq!(a.union(Matrix::OWNER), Matrix::OWNER);
    }

    #[test]
    fn union_is_monotone(a in any::matrix(), b in any::matrix(), c in any::matrix()) {
        prop_assert!(a.within(a.union(b)));
        prop_assert!(a.cap(b).union(c).within(a.union(c)), "more on the left is more in the union");
    }

    #[test]
    fn union_is_the_least_that_covers_both(a in any::matrix(), b in any::matrix(), c in any::matrix()) {
        prop_assert_eq!(a.union(b).within(c), a.within(c) && b.within(c));
    }

    #[test]
    fn cap_is_the_most_that_both_cover(a in any::matrix(), b in any::matrix(), c in any::matrix()) {
        prop_assert_eq!(c.within(a.cap(b)), c.within(a) && c.within(b));
        prop_assert_eq!(a.cap(b), b.cap(a));
        prop_assert_eq!(a.union(a.cap(b)), a);
        prop_assert_eq!(a.cap(a.union(b)), a);
    }

    #[test]
    fn within_is_an_order(a in any::matrix(), b in any::matrix(), c in any::matrix()) {
        prop_assert!(a.within(a));
        prop_assert_eq!(a.within(b) && b.within(a), a == b);
        prop_assert!(a.cap(b).within(b) && b.within(b.union(c)) && a.cap(b).within(b.union(c)));
    }

    #[test]
    fn within_is_no_higher_level_anywhere(a in any::matrix(), b in any::matrix()) {
        prop_assert_eq!(a.within(b), a.iter().all(|(r, l)| l <= b.level(r)));
    }

    #[test]
    fn roles_only_add(roles in any::role_grants(), one_more in any::role_grant()) {
        let before = Effective::from_roles(&roles);
        let after = Effective::from_roles(&[roles, vec![one_more]].concat());
        prop_assert!(before.matrix().within(after.matrix()));
        prop_assert!(before.scope().within(after.scope()));
        prop_assert!(!before.is_owner() || after.is_owner());
    }

    #[test]
    fn the_order_of_roles_is_irrelevant(
        (roles, shuffled) in any::role_grants().prop_flat_map(|r| (Just(r.clone()), Just(r).prop_shuffle()))
    ) {
        prop_assert_eq!(Effective::from_roles(&roles), Effective::from_roles(&shuffled));
    }

    #[test]
    fn a_key_never_exceeds_its_maker(maker in any::effective(), key in any::matrix()) {
        let left = maker.capped_by(key);
        prop_assert!(left.matrix().within(maker.matrix()) && left.matrix().within(key));
        prop_assert!(left.scope().within(maker.scope()));
        prop_assert!(!left.is_owner());
        prop_assert_eq!(left.capped_by(key), left, "capping twice is capping once");
    }

    #[test]
    fn scopes_add_up_like_sets(a in any::scope(), b in any::scope(), c in any::scope()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.union(&a), a.clone());
        prop_assert_eq!(a.union(&RepoScope::nothing()), a.clone());
        prop_assert_eq!(a.union(&RepoScope::Everything), RepoScope::Everything);
        prop_assert!(a.within(&a) && a.within(&a.union(&b)));
        prop_assert!(RepoScope::nothing().within(&a) && a.within(&RepoScope::Everything));
    }

    #[test]
    fn a_scope_allows_what_one_of_its_parts_allows(a in any::scope(), b in any::scope(), repo in any::repo()) {
        prop_assert_eq!(a.union(&b).allows(repo), a.allows(repo) || b.allows(repo));
        let either = a.allows_without_repository() || b.allows_without_repository();
        prop_assert_eq!(a.union(&b).allows_without_repository(), either);
    }

    #[test]
    fn what_is_within_allows_no_more(a in any::scope(), b in any::scope(), repo in any::repo()) {
        prop_assert!(!a.within(&b) || !a.allows(repo) || b.allows(repo));
        prop_assert_eq!(a.within(&b), a.beyond(&b) == RepoScope::nothing());
        prop_assert!(!a.allows(repo) || b.allows(repo) || a.beyond(&b).allows(repo));
    }
}
