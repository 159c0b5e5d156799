//! Two processes that write to one lake while files land, and are killed at times: no row is lost or doubled, and the
//! snapshots are one chain.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Stdio};

use crate::support::{CONFIG, Client, Place, Running, orders};

/// How many files land.
const FILES: usize = 8;

/// When a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    Never,
    AtOnce,
    /// When it or the other one has begun to write.
    Writing,
}

/// The orders of a file: one of a customer of its own, and a newer version of the order that all files have.
fn landed(place: &Place, number: usize) {
    let second = number % 60;
    let rows = [
        format!("('o{number}', 'p{number}@example.org', 1.0, 'EUR', '2026-01-01T00:00:{second:02}Z')"),
        format!("('shared', 'all@example.org', {number}.0, 'EUR', '2026-01-02T00:00:{second:02}Z')"),
    ];
    let bytes = place.parquet(&orders(&[&rows[0], &rows[1]]));
    place.land(&format!("orders/{number:03}.parquet"), &bytes);
}

/// What `files` files come to, however they were unified: orders, their customers, the sum of all, the rows of all files by
/// what became of them.
const SAYS: &str = "SELECT (SELECT count(*) || ' ' || count(DISTINCT order_id) || ' ' || count(DISTINCT customer_id) || ' ' \
     || sum(amount)::bigint FROM orders) || ' ' || (SELECT sum(rows_unified) || ' ' || sum(rows_superseded) || ' ' || \
     count(*) FROM perennial.files WHERE state = 'live')";

fn says(files: usize) -> String {
    let (all, newest) = (files + 1, files - 1);
    // Each file's own order is of 1, and the shared one of as much as the newest file says.
    format!("{all} {all} {all} {} {all} {newest} {files}", files + newest)
}

/// Every snapshot's number, none missing and none twice: one follows the other.
fn chain(place: &Place) -> u64 {
    let folder = place.path("lake/_perennial/snapshots");
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let numbers: BTreeSet<u64> = names
        .filter_map(|name| name.to_str()?.strip_suffix(".json")?.parse().ok())
        .collect();
    let last = numbers.len() as u64;
    assert_eq!(numbers, (1..=last).collect());
    last
}

fn data_files(place: &Place) -> usize {
    let written = place.written().into_iter();
    written
        .filter(|path| path.components().any(|part| part.as_os_str() == "data"))
        .count()
}

/// Ends a process as `kill -9` does; whether it had not ended by itself before.
fn kill(process: &mut Child) -> bool {
    process.kill().unwrap();
    !process.wait().unwrap().success()
}

#[test]
fn two_processes_that_unify_and_are_killed_lose_and_double_nothing() {
    let place = Place::new();
    place.write(
        "perennial.toml",
        &CONFIG.replace("refresh = \"off\"", "refresh = \"off\"\nkeep_snapshots = 100"),
    );
    let mut dead = 0;
    for number in 0..FILES {
        landed(&place, number);
        let had = data_files(&place);
        let before = if number == 0 { 0 } else { chain(&place) };
        let (when, both) = match number % 5 {
            0 | 3 => (Killed::Never, false),
            1 => (Killed::AtOnce, false),
            2 => (Killed::Writing, false),
            _ => (Killed::Writing, true),
        };
        let mut processes: Vec<Child> = (0..2)
            .map(|_| {
                let mut unify = place.command(&["unify"]);
                unify.stdout(Stdio::null()).stderr(Stdio::null());
                unify.spawn().unwrap()
            })
            .collect();
        if when == Killed::Writing {
            let ended = |process: &mut Child| process.try_wait().unwrap().is_some();
            while data_files(&place) <= had && !processes.iter_mut().all(ended) {
                std::thread::yield_now();
            }
        }
        let killed = match (when, both) {
            (Killed::Never, _) => 0,
            (_, true) => 2,
            _ => 1,
        };
        for process in &mut processes[..killed] {
            dead += usize::from(kill(process));
        }
        for process in &mut processes[killed..] {
            assert!(process.wait().unwrap().success(), "{number}");
        }
        if killed == 2 {
            place.run(&["unify"]).exits(0);
        }
        assert_eq!(place.answers(SAYS), [says(number + 1)], "{number}");
        // Whoever comes second finds nothing new.
        assert_eq!(chain(&place), before + 1, "{number}");
    }
    assert!(dead > FILES / 4, "{dead} processes were killed");
    place.run(&["unify", "--full"]).exits(0);
    assert_eq!(place.answers(SAYS), [says(FILES)]);
}

/// A server, and who asks it.
fn serve(place: &Place) -> (Running, Client) {
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    let address = server.line("serving on ");
    let client = Client::connect(&address);
    (server, client)
}

#[test]
fn two_servers_that_follow_one_lake_and_are_killed_lose_and_double_nothing() {
    let place = Place::new();
    let often = "refresh = \"50ms\"\nkeep_snapshots = 100";
    place.write("perennial.toml", &CONFIG.replace("refresh = \"off\"", often));
    landed(&place, 0);
    let mut servers = vec![serve(&place), serve(&place)];
    for number in 1..FILES {
        landed(&place, number);
        // In turns one of the two dies: at once, or after it has seen the file.
        let turn = number % 2;
        if number % 3 == 0 {
            servers[turn].0.signal("KILL");
            servers[turn] = serve(&place);
        }
        for (_, client) in &mut servers {
            client.ask_until(SAYS, &says(number + 1));
        }
        if number % 4 == 0 {
            servers[turn].0.signal("KILL");
            servers[turn] = serve(&place);
        }
    }
    let newest = chain(&place).to_string();
    let number = "SELECT max(snapshot)::text FROM perennial.snapshots";
    for (_, client) in &mut servers {
        client.ask_until(number, &newest);
        assert_eq!(client.ask(SAYS), says(FILES));
    }
}
