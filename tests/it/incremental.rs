//! Runs that work out what new files touch and nothing else, against runs that work out everything.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use perennial_testkit::environment::variable;
use perennial_testkit::{Bounds, Clock, FixedClock, RunOptions, Setup, TestLake};

use crate::worlds::{
    Columns, Draws, HOUR, NEW_YEAR, Row, SOURCES, config, file, land, queries, rest, row, without_past,
};

/// Worlds that are tried unless the environment says otherwise.
const WORLDS: u64 = 4;

/// What has been met in worlds.
#[derive(Debug, Default)]
struct Met {
    /// Steps that worked out a part only, and those of them with words of persons in force.
    parts: u64,
    parts_with_words: u64,
    /// Steps after which rows were masked, and after which a table had files beside those of the last full run.
    masked: u64,
    added: u64,
    /// Steps that worked out a part only after rates had landed, and after files had gone or were replaced.
    parts_with_rates: u64,
    parts_with_gone: u64,
    /// Steps that worked out everything for a word on a record that is known by its place.
    by_place: u64,
    /// Steps after which there were answers to surveys.
    answered: u64,
    /// Worlds that were compared with lakes without a past.
    from_nothing: u64,
}

/// When a run merges files and writes tables anew, by the seed: as large lakes do, though the lake is small; as seldom as
/// can be, so that masks and files pile up; or as small lakes do, of which every run writes most tables anew.
fn bounds(seed: u64) -> Bounds {
    match seed % 4 {
        0 => Bounds::DEFAULT,
        1 => Bounds {
            added_files: 8,
            replaced: 25,
            touched: 100,
            small: 0,
        },
        2 => Bounds {
            added_files: 1,
            replaced: 1_000,
            touched: 100,
            small: 0,
        },
        _ => Bounds {
            added_files: 3,
            replaced: u64::MAX,
            touched: 100,
            small: 0,
        },
    }
}

