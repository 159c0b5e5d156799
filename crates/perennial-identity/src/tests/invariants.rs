//! The invariants of identity resolution on random worlds. A failure prints its seed and the smallest world that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use proptest::prelude::*;

use super::oracle::{by_definition, components};
use super::seeds;
use super::world::{Row, Run, SOURCES, keyed, rules, run, run_with, words};
use crate::*;

const FREE: &str = "user strong, email, device";
/// Three types, each with any of the bounds.
fn any_rules() -> impl Strategy<Value = String> {
    let bound = |name: &'static str| {
        let bound = prop::option::of(1_u32..4).prop_map(move |bound| match bound {
            Some(bound) => format!(" {name}={bound}"),
            None => String::new(),
        });
        prop_oneof![Just(String::new()), bound]
    };
    let rule = move || {
        (
            prop::sample::select(vec!["", " strong"]),
            bound("limit"),
            bound("max"),
        )
    };
    let rules = (rule(), rule(), rule());
    rules.prop_map(|(user, email, device)| {
        let text =
            |name: &str, (strong, limit, max): (&str, String, String)| format!("{name}{strong}{limit}{max}");
        [text("user", user), text("email", email), text("device", device)].join(", ")
    })
}

/// Long chains and stars: each record has a value of its neighbour.
fn any_chain(most: usize) -> impl Strategy<Value = Vec<Row>> {
    let link = (0..SOURCES.len() as u16, 0_i64..4, 0_usize..3, 0_usize..4);
    prop::collection::vec(link, 1..most).prop_map(|links| {
        let row = |(number, (source, time, of_type, back)): (usize, (u16, i64, usize, usize))| Row {
            source,
            key: format!("k{number:03}"),
            time,
            versions: vec![vec![
                (of_type, format!("v{}", number.saturating_sub(back))),
                (2 - of_type, format!("v{}", number + back)),
            ]],
        };
        links.into_iter().enumerate().map(row).collect()
    })
}

/// Up to `most` records with few values, so that they meet.
fn any_rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    let identifier = (0_usize..3, 0_u8..5).prop_map(|(of_type, value)| (of_type, format!("v{value}")));
    let version = prop::collection::vec(identifier, 0..4);
    let row = (
        0..SOURCES.len() as u16,
        0_i64..6,
        prop::collection::vec(version, 1..3),
    );
    prop::collection::vec(row, 0..most).prop_map(|rows| {
        let named = |(number, (source, time, mut versions)): (usize, (u16, i64, Vec<_>))| {
            // Where there are no keys there are no versions.
            versions.truncate(if keyed(source) { 2 } else { 1 });
            Row {
                source,
                key: format!("k{number:02}"),
                time,
                versions,
            }
        };
        rows.into_iter().enumerate().map(named).collect()
    })
}

/// A word on two of `most` records: their numbers, whether they are the same, and when.
fn any_word(most: usize) -> impl Strategy<Value = (usize, usize, bool, i64)> {
    (0..most, 0..most, any::<bool>(), 0_i64..4)
}

