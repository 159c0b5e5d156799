//! Ids over time, case by case.

use super::world::{Run, rows, rules, run};
use crate::*;

const RULES: &str = "user, email";

fn next(records: &str, previous: Option<&Run>, snapshot: u64) -> Run {
    let rules = rules(RULES);
    run(&rules, &rows(&rules, records), previous, snapshot)
}

#[test]
fn the_same_records_keep_their_ids_and_nothing_changes() {
    let records = "crm a @1 user=u\nweb b @2 email=x\ncrm c @3";
    let first = next(records, None, 1);
    let second = next(records, Some(&first), 2);
    assert_eq!(first.customer_of, second.customer_of);
    assert_eq!(first.resolution.ids(), second.resolution.ids());
}

#[test]
fn an_earlier_record_does_not_rename_a_customer() {
    let first = next("web b @5 email=x", None, 1);
    let second = next("web b @5 email=x\nweb a @1 email=x", Some(&first), 2);
    assert_eq!(second.id("a"), first.id("b"));
}

#[test]
fn a_merge_keeps_the_oldest_id_and_redirects_the_other() {
    // b was published first; a has the earlier record.
    let first = next("web b @5 email=y", None, 1);
    let second = next("web b @5 email=y\nweb a @1 email=x", Some(&first), 2);
    let (old, young) = (second.id("b"), second.id("a"));
    assert_ne!(old, young);
    let third = next(
        "web b @5 email=y\nweb a @1 email=x\nweb c @7 email=x email=y",
        Some(&second),
        3,
    );
    assert_eq!(third.groups(), "a b c");
    assert_eq!(third.id("c"), old);
    assert_eq!(third.fate(young), Fate::Redirected { to: old, snapshot: 3 });
    // The date of a redirect stays.
    let fourth = next(
        "web b @5 email=y\nweb a @1 email=x\nweb c @7 email=x email=y",
        Some(&third),
        4,
    );
    assert_eq!(fourth.fate(young), Fate::Redirected { to: old, snapshot: 3 });
}

#[test]
fn within_a_snapshot_the_earlier_founding_record_is_the_older() {
    let first = next("web b @5 email=y\nweb a @1 email=x", None, 1);
    let second = next(
        "web b @5 email=y\nweb a @1 email=x\nweb c @7 email=x email=y",
        Some(&first),
        2,
    );
    assert_eq!(second.id("b"), first.id("a"));
}

#[test]
fn a_split_revives_the_id_of_each_founding_record() {
    let apart = "web b @5 email=y\nweb a @1 email=x";
    let joined = "web b @5 email=y\nweb a @1 email=x\nweb c @7 email=x email=y";
    let first = next(apart, None, 1);
    let second = next(joined, Some(&first), 2);
    let third = next(apart, Some(&second), 3);
    assert_eq!(third.customer_of, first.customer_of);
    assert_eq!(third.fate(first.id("b")), Fate::Current);
}

#[test]
fn a_split_leaves_the_id_with_the_founding_record() {
    let first = next(
        "web a @1 email=x\nweb c @7 email=x email=y\nweb b @5 email=y",
        None,
        1,
    );
    let second = next("web a @1 email=x\nweb b @5 email=y", Some(&first), 2);
    assert_eq!(second.id("a"), first.id("a"));
    assert_ne!(second.id("b"), first.id("a"));
}

#[test]
fn an_id_outlives_its_founding_record() {
    let first = next("web a @1 email=x\nweb b @2 email=x\nweb c @3 email=z", None, 1);
    let second = next("web b @2 email=x\nweb c @3 email=z", Some(&first), 2);
    assert_eq!(second.id("b"), first.id("a"));
    assert_eq!(second.resolution.ids(), first.resolution.ids());
    let third = next("web b @2 email=x\nweb c @3 email=z", Some(&second), 3);
    assert_eq!(third.resolution.ids(), first.resolution.ids());
    // And comes with it into a merge, where it is the oldest.
    let fourth = next(
        "web b @2 email=x\nweb c @3 email=z\nweb d @4 email=x email=z",
        Some(&third),
        4,
    );
    assert_eq!(fourth.id("c"), first.id("a"));
}

#[test]
fn an_orphan_goes_with_the_earliest_of_what_is_left() {
    let first = next(
        "web a @1 email=x email=y\nweb b @5 email=x\nweb c @3 email=y",
        None,
        1,
    );
    let second = next("web b @5 email=x\nweb c @3 email=y", Some(&first), 2);
    assert_eq!(second.id("c"), first.id("a"));
    assert_ne!(second.id("b"), first.id("a"));
}

