//! What persons say of records, case by case.

use super::ids::happened;
use super::world::{Run, rows, rules, run_with, words};
use crate::*;

/// Checks the customers of these records by these words, and what became of the words, newest first.
#[track_caller]
fn check(rule: &str, records: &str, said: &str, customers: &str, states: &[OverrideState]) {
    let rules = rules(rule);
    let rows = rows(&rules, records);
    let run = run_with(&rules, &rows, &words(&rows, said), None, 1);
    assert_eq!(run.groups(), customers);
    let found: Vec<OverrideState> = run.resolution.overrides().map(|outcome| outcome.state).collect();
    assert_eq!(found, states);
}

use OverrideState::{Applied, OneRecord, Overruled, UnknownRecord};

#[test]
fn a_word_joins_what_no_identifier_does() {
    let records = "crm a @1 email=x\nweb b @2 email=y\nweb c @3 email=y";
    check("email", records, "a = b @9", "a b c", &[Applied]);
}

#[test]
fn a_word_beats_a_limit_and_brings_the_values_of_both() {
    let records =
        "crm a @1 user=u1\ncrm b @2 user=u2\nshop c @3 user=u2\nshop d @4 user=u1\nshop e @5 user=u3";
    check("user limit=1", records, "a = b @9", "a b c d, e", &[Applied]);
}

#[test]
fn a_customer_above_a_limit_by_a_word_takes_no_more_values() {
    let records = "crm a @1 user=u1\ncrm b @2 user=u2\nshop c @3 user=u3 email=x\nshop d @4 user=u2 email=x";
    check("user limit=1, email", records, "a = b @9", "a b d, c", &[Applied]);
}

#[test]
fn a_word_on_two_records_joins_no_third_beyond_a_limit() {
    // The phone of z is that of a and b, who have as many addresses as one may; what is said of z and c changes nothing of it.
    let records =
        "crm a @1 email=e1 phone=p\ncrm b @2 email=e2 phone=p\ncrm z @3 email=e3 phone=p\ncrm c @4 email=e4";
    let (rule, said) = ("email limit=2, phone", "z = c @9");
    check(rule, records, said, "a b, c z", &[Applied]);
    let rules = rules(rule);
    let rows = rows(&rules, records);
    let run = run_with(&rules, &rows, &words(&rows, said), None, 1);
    let refused: Vec<String> = run
        .resolution
        .conflicts()
        .map(|conflict| conflict.value.into_owned())
        .collect();
    assert_eq!(refused, ["p"]);
}

#[test]
fn a_word_keeps_apart_what_shares_an_identifier() {
    let records = "crm a @1 email=x\ncrm b @2 email=x\nweb c @3 email=x";
    // The value goes with the earlier record; the other is somebody of its own.
    check("email", records, "a != b @9", "a c, b", &[Applied]);
    // Also a fact, of which there would be no customer without a word.
    let facts = "web a @1 email=x\nweb b @2 email=x\nweb c @3 email=x";
    check("email", facts, "b != a @9", "a c, b", &[Applied]);
}

#[test]
fn no_chain_joins_what_a_word_keeps_apart() {
    let records = "crm a @1 email=x\ncrm b @2 phone=p\nweb c @3 email=x phone=p\nweb d @4 phone=p";
    check("email, phone", records, "a != b @9", "a c, b d", &[Applied]);
    // Not even by words on others: the newest is kept.
    check(
        "email, phone",
        records,
        "a != b @9\na = d @8\nd = b @7",
        "a c d, b",
        &[Applied, Applied, Overruled],
    );
}

#[test]
fn the_newest_word_wins() {
    let records = "crm a @1 email=x\ncrm b @2 email=x";
    check(
        "email",
        records,
        "a != b @8\nb = a @9",
        "a b",
        &[Applied, Overruled],
    );
    check(
        "email",
        records,
        "a = b @8\nb != a @9",
        "a, b",
        &[Applied, Overruled],
    );
    // At one moment the one with the greater key.
    check(
        "email",
        records,
        "a = b @9\na != b @9",
        "a, b",
        &[Applied, Overruled],
    );
}

#[test]
fn a_word_on_a_record_that_is_not_there_does_nothing() {
    let records = "crm a @1 email=x\nweb b @2";
    check("email", records, "a = z @9", "a", &[UnknownRecord]);
    check("email", records, "b != z @9", "a", &[UnknownRecord]);
    // A record without an identifier has a customer when somebody says whose it is.
    check("email", records, "a = b @9", "a b", &[Applied]);
}