/// One world from its seed: steps of landing, and after each the two lakes side by side.
fn world(seed: u64, met: &mut Met) {
    let mut draws = Draws(seed);
    // In every other world time passes between the runs, and some of what lands is of the future.
    let moves = draws.below(2) == 0;
    let config = config(seed, moves);
    let options = |full| RunOptions {
        full,
        settle: true,
        bounds: bounds(seed),
        ..RunOptions::default()
    };
    let clock = Arc::new(FixedClock::new(NEW_YEAR + 41 * 24 * HOUR));
    let setup = || Setup {
        clock: moves.then(|| Arc::clone(&clock) as Arc<dyn Clock>),
        ..Setup::default()
    };
    let lake = TestLake::of(&config, &[]);
    let people = 3 + draws.below(20);
    let queries = queries();
    // The sources whose first files have numbers of narrow types.
    let narrow = draws.next();
    let mut landed: Vec<String> = Vec::new();
    let mut taken: Vec<(String, Vec<u8>)> = Vec::new();
    let steps = 3 + draws.below(10 / people.div_ceil(4) + 3);
    for step in 0..steps {
        let quiet = moves && step > 0 && draws.below(3) == 0;
        let (before, mut gone) = (landed.len(), false);
        for source in SOURCES.into_iter().filter(|_| !quiet) {
            let first = step == 0;
            let rare = match source {
                "rates" if first => 1,
                "rates" => 4,
                "said" => 8,
                "desk" => 4,
                "places" => 40,
                _ if first => 1,
                _ => 3,
            };
            if draws.below(rare) > 0 {
                continue;
            }
            let at = SOURCES.iter().position(|name| *name == source).unwrap();
            let has = Columns {
                more: draws.below(8) == 0,
                narrow: (narrow >> at) & 1 == 1 && (first || draws.below(6) > 0),
            };
            for _ in 0..1 + draws.below(2) {
                let count = 1 + draws.below(if first { 2 * people } else { 4 });
                let mut rows: Vec<Row> = (0..count).map(|_| row(&mut draws, people)).collect();
                let path = format!(
                    "{source}/{}{:04x}.parquet",
                    partition(source, first, &mut draws),
                    draws.below(1 << 16)
                );
                if source == "places" {
                    for row in &mut rows {
                        let letters = landed.iter().filter(|path| path.starts_with("letters/"));
                        let letters: Vec<&String> = letters.collect();
                        let at = draws.below(letters.len() as u64) as usize;
                        if let Some(path) = letters.get(at) {
                            row.about = format!("{path}:{}", draws.below(6));
                        }
                    }
                }
                if !landed.contains(&path) {
                    land(&lake, &path, &file(&rows, has));
                    landed.push(path);
                }
            }
        }
        let rates = landed.iter().skip(before).any(|path| path.starts_with("rates/"));
        // Now and then a file goes, or is another one; now and then the one that went comes back.
        if step > 0 && !quiet && draws.below(3) == 0 {
            gone = true;
            let at = draws.below(landed.len() as u64) as usize;
            let path = lake.root().join(&landed[at]);
            if draws.below(2) == 0 {
                taken.push((landed.remove(at), fs::read(&path).unwrap()));
                fs::remove_file(path).unwrap();
            } else {
                let rows: Vec<Row> = (0..3).map(|_| row(&mut draws, people)).collect();
                land(&lake, &landed[at], &file(&rows, Columns::default()));
                rest(&path, 1 + step);
            }
        } else if draws.below(2) == 0
            && let Some((path, bytes)) = taken.pop()
            && !landed.contains(&path)
        {
            land(&lake, &path, &bytes);
            landed.push(path);
        }
        let twin = lake.copy();
        let (report, kept) = lake.answers_of(setup(), options(false), &queries);
        let (_, anew) = twin.answers_of(setup(), options(true), &queries);
        let manifest = lake.manifest();
        let files = || manifest.tables.values().flat_map(|table| &table.files);
        met.masked += u64::from(files().any(|file| file.masked > 0));
        met.added += u64::from(files().any(|file| file.delta));
        if report.snapshot.is_some() && !report.full {
            met.parts += 1;
            met.parts_with_rates += u64::from(rates);
            met.parts_with_gone += u64::from(gone);
            let words = |path: &String| {
                ["said/", "desk/", "places/"]
                    .iter()
                    .any(|of| path.starts_with(of))
            };
            met.parts_with_words += u64::from(landed.iter().any(words));
        }
        met.by_place += u64::from(
            report
                .why_full
                .as_deref()
                .is_some_and(|why| why.contains("without keys")),
        );
        let surveys = queries.iter().position(|query| query == "SELECT * FROM surveys");
        met.answered += u64::from(!kept[surveys.unwrap()].is_empty());
        for ((query, kept), anew) in queries.iter().zip(&kept).zip(&anew) {
            let how = report.why_full.as_deref().unwrap_or("a part");
            same(query, kept, anew, &format!("seed {seed}, step {step} ({how})"));
        }
        looked_up(&lake, setup, options(false), &queries, &kept, seed);
        if step + 1 == steps {
            met.from_nothing += u64::from(same_from_nothing(&lake, setup, || options(false), seed));
        }
        clock.advance((1 + draws.below(20) as i64) * 24 * HOUR + draws.below(24) as i64 * HOUR);
    }
}

/// Two lakes answer a query alike.
fn same(query: &str, kept: &[String], anew: &[String], context: &str) {
    let only = |of: &[String], not: &[String]| -> Vec<String> {
        of.iter()
            .filter(|line| !not.contains(line))
            .take(8)
            .cloned()
            .collect()
    };
    assert!(
        kept == anew,
        "{context}: {query}\nonly kept: {:#?}\nonly anew: {:#?}\nlines {} and {}",
        only(kept, anew),
        only(anew, kept),
        kept.len(),
        anew.len()
    );
}

/// What a chain of runs leads to is what a lake without a past gives for the same files, but for the names of customers and
/// for what tells of the past. False where the lakes do not serve the same files: which fit depends on what landed first.
fn same_from_nothing(
    lake: &TestLake,
    setup: impl Fn() -> Setup,
    options: impl Fn() -> RunOptions,
    seed: u64,
) -> bool {
    let young = lake.copy();
    fs::remove_dir_all(young.root().join("_perennial")).unwrap();
    let named = [
        "SELECT path FROM perennial.files WHERE state = 'live'",
        "SELECT customer_id, type, value FROM identities",
        "SELECT customer_id, source_a, record_a FROM identity_links",
        "SELECT customer_id, source, order_id FROM orders WHERE customer_id IS NOT NULL",
        "SELECT customer_id, source, record_key FROM events WHERE customer_id IS NOT NULL",
    ];
    let told = named.len();
    let queries: Vec<String> = named
        .map(str::to_owned)
        .into_iter()
        .chain(without_past())
        .collect();
    let [old, young] = [lake, &young].map(|lake| {
        let (_, answers) = lake.answers_of(setup(), options(), &queries);
        by_what_they_hold(&answers, told)
    });
    if old[0] != young[0] {
        return false;
    }
    for (query, (old, young)) in queries.iter().zip(old.iter().zip(&young)) {
        same(query, old, young, &format!("seed {seed}, from nothing"));
    }
    true
}