#[test]
fn an_id_without_records_is_gone_until_they_return() {
    let first = next("crm a @1\nweb b @2 email=x", None, 1);
    let id = first.id("a");
    let second = next("web b @2 email=x", Some(&first), 2);
    assert_eq!(second.fate(id), Fate::Gone { snapshot: 2 });
    let third = next("web b @2 email=x", Some(&second), 3);
    assert_eq!(third.fate(id), Fate::Gone { snapshot: 2 });
    let fourth = next("crm a @1\nweb b @2 email=x", Some(&third), 4);
    assert_eq!((fourth.id("a"), fourth.fate(id)), (id, Fate::Current));
}

#[test]
fn redirects_follow_where_their_target_goes() {
    let first = next("web a @1 email=x\nweb b @5 email=y", None, 1);
    let (a, b) = (first.id("a"), first.id("b"));
    // b becomes a, then b's founding record is deleted, then a is merged into an older one that returns, then all go.
    let second = next(
        "web a @1 email=x\nweb b @5 email=y\nweb c @6 email=x email=y",
        Some(&first),
        2,
    );
    assert_eq!(second.fate(b), Fate::Redirected { to: a, snapshot: 2 });
    let third = next("web a @1 email=x\nweb c @6 email=x email=y", Some(&second), 3);
    assert_eq!(third.fate(b), Fate::Redirected { to: a, snapshot: 2 });
    let fourth = next("crm z @9", Some(&third), 4);
    assert_eq!([fourth.fate(a), fourth.fate(b)], [Fate::Gone { snapshot: 4 }; 2]);
}

#[test]
fn a_taken_id_is_not_given_again() {
    // Another record once got the id that the hash of a would be.
    let taken = PublishedId {
        id: CustomerId::from_hash(record_hash("web", "a")),
        minted_snapshot: 1,
        founding_source: "web".into(),
        founding_at: 0,
        founding_hash: 42,
        fate: Fate::Gone { snapshot: 1 },
        fate_at: 1,
    };
    let rules = rules(RULES);
    let publish = || {
        let previous = PreviousIds::try_new(vec![taken.clone()]).unwrap();
        let mut builder = GraphBuilder::try_new(&rules, vec![Source::facts("web")], previous).unwrap();
        let identifier = builder.intern(0, "u").unwrap();
        let set = builder.set(&[identifier]).unwrap();
        builder.record(0, set, 1, "a").unwrap();
        builder.resolve().unwrap().publish(2, 20).unwrap()
    };
    let (once, again) = (publish(), publish());
    assert_ne!(once.customers()[0].id, taken.id);
    assert_eq!(once.customers(), again.customers());
    assert_eq!(once.ids().len(), 2);
}

