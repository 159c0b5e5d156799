//! A small world to resolve: rules and records written as text, and runs one after the other as a platform does them.

use std::collections::{BTreeMap, BTreeSet};

use crate::*;

/// Sources of persons and of facts, not in the order of their names; whose name is long have no keys.
pub(super) const SOURCES: [(&str, bool); 6] = [
    ("web", false),
    ("crm", true),
    ("shop", false),
    ("app", true),
    ("keyless", false),
    ("inbox", true),
];

/// Whether the records of a source have keys.
pub(super) fn keyed(source: u16) -> bool {
    SOURCES[usize::from(source)].0.len() < 5
}

/// A record; its versions carry their own time, the first one founds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) source: u16,
    pub(super) key: String,
    pub(super) time: i64,
    /// The identifiers of each version, by type and value.
    pub(super) versions: Vec<Vec<(usize, String)>>,
}

/// What a run leaves behind for the next one and for the eyes of a test.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) resolution: Resolution,
    pub(super) customer_of: BTreeMap<(u16, String), Option<CustomerId>>,
    /// The hash by which each record is known again.
    pub(super) hashes: BTreeMap<(u16, String), u128>,
    pub(super) times: BTreeMap<(u16, String), i64>,
}

/// Rules such as `user strong limit=1, email, device max=1`.
pub(super) fn rules(text: &str) -> Rules {
    let identifiers = text.split(',').map(|rule| {
        let mut words = rule.split_whitespace();
        let name = words.next().unwrap();
        words.fold(IdentifierRule::new(name), |rule, word| {
            match word.split_once('=') {
                None if word == "strong" => rule.with_strong(),
                Some(("limit", bound)) => rule.with_limit(bound.parse().unwrap()),
                Some(("max", bound)) => rule.with_max_customers(bound.parse().unwrap()),
                _ => panic!("no such word: {word}"),
            }
        })
    });
    Rules::try_new(identifiers.collect(), &[]).unwrap()
}

/// Records, one a line, such as `crm k1 @3 user=u1 email=a | email=b`: source, key, time, identifiers of each version.
pub(super) fn rows(rules: &Rules, text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let (source, key, time) = (
            words.next().unwrap(),
            words.next().unwrap(),
            words.next().unwrap(),
        );
        let rest: Vec<&str> = words.collect();
        let versions = rest.split(|word| *word == "|").map(|version| {
            let identifier = |word: &&str| {
                let (name, value) = word.split_once('=').unwrap();
                (rules.index_of(name).unwrap(), value.to_owned())
            };
            version.iter().map(identifier).collect()
        });
        Row {
            source: SOURCES.iter().position(|(name, _)| *name == source).unwrap() as u16,
            key: key.to_owned(),
            time: time.trim_start_matches('@').parse().unwrap(),
            versions: versions.collect(),
        }
    };
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(row)
        .collect()
}

/// Words on records, one a line, such as `a = b @3` or `a != b @4`, of records of the rows given.
pub(super) fn words(rows: &[Row], text: &str) -> Vec<Override> {
    let record = |key: &str| {
        let row = rows.iter().find(|row| row.key == key);
        let source = row.map_or("nowhere", |row| SOURCES[usize::from(row.source)].0);
        (source.to_owned(), key.to_owned())
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .enumerate()
        .map(|(number, line)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Override {
                a: record(words[0]),
                b: record(words[2]),
                verdict: if words[1] == "=" {
                    Verdict::Same
                } else {
                    Verdict::Different
                },
                time: words[3].trim_start_matches('@').parse().unwrap(),
                source: "desk".to_owned(),
                key: number.to_string(),
            }
        })
        .collect()
}

/// Resolves the rows in the order given, after the previous run.
pub(super) fn run(rules: &Rules, rows: &[Row], previous: Option<&Run>, snapshot: u64) -> Run {
    run_with(rules, rows, &[], previous, snapshot)
}

