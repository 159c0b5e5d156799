//! The invariants of identity resolution on random worlds. A failure prints its seed and the smallest world that fails.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::UnGraph;
use proptest::prelude::*;

use super::world::{Row, Run, SOURCES, keyed, rules, run, run_with, words};
use crate::*;

type Groups = BTreeSet<BTreeSet<(u16, String)>>;

const FREE: &str = "user strong, email, device";
const BOUND: &str = "user strong limit=1, email limit=2, device max=1";
const TIGHT: &str = "user strong limit=1 max=1, email limit=1 max=2, device limit=2 max=1";

fn any_rules() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![FREE, BOUND, TIGHT])
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

fn shuffled(most: usize) -> impl Strategy<Value = (Vec<Row>, Vec<Row>)> {
    any_rows(most).prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
}

/// Everything that a run tells, as one text.
fn told(run: &Run) -> String {
    let resolution = &run.resolution;
    let relations = (
        resolution.customers(),
        resolution.identities().collect::<Vec<_>>(),
        resolution.links().collect::<Vec<_>>(),
        resolution.override_links().collect::<Vec<_>>(),
        resolution
            .overrides()
            .map(|outcome| {
                (
                    outcome.state,
                    outcome.word.time,
                    outcome.customer_a,
                    outcome.customer_b,
                )
            })
            .collect::<Vec<_>>(),
    );
    let rest = (
        resolution.conflicts().collect::<Vec<_>>(),
        resolution.warnings(),
        resolution.ids(),
    );
    format!("{:#?} {relations:#?} {rest:#?}", run.customer_of)
}

/// Connected components of records and identifiers, without bounds.
fn components(rows: &[Row]) -> Groups {
    let mut graph: UnGraph<Option<(u16, String)>, ()> = UnGraph::default();
    let mut values = BTreeMap::new();
    for row in rows {
        let (_, person) = SOURCES[usize::from(row.source)];
        if !person && row.versions.concat().is_empty() {
            continue;
        }
        let record = graph.add_node(Some((row.source, row.key.clone())));
        for identifier in row.versions.concat() {
            let value = *values.entry(identifier).or_insert_with(|| graph.add_node(None));
            graph.add_edge(record, value, ());
        }
    }
    tarjan_scc(&graph)
        .into_iter()
        .map(|nodes| nodes.into_iter().filter_map(|node| graph[node].clone()).collect())
        .collect()
}

type Pairs = BTreeSet<((u16, String), (u16, String))>;

/// The words that count, by a search for contradictions: newest first, each against the closure of those before it.
fn in_force(rows: &[Row], words: &[Override], spoken_of: &mut BTreeSet<(u16, String)>) -> (Pairs, Pairs) {
    let mut words: Vec<&Override> = words.iter().collect();
    words.sort_by_key(|word| (word.time, &word.source, &word.key));
    let record = |(source, key): &(String, String)| {
        let is = |row: &&Row| SOURCES[usize::from(row.source)].0 == source && row.key == *key;
        rows.iter().find(is).map(|row| (row.source, row.key.clone()))
    };
    let (mut same, mut different, mut pairs) = (Pairs::new(), Pairs::new(), Pairs::new());
    let connected = |same: &Pairs, a: &(u16, String), b: &(u16, String)| {
        let mut reached = BTreeSet::from([a.clone()]);
        loop {
            let before = reached.len();
            for (a, b) in same {
                if reached.contains(a) || reached.contains(b) {
                    reached.extend([a.clone(), b.clone()]);
                }
            }
            if reached.len() == before {
                return reached.contains(b);
            }
        }
    };
    for word in words.into_iter().rev() {
        let (Some(a), Some(b)) = (record(&word.a), record(&word.b)) else {
            continue;
        };
        if a == b || !pairs.insert((a.clone().min(b.clone()), a.clone().max(b.clone()))) {
            continue;
        }
        spoken_of.extend([a.clone(), b.clone()]);
        match word.verdict {
            Verdict::Same => {
                let mut with = same.clone();
                with.insert((a.clone(), b.clone()));
                if !different.iter().any(|(a, b)| connected(&with, a, b)) {
                    same = with;
                }
            }
            Verdict::Different => {
                if !connected(&same, &a, &b) {
                    different.insert((a, b));
                }
            }
        }
    }
    (same, different)
}