#[test]
fn a_damaged_registry_is_refused() {
    let id = |hash: u128, fate| PublishedId {
        id: CustomerId::from_hash(hash << 64),
        minted_snapshot: 1,
        founding_source: "web".into(),
        founding_at: 0,
        founding_hash: hash,
        fate,
        fate_at: 1,
    };
    let to = |hash: u128| Fate::Redirected {
        to: CustomerId::from_hash(hash << 64),
        snapshot: 1,
    };
    let refused = |ids: Vec<PublishedId>| PreviousIds::try_new(ids).map(|ids| ids.len()).unwrap_err();
    assert!(matches!(
        refused(vec![id(1, Fate::Current), id(1, Fate::Current)]),
        Error::DuplicatePublishedId { .. }
    ));
    assert!(matches!(
        refused(vec![id(1, to(2))]),
        Error::BrokenRedirect { .. }
    ));
    assert!(matches!(
        refused(vec![id(1, to(2)), id(2, to(3)), id(3, Fate::Current)]),
        Error::BrokenRedirect { .. }
    ));
    assert_eq!(
        PreviousIds::try_new(vec![id(1, to(2)), id(2, Fate::Current)])
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_place_that_holds_another_row_is_another_record() {
    // A file without keys is replaced: somebody new stands in front, and the others move down.
    let first = next("keyless f:0 @1 email=ann\nkeyless f:1 @1 email=bob", None, 1);
    let second = next(
        "keyless f:0 @1 email=zoe\nkeyless f:1 @1 email=ann\nkeyless f:2 @1 email=bob",
        Some(&first),
        2,
    );
    assert_eq!(second.id("f:1"), first.id("f:0"), "ann keeps her id");
    assert_eq!(second.id("f:2"), first.id("f:1"), "bob keeps his");
    let published: Vec<CustomerId> = first.resolution.ids().iter().map(|id| id.id).collect();
    assert!(!published.contains(&second.id("f:0")), "zoe has one of her own");
    // The same file again is the same records, whatever else is there.
    let third = next(
        "crm z @0\nkeyless f:0 @1 email=zoe\nkeyless f:1 @1 email=ann\nkeyless f:2 @1 email=bob",
        Some(&second),
        3,
    );
    for key in ["f:0", "f:1", "f:2"] {
        assert_eq!(third.id(key), second.id(key));
    }
}

#[test]
fn a_row_at_the_place_of_another_of_its_moment_and_other_values_is_not_that_one() {
    let first = next("inbox f:0 @1 user=u email=x", None, 1);
    for other in [
        "inbox f:0 @2 user=u email=y",
        "inbox f:0 @1 user=v email=y",
        "inbox f:0 @1",
    ] {
        let second = next(&format!("crm k @9 email=x\n{other}"), Some(&first), 2);
        assert_eq!(
            second.customer_of[&(1, "k".to_owned())] == Some(first.id("f:0")),
            !other.contains("user=u"),
            "{other}"
        );
    }
}

/// What happened, each such as `split y from x`, with the keys of records that the ids had in one of the runs.
#[track_caller]
pub(super) fn happened(run: &Run, names: &[(&str, CustomerId)]) -> Vec<String> {
    let name = |id: CustomerId| {
        names
            .iter()
            .find(|(_, other)| *other == id)
            .map_or("?", |(name, _)| name)
    };
    run.resolution
        .changes()
        .iter()
        .map(|change| match (change.kind, change.other) {
            (ChangeKind::Merged, Some(other)) => format!("{} into {}", name(other), name(change.customer)),
            (ChangeKind::Split, Some(other)) => format!("{} from {}", name(change.customer), name(other)),
            (ChangeKind::Gone, None) => format!("{} gone", name(change.customer)),
            (ChangeKind::Returned, None) => format!("{} back", name(change.customer)),
            _ => panic!("{change:?}"),
        })
        .collect()
}

#[test]
fn every_change_of_an_id_is_told_once() {
    let apart = "web a @1 email=x\nweb b @5 email=y";
    let joined = "web a @1 email=x\nweb b @5 email=y\nweb c @6 email=x email=y";
    let first = next(apart, None, 1);
    let names = [("a", first.id("a")), ("b", first.id("b"))];
    assert_eq!(happened(&first, &names), [""; 0]);
    let second = next(joined, Some(&first), 2);
    assert_eq!(happened(&second, &names), ["b into a"]);
    let fates = |run: &Run, id: CustomerId| {
        let published = run.resolution.ids().iter().find(|published| published.id == id);
        published.map(|published| published.fate_at)
    };
    assert_eq!(fates(&second, names[1].1), Some(20));
    let third = next(joined, Some(&second), 3);
    assert_eq!(happened(&third, &names), [""; 0]);
    assert_eq!(
        (fates(&third, names[0].1), fates(&third, names[1].1)),
        (Some(10), Some(20))
    );
    // What joined them goes; then a goes as well, and returns.
    let fourth = next(apart, Some(&third), 4);
    assert_eq!(happened(&fourth, &names), ["b from a"]);
    let fifth = next("web b @5 email=y", Some(&fourth), 5);
    assert_eq!(happened(&fifth, &names), ["a gone"]);
    let sixth = next(apart, Some(&fifth), 6);
    assert_eq!(happened(&sixth, &names), ["a back"]);
    assert_eq!(fates(&sixth, names[1].1), Some(40));
}

#[test]
fn a_part_that_gets_an_id_of_its_own_is_told_of() {
    let first = next(
        "web a @1 email=x\nweb c @3 email=x email=y\nweb b @5 email=y",
        None,
        1,
    );
    let second = next(
        "web a @1 email=x\nweb b @5 email=y\nweb d @6 email=z",
        Some(&first),
        2,
    );
    let names = [("a", first.id("a")), ("b", second.id("b")), ("d", second.id("d"))];
    assert_eq!(happened(&second, &names), ["b from a"]);
}

#[test]
fn a_changed_rule_unmerges_and_says_so() {
    let joined = "crm a @1 user=u email=x\ncrm b @2 user=v email=x";
    let (free, bound) = (rules("user, email"), rules("user limit=1, email"));
    let first = run(&free, &rows(&free, joined), None, 1);
    assert_eq!(first.groups(), "a b");
    let second = run(&bound, &rows(&bound, joined), Some(&first), 2);
    assert_eq!(second.groups(), "a, b");
    let names = [("a", first.id("a")), ("b", second.id("b"))];
    assert_eq!(happened(&second, &names), ["b from a"]);
    let third = run(&free, &rows(&free, joined), Some(&second), 3);
    assert_eq!(happened(&third, &names), ["b into a"]);
    let fourth = run(&bound, &rows(&bound, joined), Some(&third), 4);
    assert_eq!(happened(&fourth, &names), ["b from a"]);
    assert_eq!(fourth.customer_of, second.customer_of);
}