/// As [`run`], with what persons say.
pub(super) fn run_with(
    rules: &Rules,
    rows: &[Row],
    words: &[Override],
    previous: Option<&Run>,
    snapshot: u64,
) -> Run {
    let sources = [0, 1, 2, 3, 4, 5].map(|number: u16| {
        let (name, person) = SOURCES[usize::from(number)];
        let source = if person {
            Source::persons(name)
        } else {
            Source::facts(name)
        };
        if keyed(number) {
            source
        } else {
            source.without_keys()
        }
    });
    let ids = previous
        .map(|run| run.resolution.ids().to_vec())
        .unwrap_or_default();
    let mut builder =
        GraphBuilder::try_new(rules, sources.to_vec(), PreviousIds::try_new(ids).unwrap()).unwrap();
    builder.overrides(words.iter().cloned());
    let mut signatures = BTreeMap::new();
    for row in rows {
        let mut versions: Vec<(SetId, i64)> = Vec::new();
        for (version, time) in row.versions.iter().zip(row.time..) {
            let identifiers: Vec<IdentifierId> = version
                .iter()
                .map(|(of_type, value)| builder.intern(*of_type, value).unwrap())
                .collect();
            versions.push((builder.set(&identifiers).unwrap(), time));
        }
        let signature = builder.versions(row.source, &versions, &row.key).unwrap();
        assert!(
            signatures
                .insert((row.source, row.key.clone()), signature)
                .is_none(),
            "{row:?} stands twice"
        );
    }
    let mut partition = builder.resolve().unwrap();
    let orphans = partition.orphans();
    if partition.asks_for_previous() {
        for (id, identifier_type, value) in previous.iter().flat_map(|run| run.identities()) {
            partition.held(id, identifier_type, &value);
        }
    } else {
        assert_eq!(orphans, []);
    }
    let asked = partition.asks_for_founders(|_| true);
    for ((source, key), id) in previous.iter().flat_map(|run| &run.customer_of) {
        let (name, _) = SOURCES[usize::from(*source)];
        let time = previous.map_or(0, |run| run.times[&(*source, key.clone())]);
        if let Some(id) = id.filter(|_| asked.contains(name)) {
            partition.belonged(&id.to_string(), name, key, time);
        }
    }
    let resolution = partition.publish(snapshot, snapshot as i64 * 10).unwrap();
    let id = |signature: Option<SignatureId>| {
        Some(resolution.customers()[resolution.customer_of(signature?)? as usize].id)
    };
    let customer_of = signatures
        .into_iter()
        .map(|(record, signature)| (record, id(signature)))
        .collect();
    let hash = |row: &Row| {
        let (name, _) = SOURCES[usize::from(row.source)];
        if keyed(row.source) {
            return record_hash(name, &row.key);
        }
        let values: BTreeSet<(usize, String)> = row.versions.concat().into_iter().collect();
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(of_type, value)| (rules.identifiers()[*of_type].name.as_str(), value.as_str()))
            .collect();
        place_hash(name, &row.key, row.time, &values)
    };
    let hashes = rows
        .iter()
        .map(|row| ((row.source, row.key.clone()), hash(row)))
        .collect();
    let times = rows
        .iter()
        .map(|row| ((row.source, row.key.clone()), row.time))
        .collect();
    Run {
        resolution,
        customer_of,
        hashes,
        times,
    }
}

impl Run {
    /// The records of each customer by their keys, as a text such as `a b, c`; records of nobody are left out.
    pub(super) fn groups(&self) -> String {
        let keys =
            |group: BTreeSet<(u16, String)>| group.into_iter().map(|(_, key)| key).collect::<BTreeSet<_>>();
        let text = |group| keys(group).into_iter().collect::<Vec<_>>().join(" ");
        let mut groups: Vec<String> = self.partition().into_iter().map(text).collect();
        groups.sort();
        groups.join(", ")
    }

    pub(super) fn partition(&self) -> BTreeSet<BTreeSet<(u16, String)>> {
        let mut groups: BTreeMap<CustomerId, BTreeSet<(u16, String)>> = BTreeMap::new();
        for (record, id) in &self.customer_of {
            if let Some(id) = id {
                groups.entry(*id).or_default().insert(record.clone());
            }
        }
        groups.into_values().collect()
    }

    /// The id of the customer who has the record of this key.
    #[track_caller]
    pub(super) fn id(&self, key: &str) -> CustomerId {
        let mut of_key = self.customer_of.iter().filter(|((_, other), _)| other == key);
        of_key
            .next()
            .and_then(|(_, id)| *id)
            .expect("the record has a customer")
    }

    #[track_caller]
    pub(super) fn fate(&self, id: CustomerId) -> Fate {
        self.resolution
            .ids()
            .iter()
            .find(|published| published.id == id)
            .expect("the id is published")
            .fate
    }

    pub(super) fn identities(&self) -> Vec<(CustomerId, usize, String)> {
        let id = |customer: u32| self.resolution.customers()[customer as usize].id;
        self.resolution
            .identities()
            .map(|identity| {
                (
                    id(identity.customer),
                    identity.identifier_type,
                    identity.value.into_owned(),
                )
            })
            .collect()
    }
}