/// The definition of the bounds, record by record and by exhaustive search: no signatures, no union-find, no counts.
fn by_definition(rules: &Rules, rows: &[Row], words: &[Override]) -> Groups {
    type Node = (BTreeSet<(u16, String)>, BTreeSet<(usize, String)>);
    let person = |record: &(u16, String)| SOURCES[usize::from(record.0)].1;
    let mut spoken_of: BTreeSet<(u16, String)> = BTreeSet::new();
    let (same, different) = in_force(rows, words, &mut spoken_of);
    let somebody = |(records, values): &Node| {
        !values.is_empty()
            || records.iter().any(person)
            || records.iter().any(|record| spoken_of.contains(record))
    };
    let mut nodes: Vec<Node> = rows
        .iter()
        .map(|row| (BTreeSet::from([(row.source, row.key.clone())]), BTreeSet::new()))
        .collect();
    for (a, b) in &same {
        let place = |nodes: &[Node], record| {
            nodes
                .iter()
                .position(|(records, _)| records.contains(record))
                .unwrap()
        };
        let (a, b) = (place(&nodes, a), place(&nodes, b));
        if a != b {
            let (records, _) = nodes[b].clone();
            nodes[a].0.extend(records);
            nodes.swap_remove(b);
        }
    }
    let word_of: BTreeSet<&(u16, String)> = same.iter().flat_map(|(a, b)| [a, b]).collect();
    for (of_type, rule) in rules.identifiers().iter().enumerate() {
        let mut edges: Vec<(i64, String, &str, String, u16)> = Vec::new();
        for row in rows {
            let values = row
                .versions
                .concat()
                .into_iter()
                .filter(|(other, _)| *other == of_type)
                .map(|(_, value)| value);
            for value in values.collect::<BTreeSet<String>>() {
                edges.push((
                    row.time,
                    value,
                    SOURCES[usize::from(row.source)].0,
                    row.key.clone(),
                    row.source,
                ));
            }
        }
        let mut joined: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, value, ..) in &edges {
            let holds = |(records, _): &&Node| {
                edges.iter().any(|(_, other, _, key, source)| {
                    other == value && records.contains(&(*source, key.clone()))
                })
            };
            joined.insert(
                value,
                nodes.iter().filter(holds).filter(|node| somebody(node)).count(),
            );
        }
        let withheld: BTreeSet<String> = joined
            .into_iter()
            .filter(|(_, customers)| rule.max_customers.is_some_and(|most| *customers > most as usize))
            .map(|(value, _)| value.to_owned())
            .collect();
        edges.sort();
        for (_, value, _, key, source) in edges
            .into_iter()
            .filter(|(_, value, ..)| !withheld.contains(value))
        {
            let identifier = (of_type, value);
            let of_record = nodes
                .iter()
                .position(|(records, _)| records.contains(&(source, key.clone())))
                .unwrap();
            let of_value = nodes.iter().position(|(_, values)| values.contains(&identifier));
            let mut together = nodes[of_record].clone();
            together.1.insert(identifier.clone());
            if let Some(other) = of_value {
                together.0.extend(nodes[other].0.clone());
                together.1.extend(nodes[other].1.clone());
            }
            let of_type = |values: &BTreeSet<(usize, String)>, limited: usize| {
                values.iter().filter(|(other, _)| *other == limited).count()
            };
            let alone = BTreeSet::from([together
                .1
                .iter()
                .find(|other| **other == identifier)
                .unwrap()
                .clone()]);
            let other_values = of_value.map_or(&alone, |other| &nodes[other].1);
            let grows = |limited: usize| {
                of_type(&nodes[of_record].1, limited) < of_type(&together.1, limited)
                    && of_type(other_values, limited) < of_type(&together.1, limited)
            };
            let exceeded = rules.identifiers().iter().enumerate().any(|(limited, rule)| {
                rule.limit
                    .is_some_and(|limit| grows(limited) && of_type(&together.1, limited) > limit as usize)
            });
            let exceeded = exceeded && !word_of.contains(&(source, key.clone()));
            let apart = different
                .iter()
                .any(|(a, b)| together.0.contains(a) && together.0.contains(b));
            if !exceeded && !apart {
                nodes[of_record] = together;
                if let Some(other) = of_value.filter(|other| *other != of_record) {
                    nodes.swap_remove(other);
                }
            }
        }
    }
    nodes
        .into_iter()
        .filter(somebody)
        .map(|(records, _)| records)
        .collect()
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
                let was = |of: &Run, id: CustomerId| -> BTreeSet<(usize, String)> {
                    let identities = of.identities().into_iter().filter(|(holder, ..)| *holder == id);
                    identities.map(|(_, of_type, value)| (of_type, value)).collect()
                };
                prop_assert!(!was(before, other).is_disjoint(&was(after, about)));
            }
        }
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn order_of_arrival_does_not_matter(rule in any_rules(), (rows, other_order) in shuffled(16)) {
        let rules = rules(rule);
        prop_assert_eq!(told(&run(&rules, &rows, None, 1)), told(&run(&rules, &other_order, None, 1)));
    }

    #[test]
    fn order_of_arrival_does_not_matter_after_other_runs(
        rule in any_rules(),
        (rows, other_order) in shuffled(16),
        earlier in prop::collection::vec(any::<bool>(), 16),
    ) {
        let rules = rules(rule);
        let part: Vec<Row> = rows.iter().zip(&earlier).filter(|(_, there)| **there).map(|(row, _)| row.clone()).collect();
        let first = run(&rules, &part, None, 1);
        prop_assert_eq!(told(&run(&rules, &rows, Some(&first), 2)), told(&run(&rules, &other_order, Some(&first), 2)));
    }

    #[test]
    fn incremental_is_full(rule in any_rules(), rows in any_rows(16), split in 0_usize..16) {
        let rules = rules(rule);
        let first = run(&rules, &rows[..split.min(rows.len())], None, 1);
        let incremental = run(&rules, &rows, Some(&first), 2);
        prop_assert_eq!(incremental.partition(), run(&rules, &rows, None, 1).partition());
        // Landing the same again changes nothing.
        let again = run(&rules, &rows, Some(&incremental), 3);
        prop_assert_eq!(told(&incremental), told(&again));
    }

    #[test]
    fn without_limits_customers_are_connected_components(rows in any_rows(24)) {
        prop_assert_eq!(run(&rules(FREE), &rows, None, 1).partition(), components(&rows));
    }

    #[test]
    fn bounds_do_what_their_definition_says(rule in any_rules(), rows in any_rows(20)) {
        let rules = rules(rule);
        prop_assert_eq!(run(&rules, &rows, None, 1).partition(), by_definition(&rules, &rows, &[]));
    }

    #[test]
    fn words_do_what_their_definition_says(
        rule in any_rules(),
        (rows, other_order) in shuffled(16),
        said in prop::collection::vec(any_word(16), 1..8),
    ) {
        let rules = rules(rule);
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
                OverrideState::Applied if outcome.word.a == outcome.word.b => {}
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
                    prop_assert!(!newer.is_empty() || outcome.word.a == outcome.word.b);
                }
            }
        }
        // A customer is above a limit only by a word.
        let mut held: BTreeMap<(u32, usize), u32> = BTreeMap::new();
        for identity in run_one.resolution.identities() {
            *held.entry((identity.customer, identity.identifier_type)).or_default() += 1;
        }
        let by_word: BTreeSet<u32> = run_one.resolution.override_links().map(|link| link.customer).collect();
        for ((customer, identifier_type), count) in held {
            let within = rules.identifiers()[identifier_type].limit.is_none_or(|limit| count <= limit);
            prop_assert!(within || by_word.contains(&customer));
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
        let rules = rules(rule);
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
        let rules = rules(rule);
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
        let unbounded = runs.iter().all(|(rule, _)| *rule == FREE);
        let mut last: Option<Run> = None;
        for (snapshot, (rule, there)) in (1..).zip(runs) {
            let rows: Vec<Row> = rows.iter().zip(there).filter(|(_, there)| *there).map(|(row, _)| row.clone()).collect();
            let next = run(&rules(rule), &rows, last.as_ref(), snapshot);
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
