//! Independent answers: components by another library, and the definitions by exhaustive search.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::UnGraph;

use super::world::{Row, SOURCES};
use crate::*;

pub(super) type Groups = BTreeSet<BTreeSet<(u16, String)>>;

/// Connected components of records and identifiers, without bounds.
pub(super) fn components(rows: &[Row]) -> Groups {
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
pub(super) fn by_definition(rules: &Rules, rows: &[Row], words: &[Override]) -> Groups {
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
            // What nobody holds yet is the own value of a record that a word joins.
            let own = of_value.is_none() && word_of.contains(&(source, key.clone()));
            let exceeded = exceeded && !own;
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