fn said_of(rows: &[Row], said: &[(usize, usize, bool, i64)]) -> Vec<Override> {
    let line = |(a, b, same, time): &(usize, usize, bool, i64)| {
        format!("k{a:02} {} k{b:02} @{time}", if *same { "=" } else { "!=" })
    };
    words(rows, &said.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// All that a resolution tells of rows that are fed by so many threads.
fn fed_by(rules: &Rules, rows: &[Row], threads: usize) -> String {
    let source = |(name, person): &(&str, bool)| {
        if *person {
            Source::persons(*name)
        } else {
            Source::facts(*name)
        }
    };
    let sources = SOURCES.iter().map(source).collect();
    let builder = Mutex::new(GraphBuilder::try_new(rules, sources, PreviousIds::default()).unwrap());
    std::thread::scope(|scope| {
        for share in 0..threads {
            let builder = &builder;
            scope.spawn(move || {
                for row in rows.iter().skip(share).step_by(threads) {
                    let values = row.versions.concat();
                    let set = {
                        let mut builder = builder.lock().unwrap();
                        let values: Vec<IdentifierId> = values
                            .iter()
                            .map(|(of_type, value)| builder.intern(*of_type, value).unwrap())
                            .collect();
                        builder.set(&values).unwrap()
                    };
                    std::thread::yield_now();
                    builder
                        .lock()
                        .unwrap()
                        .record(row.source, set, row.time, &row.key)
                        .unwrap();
                }
            });
        }
    });
    let resolution = builder
        .into_inner()
        .unwrap()
        .resolve()
        .unwrap()
        .publish(1, 10)
        .unwrap();
    relations(&resolution)
}

fn shuffled(most: usize) -> impl Strategy<Value = (Vec<Row>, Vec<Row>)> {
    any_rows(most).prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
}

/// Everything that a run tells, as one text.
fn told(run: &Run) -> String {
    format!("{:#?} {}", run.customer_of, relations(&run.resolution))
}

fn relations(resolution: &Resolution) -> String {
    let words = resolution.overrides().map(|outcome| {
        (
            outcome.state,
            outcome.word.time,
            outcome.customer_a,
            outcome.customer_b,
        )
    });
    let of_customers: Vec<_> = (0..resolution.customers().len() as u32)
        .map(|customer| resolution.groups_of_customer(customer).collect::<BTreeSet<_>>())
        .collect();
    let relations = (
        resolution.customers(),
        resolution.identities().collect::<Vec<_>>(),
        resolution.links().collect::<Vec<_>>(),
        of_customers,
        resolution.override_links().collect::<Vec<_>>(),
        words.collect::<Vec<_>>(),
    );
    let rest = (
        resolution.conflicts().collect::<Vec<_>>(),
        resolution.warnings(),
        resolution.ids(),
    );
    format!("{relations:#?} {rest:#?}")
}

/// Every id ever published is current, leads to a current one in one hop, or is gone, and is gone only when nothing is
/// left of it.
fn check_ids(before: &Run, after: &Run, unbounded: bool) -> Result<(), TestCaseError> {
    let current: BTreeSet<CustomerId> = after
        .resolution
        .customers()
        .iter()
        .map(|customer| customer.id)
        .collect();
    let living = |key: &(u16, String)| after.customer_of.get(key).is_some_and(Option::is_some);
    let now: BTreeMap<CustomerId, &PublishedId> = after
        .resolution
        .ids()
        .iter()
        .map(|published| (published.id, published))
        .collect();
    prop_assert!(current.iter().all(|id| now.contains_key(id)));
    for old in before.resolution.ids() {
        let new = now.get(&old.id).copied();
        prop_assert!(new.is_some(), "{old:?} is forgotten");
        let new = new.unwrap();
        prop_assert_eq!(
            (old.minted_snapshot, old.founding_hash),
            (new.minted_snapshot, new.founding_hash)
        );
        prop_assert_eq!(new.fate == Fate::Current, current.contains(&new.id));
        match new.fate {
            Fate::Current => {}
            Fate::Redirected { to, .. } => prop_assert!(current.contains(&to)),
            Fate::Gone { .. } => {
                let stood_for = match old.fate {
                    Fate::Current => Some(old.id),
                    Fate::Redirected { to, .. } => Some(to),
                    Fate::Gone { .. } => None,
                };
                let had = before
                    .customer_of
                    .iter()
                    .filter(|(_, id)| id.is_some() && **id == stood_for);
                let is_founder = |key: &(u16, String)| before.hashes.get(key) == Some(&old.founding_hash);
                for (key, _) in had {
                    prop_assert!(
                        !living(key) || !(unbounded || is_founder(key)),
                        "{old:?} is gone, {key:?} lives"
                    );
                }
                let identities = before
                    .identities()
                    .into_iter()
                    .filter(|(id, ..)| Some(*id) == stood_for);
                let held: BTreeSet<_> = after
                    .identities()
                    .into_iter()
                    .map(|(_, of_type, value)| (of_type, value))
                    .collect();
                for (_, of_type, value) in identities {
                    prop_assert!(!held.contains(&(of_type, value)));
                }
            }
        }
    }
    // The changes are the differences between the two, and parts that got an id of their own.
    let fate_of = |run: &Run| -> BTreeMap<CustomerId, Fate> {
        run.resolution
            .ids()
            .iter()
            .map(|published| (published.id, published.fate))
            .collect()
    };
    let (then, since) = (fate_of(before), fate_of(after));
    let mut told: BTreeSet<CustomerId> = BTreeSet::new();
    for change in after.resolution.changes() {
        let (about, target) = match change.kind {
            ChangeKind::Merged => (change.other.unwrap(), Some(change.customer)),
            _ => (change.customer, None),
        };
        prop_assert!(told.insert(about), "{change:?} is told twice");
        match (then.get(&about), since[&about]) {
            (Some(old), new) => {
                prop_assert_ne!(*old, new);
                if let Fate::Redirected { to, .. } = new {
                    prop_assert_eq!(target, Some(to));
                }
            }
            (None, new) => {
                prop_assert_eq!((change.kind, new), (ChangeKind::Split, Fate::Current));
                let other = change.other.unwrap();
                if let Some(of) = founded_in(before, after, about) {
                    prop_assert_eq!(other, of, "{:?}", change);
                    continue;
                }
                let was = |of: &Run, id: CustomerId| -> BTreeSet<(usize, String)> {
                    let identities = of.identities().into_iter().filter(|(holder, ..)| *holder == id);
                    identities.map(|(_, of_type, value)| (of_type, value)).collect()
                };
                prop_assert!(!was(before, other).is_disjoint(&was(after, about)));
            }
        }
    }
    for id in since.keys().filter(|id| !then.contains_key(id)) {
        let of = founded_in(before, after, *id);
        prop_assert!(of.is_none() || told.contains(id), "{id} was a part of {of:?}");
    }
    for (id, old) in &then {
        prop_assert_eq!(*old != since[id], told.contains(id), "{} is passed over", id);
    }
    // Who has the founding record of a published id keeps the oldest such id.
    for customer in after.resolution.customers() {
        let mine: BTreeSet<u128> = after
            .customer_of
            .iter()
            .filter(|(_, id)| **id == Some(customer.id))
            .map(|(key, _)| after.hashes[key])
            .collect();
        let age = |published: &&PublishedId| {
            (
                published.minted_snapshot,
                published.founding_at,
                published.founding_source.clone(),
                published.founding_hash,
            )
        };
        let oldest = before
            .resolution
            .ids()
            .iter()
            .filter(|published| mine.contains(&published.founding_hash))
            .min_by_key(age);
        let kept = before
            .resolution
            .ids()
            .iter()
            .find(|published| published.id == customer.id);
        match (oldest, kept) {
            (Some(oldest), Some(kept)) if mine.contains(&kept.founding_hash) => {
                prop_assert_eq!(oldest.id, kept.id);
            }
            (Some(oldest), Some(kept)) => {
                prop_assert!(age(&kept) < age(&oldest), "an orphan survives only as the oldest");
            }
            (Some(oldest), None) => prop_assert!(false, "{oldest:?} is passed over"),
            (None, _) => {}
        }
    }
    Ok(())
}

/// The customer who had the founding record of a new one before; none when that record has come since, or was nobody's.
fn founded_in(before: &Run, after: &Run, id: CustomerId) -> Option<CustomerId> {
    let published = after
        .resolution
        .ids()
        .iter()
        .find(|published| published.id == id)?;
    let mut founders = after
        .hashes
        .iter()
        .filter(|(_, hash)| **hash == published.founding_hash);
    let (founder, hash) = founders.next()?;
    // Another row may have come to stand at the place.
    let same = keyed(founder.0) || before.hashes.get(founder) == Some(hash);
    before
        .customer_of
        .get(founder)
        .copied()
        .flatten()
        .filter(|_| same)
}

proptest! {
    #![proptest_config(seeds::config())]

    #[test]
    fn order_of_arrival_does_not_matter(rule in any_rules(), (rows, other_order) in shuffled(16)) {
        let rules = rules(&rule);
        prop_assert_eq!(told(&run(&rules, &rows, None, 1)), told(&run(&rules, &other_order, None, 1)));
    }

    #[test]
    fn order_of_arrival_does_not_matter_after_other_runs(
        rule in any_rules(),
        (rows, other_order) in shuffled(16),
        earlier in prop::collection::vec(any::<bool>(), 16),
    ) {
        let rules = rules(&rule);
        let part: Vec<Row> = rows.iter().zip(&earlier).filter(|(_, there)| **there).map(|(row, _)| row.clone()).collect();
        let first = run(&rules, &part, None, 1);
        prop_assert_eq!(told(&run(&rules, &rows, Some(&first), 2)), told(&run(&rules, &other_order, Some(&first), 2)));
    }

    #[test]
    fn incremental_is_full(
        rule in any_rules(),
        rows in any_rows(16),
        landings in prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.6), 16), 1..5),
    ) {
        let rules = rules(&rule);
        // Files come, go and come again; what counts is what is there.
        let mut last: Option<Run> = None;
        for (snapshot, there) in (1..).zip(landings) {
            let part: Vec<Row> = rows.iter().zip(there).filter(|(_, there)| *there).map(|(row, _)| row.clone()).collect();
            let next = run(&rules, &part, last.as_ref(), snapshot);
            prop_assert_eq!(next.partition(), run(&rules, &part, None, 1).partition());
            last = Some(next);
        }
        let incremental = run(&rules, &rows, last.as_ref(), 8);
        prop_assert_eq!(incremental.partition(), run(&rules, &rows, None, 1).partition());
        // Landing the same again changes nothing.
        let again = run(&rules, &rows, Some(&incremental), 9);
        prop_assert_eq!(told(&incremental), told(&again));
        prop_assert_eq!(again.resolution.changes(), []);
    }

    #[test]
    fn without_limits_customers_are_connected_components(rows in any_rows(24)) {
        prop_assert_eq!(run(&rules(FREE), &rows, None, 1).partition(), components(&rows));
    }

    #[test]
    fn chains_and_stars_are_connected_components(rows in any_chain(200)) {
        prop_assert_eq!(run(&rules(FREE), &rows, None, 1).partition(), components(&rows));
    }

    #[test]
    fn chains_and_stars_obey_the_bounds(rule in any_rules(), rows in any_chain(24)) {
        let rules = rules(&rule);
        prop_assert_eq!(run(&rules, &rows, None, 1).partition(), by_definition(&rules, &rows, &[]));
    }

    /// A builder that several threads feed side by side has the outcome of one thread.
    #[test]
    fn the_number_of_threads_does_not_matter(rule in any_rules(), rows in any_rows(24), threads in 2_usize..5) {
        let rules = rules(&rule);
        prop_assert_eq!(fed_by(&rules, &rows, 1), fed_by(&rules, &rows, threads));
    }

    #[test]
    fn bounds_do_what_their_definition_says(rule in any_rules(), rows in any_rows(20)) {
        let rules = rules(&rule);
        prop_assert_eq!(run(&rules, &rows, None, 1).partition(), by_definition(&rules, &rows, &[]));
    }

    #[test]
    fn words_do_what_their_definition_says(
        rule in any_rules(),
        (rows, other_order) in shuffled(16),
        said in prop::collection::vec(any_word(16), 1..8),
    ) {
        let rules = rules(&rule);
        let words = said_of(&rows, &said);
        let run_one = run_with(&rules, &rows, &words, None, 1);
        prop_assert_eq!(run_one.partition(), by_definition(&rules, &rows, &words));
        let reversed: Vec<Override> = words.iter().rev().cloned().collect();
        prop_assert_eq!(told(&run_one), told(&run_with(&rules, &other_order, &reversed, None, 1)));
        // Each word is kept, or contradicted by a newer one, or about nothing.
        for outcome in run_one.resolution.overrides() {
            let group = |(source, key): &(String, String)| {
                let mut of = run_one.customer_of.iter();
                of.find(|((number, other), _)| SOURCES[usize::from(*number)].0 == source && other == key)
                    .map(|(_, id)| *id)
            };
            let (a, b) = (group(&outcome.word.a), group(&outcome.word.b));
            match outcome.state {
                OverrideState::UnknownRecord => prop_assert!(a.is_none() || b.is_none()),
                OverrideState::OneRecord => prop_assert_eq!(&outcome.word.a, &outcome.word.b),
                OverrideState::Applied => prop_assert_eq!(
                    a.is_some() && a == b,
                    outcome.word.verdict == Verdict::Same
                ),
                _ => {
                    let newer: Vec<Override> = words
                        .iter()
                        .filter(|word| (word.time, &word.key) > (outcome.word.time, &outcome.word.key))
                        .cloned()
                        .collect();
                    prop_assert!(!newer.is_empty());
                }
            }
        }
        // A customer is above a limit only by values of records that a word joins.
        let mut held: BTreeMap<(u32, usize), u32> = BTreeMap::new();
        for identity in run_one.resolution.identities() {
            *held.entry((identity.customer, identity.identifier_type)).or_default() += 1;
        }
        let spoken: BTreeSet<&(String, String)> = words
            .iter()
            .filter(|word| word.verdict == Verdict::Same)
            .flat_map(|word| [&word.a, &word.b])
            .collect();
        let mut own: BTreeMap<(CustomerId, usize), BTreeSet<String>> = BTreeMap::new();
        for row in &rows {
            let record = (SOURCES[usize::from(row.source)].0.to_owned(), row.key.clone());
            let of = run_one.customer_of.get(&(row.source, row.key.clone()));
            if let Some(Some(id)) = of.filter(|_| spoken.contains(&record)) {
                for (of_type, value) in row.versions.concat() {
                    own.entry((*id, of_type)).or_default().insert(value);
                }
            }
        }
        for ((customer, identifier_type), count) in held {
            let id = run_one.resolution.customers()[customer as usize].id;
            let own = own.get(&(id, identifier_type)).map_or(0, BTreeSet::len) as u32;
            let limit = rules.identifiers()[identifier_type].limit;
            prop_assert!(limit.is_none_or(|limit| count <= limit + own), "{} with {} own", count, own);
        }
    }

    #[test]
    fn words_come_and_go_and_ids_are_for_ever(
        rule in any_rules(),
        rows in any_rows(12),
        said in prop::collection::vec(any_word(12), 1..6),
        runs in prop::collection::vec(
            (prop::collection::vec(any::<bool>(), 6), prop::collection::vec(prop::bool::weighted(0.8), 12)),
            2..5,
        ),
    ) {
        let rules = rules(&rule);
        let words = said_of(&rows, &said);
        let mut last: Option<Run> = None;
        for (snapshot, (heard, there)) in (1..).zip(runs) {
            let rows: Vec<Row> = rows.iter().zip(there).filter(|(_, there)| *there).map(|(row, _)| row.clone()).collect();
            let words: Vec<Override> = words.iter().zip(heard).filter(|(_, heard)| *heard).map(|(word, _)| word.clone()).collect();
            let next = run_with(&rules, &rows, &words, last.as_ref(), snapshot);
            // The partition is that of one run, whatever was said before.
            prop_assert_eq!(next.partition(), run_with(&rules, &rows, &words, None, 1).partition());
            if let Some(last) = &last {
                check_ids(last, &next, false)?;
            }
            last = Some(next);
        }
    }

    #[test]
    fn no_customer_exceeds_a_limit(rule in any_rules(), rows in any_rows(30)) {
        let rules = rules(&rule);
        let run = run(&rules, &rows, None, 1);
        let mut held: BTreeMap<(u32, usize), u32> = BTreeMap::new();
        for identity in run.resolution.identities() {
            *held.entry((identity.customer, identity.identifier_type)).or_default() += 1;
        }
        for ((_, identifier_type), count) in held {
            prop_assert!(rules.identifiers()[identifier_type].limit.is_none_or(|limit| count <= limit));
        }
        for conflict in run.resolution.conflicts() {
            prop_assert!(conflict.record_customer.is_some() && conflict.record_customer != conflict.value_customer);
        }
    }

    #[test]
    fn ids_are_for_ever(
        rows in any_rows(12),
        runs in prop::collection::vec((any_rules(), prop::collection::vec(any::<bool>(), 12)), 2..6),
    ) {
        let unbounded = runs.iter().all(|(rule, _)| !rule.contains('='));
        let mut last: Option<Run> = None;
        for (snapshot, (rule, there)) in (1..).zip(runs) {
            let rows: Vec<Row> = rows.iter().zip(there).filter(|(_, there)| *there).map(|(row, _)| row.clone()).collect();
            let next = run(&rules(&rule), &rows, last.as_ref(), snapshot);
            if let Some(last) = &last {
                check_ids(last, &next, unbounded)?;
            }
            last = Some(next);
        }
    }

    #[test]
    fn ids_are_for_ever_without_bounds(
        rows in any_rows(12),
        runs in prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.7), 12), 2..6),
    ) {
        let mut last: Option<Run> = None;
        for (snapshot, there) in (1..).zip(runs) {
            let rows: Vec<Row> = rows.iter().zip(there).filter(|(_, there)| *there).map(|(row, _)| row.clone()).collect();
            let next = run(&rules(FREE), &rows, last.as_ref(), snapshot);
            if let Some(last) = &last {
                check_ids(last, &next, true)?;
            }
            last = Some(next);
        }
    }
}