/// Answers in which a customer is called by what it holds: the first `told` of them say that, behind its id.
fn by_what_they_hold(answers: &[Vec<String>], told: usize) -> Vec<Vec<String>> {
    let mut held: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (customer, of) in answers[..told]
        .iter()
        .flatten()
        .filter_map(|line| line.split_once('|'))
    {
        held.entry(customer).or_default().push(of);
    }
    let field = |field: &str| {
        held.get(field)
            .map_or(field.to_owned(), |held| format!("[{}]", held.join(" ")))
    };
    let renamed = |lines: &Vec<String>| -> Vec<String> {
        let renamed = |line: &String| line.split('|').map(field).collect::<Vec<_>>().join("|");
        let mut lines: Vec<String> = lines.iter().map(renamed).collect();
        lines.sort_unstable();
        lines
    };
    answers.iter().map(renamed).collect()
}

/// The folder of a file in its source: some sources have partitions, of which the first file has one.
fn partition(source: &str, first: bool, draws: &mut Draws) -> String {
    if !["till", "letters", "visits"].contains(&source) || !first && draws.below(6) == 0 {
        return String::new();
    }
    format!("region={}/", draws.one_of(&["north", "south", "east", "west"]))
}

/// The rows of one customer are found without a scan: they are those that a scan gives.
fn looked_up(
    lake: &TestLake,
    setup: impl Fn() -> Setup,
    options: RunOptions,
    queries: &[String],
    scanned: &[Vec<String>],
    seed: u64,
) {
    let rows_of = |relation: &str| {
        let all = format!("SELECT * FROM {relation}");
        &scanned[queries.iter().position(|query| *query == all).unwrap()]
    };
    let some = rows_of("customers")
        .iter()
        .step_by(rows_of("customers").len() / 3 + 1);
    let (mut asked, mut expected) = (Vec::new(), Vec::new());
    for customer in some.map(|line| line.split('|').next().unwrap()) {
        for relation in [
            "customers",
            "customer_360",
            "events",
            "orders",
            "lifecycle_history",
        ] {
            asked.push(format!(
                "SELECT * FROM {relation} WHERE customer_id = '{customer}'"
            ));
            let of_customer = |line: &&String| line.split('|').next() == Some(customer);
            expected.push(
                rows_of(relation)
                    .iter()
                    .filter(of_customer)
                    .cloned()
                    .collect::<Vec<_>>(),
            );
        }
    }
    let (_, found) = lake.answers_of(setup(), options, &asked);
    for ((asked, found), expected) in asked.iter().zip(found).zip(expected) {
        assert_eq!(found, expected, "seed {seed}: {asked}");
    }
}

/// `PERENNIAL_TEST_WORLDS` says how many worlds, `PERENNIAL_TEST_SEED` from which seed on.
#[test]
fn a_chain_of_runs_over_new_files_gives_what_a_run_over_everything_gives() {
    let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
    let worlds = number("PERENNIAL_TEST_WORLDS").unwrap_or(WORLDS);
    let first = number("PERENNIAL_TEST_SEED").unwrap_or(1);
    let mut met = Met::default();
    for seed in first..first + worlds {
        println!("seed {seed}");
        world(seed, &mut met);
    }
    println!("{met:?}");
    assert!(
        met.parts >= worlds
            && met.parts_with_words >= worlds / 2
            && met.parts_with_rates > 0
            && met.parts_with_gone > 0
            && met.masked > 0
            && met.added > 0
            && met.answered >= worlds
            && met.from_nothing >= worlds / 2,
        "of {worlds} worlds: {met:?}"
    );
}