#[test]
fn of_one_record_there_is_nothing_to_say() {
    let records = "crm a @1 email=x\nweb b @2";
    check(
        "email",
        records,
        "a = a @9\na != a @8",
        "a",
        &[OneRecord, OneRecord],
    );
    // It makes nobody somebody either.
    check("email", records, "b = b @9", "a", &[OneRecord]);
}

#[test]
fn a_refusal_by_a_word_names_no_limit() {
    let rules = rules("email");
    let rows = rows(&rules, "crm a @1 email=x\ncrm b @2 email=x");
    let run = run_with(&rules, &rows, &words(&rows, "a != b @9"), None, 1);
    let conflicts: Vec<Conflict<'_>> = run.resolution.conflicts().collect();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(
        (
            conflicts[0].record.key.as_ref(),
            conflicts[0].limited_type,
            conflicts[0].limit
        ),
        ("b", None, None)
    );
    assert_ne!(conflicts[0].record_customer, conflicts[0].value_customer);
}

#[test]
fn a_word_unmerges_and_its_withdrawal_merges_again() {
    let rules = rules("email");
    let rows = rows(&rules, "crm a @1 email=x\ncrm b @2 email=x");
    let together = run_with(&rules, &rows, &[], None, 1);
    let apart = run_with(&rules, &rows, &words(&rows, "a != b @9"), Some(&together), 2);
    assert_eq!(apart.groups(), "a, b");
    assert_eq!(apart.id("a"), together.id("a"));
    let again = run_with(&rules, &rows, &[], Some(&apart), 3);
    assert_eq!(again.id("b"), together.id("a"));
    assert_eq!(
        again.fate(apart.id("b")),
        Fate::Redirected {
            to: together.id("a"),
            snapshot: 3
        }
    );
}

#[test]
fn who_loses_a_record_by_a_word_is_told_once() {
    let rules = rules("email, phone");
    let rows = rows(
        &rules,
        "crm a @1 email=x\ncrm b @2 email=x\ncrm c @3 email=z\nweb d @4 phone=p",
    );
    let said = |text: &str, previous: Option<&Run>, snapshot: u64| {
        run_with(&rules, &rows, &words(&rows, text), previous, snapshot)
    };
    let first = said("", None, 1);
    assert_eq!(first.groups(), "a b, c, d");

    // The address stays with a, and nothing but the word knows b: it gets an id.
    let apart = said("a != b @9", Some(&first), 2);
    assert_eq!(apart.groups(), "a, b, c, d");
    let names = [
        ("a", apart.id("a")),
        ("b", apart.id("b")),
        ("c", apart.id("c")),
        ("d", apart.id("d")),
    ];
    assert_eq!(happened(&apart, &names), ["b from a"]);
    let again = said("a != b @9", Some(&apart), 3);
    assert_eq!(happened(&again, &names), [""; 0]);

    // It goes to one who is there already, and from there to another; c keeps its id all the while.
    let to_c = said("a != b @9\nb = c @9", Some(&first), 2);
    assert_eq!(to_c.groups(), "a, b c, d");
    assert_eq!(happened(&to_c, &names), ["c from a"]);
    let again = said("a != b @9\nb = c @9", Some(&to_c), 3);
    assert_eq!(happened(&again, &names), [""; 0]);
    let to_d = said("a != b @9\nb = c @9\nb != c @10\nb = d @10", Some(&again), 4);
    assert_eq!(to_d.groups(), "a, b d, c");
    assert_eq!(happened(&to_d, &names), ["d from c"]);
    let back = said("b != d @11\nb = a @11\na != b @9", Some(&to_d), 5);
    assert_eq!(back.groups(), "a b, c, d");
    assert_eq!(happened(&back, &names), ["a from d"]);
}

#[test]
fn a_record_that_comes_after_its_word_was_nobody_s() {
    let rules = rules("email");
    let rows = rows(&rules, "crm a @1 email=x\ncrm b @2 email=x");
    let said = words(&rows, "a != b @9");
    let without = run_with(&rules, &rows[..1], &[], None, 1);
    let spoken = run_with(&rules, &rows[..1], &said, Some(&without), 2);
    let there = run_with(&rules, &rows, &said, Some(&spoken), 3);
    assert_eq!(there.groups(), "a, b");
    assert_eq!(there.resolution.changes(), []);
}
