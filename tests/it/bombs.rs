//! Footers made by hand, which announce what no machine could hold: they are refused by name, and the memory of the process
//! that looks at them stays what it is without them.

use std::path::Path;
use std::process::Command;

use perennial_testkit::environment::variable;
use perennial_testkit::{RunOptions, Setup, TestLake};

use crate::matrix::{CONFIG, UNEQUAL, compression_bomb, dictionary_bomb, orders};

/// Tells the child process which lake it unifies.
const CHILD: &str = "PERENNIAL_TEST_CEILING";
/// What bombs may take besides: a footer of its greatest size, and pages of the others in pieces.
const CEILING: u64 = 300 << 20;

/// A number as the compact protocol writes it.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// The head of a list of so many structures.
fn structures(count: u64) -> Vec<u8> {
    [vec![0xfc], varint(count)].concat()
}

/// A group of the schema with so many children.
fn group(children: u64) -> Vec<u8> {
    // Field 4, a name of one byte; field 5, a number, whose sign takes a bit.
    [&[0x48, 1, b'g', 0x15][..], &varint(children << 1), &[0]].concat()
}

/// A column of integers of this name.
fn leaf(name: &[u8]) -> Vec<u8> {
    // Field 1, the type; field 3, required; field 4, the name.
    [
        &[0x15, 4, 0x25, 0, 0x18][..],
        &varint(name.len() as u64),
        name,
        &[0],
    ]
    .concat()
}

/// A file of these pieces of a footer behind its version.
fn file(pieces: &[&[u8]]) -> Vec<u8> {
    let footer = [&[0x15, 2][..], &pieces.concat()].concat();
    let length = (footer.len() as u32).to_le_bytes();
    [&b"PAR1"[..], &footer, &length, b"PAR1"].concat()
}

/// A footer with a column and no rows, up to its row groups.
fn schema(elements: &[Vec<u8>]) -> Vec<u8> {
    let list = structures(elements.len() as u64);
    [&[0x19][..], &list, &elements.concat(), &[0x16, 0]].concat()
}

/// Name, file, and words of the reason.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let plain = schema(&[group(1), leaf(b"x")]);
    let row_group = [0x19, 0x0c, 0x16, 0, 0x16, 0, 0];
    let damaged = "has a damaged footer";
    let nested: Vec<Vec<u8>> = (0..500).map(|_| group(1)).chain([leaf(b"x")]).collect();
    let bomb = |name, pieces: &[&[u8]], words| (name, file(pieces), words);
    vec![
        bomb(
            "elements-2^31",
            &[&[0x19], &structures(1 << 31), &[0; 64]],
            damaged,
        ),
        bomb(
            "groups-2^31",
            &[&plain, &[0x19], &structures(1 << 31), &[0; 64]],
            damaged,
        ),
        bomb(
            "groups-2^63",
            &[&plain, &[0x19], &structures(1 << 63), &[0; 64]],
            damaged,
        ),
        bomb(
            "pairs-2^31",
            &[&plain, &[0x29], &structures(1 << 31), &[0; 64]],
            damaged,
        ),
        bomb(
            "name-2^31",
            &[&[0x19, 0x1c, 0x48], &varint(1 << 31), &[b'x'; 64]],
            damaged,
        ),
        bomb(
            "children-2^31",
            &[&schema(&[group((1 << 31) - 1), leaf(b"x")])],
            damaged,
        ),
        bomb("structures-in-structures", &[&vec![0x1c; 1_000_000]], damaged),
        bomb("lists-in-lists", &[&vec![0x19; 1_000_000]], damaged),
        bomb(
            "groups-100000",
            &[
                &plain,
                &[0x19],
                &structures(100_000),
                &row_group.repeat(100_000),
                &[0],
            ],
            "has 100000 row groups, the bound is 65536",
        ),
        bomb(
            "columns-100000",
            &[
                &plain,
                &[0x19, 0x1c, 0x19],
                &structures(100_000),
                &[0; 100_000],
                &[0x16, 0, 0x16, 0, 0, 0],
            ],
            "has 100000 columns in a row group, the bound is 1600",
        ),
        bomb(
            "name-60-mb",
            &[
                &schema(&[group(1), leaf(&vec![b'x'; 60_000_000])]),
                &[0x19, 0x0c, 0],
            ],
            "has 60000000 bytes in the name of a column, the bound is 1024",
        ),
        bomb(
            "nested",
            &[&schema(&nested), &[0x19, 0x0c, 0]],
            "has 500 levels of nesting, the bound is 64",
        ),
        (
            "dictionary",
            dictionary_bomb("email"),
            "unpacks to more than 268435456 bytes (column \"email\")",
        ),
        (
            "unread",
            dictionary_bomb("note"),
            "unpacks to more than 268435456 bytes (column \"note\")",
        ),
        ("compression", compression_bomb(), "more than 10000 times as much"),
    ]
}

/// The most memory that a process took which unified the lake, in bytes.
fn high_water(lake: &TestLake) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bombs::child", "--nocapture"])
        .env(CHILD, lake.folder())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found = text.lines().find_map(|line| line.split_once("high water: "));
    found.unwrap().1.trim().parse::<u64>().unwrap() << 10
}

/// Not a test by itself: the process whose memory is measured.
#[test]
fn child() {
    let Some(folder) = variable(CHILD) else { return };
    let lake = TestLake::in_folder(Path::new(&folder));
    let options = RunOptions {
        ..RunOptions::SETTLED
    };
    lake.try_run(Setup::default(), options).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    println!("high water: {}", line.trim().trim_end_matches("kB"));
}

#[test]
fn what_a_footer_announces_is_never_taken() {
    let bombs = bombs();
    let healthy = orders("a", 100);
    let alone = TestLake::of(CONFIG, &[("orders/a.parquet", &healthy)]);
    let without = high_water(&alone);

    let lake = TestLake::of(CONFIG, &[("orders/a.parquet", &healthy)]);
    for (name, file, _) in &bombs {
        lake.land(&format!("orders/z-{name}.parquet"), file);
    }
    let with = high_water(&lake);
    assert!(
        with < without + CEILING,
        "{} MiB and {} MiB",
        with >> 20,
        without >> 20
    );
    println!("{} MiB with bombs, {} MiB without", with >> 20, without >> 20);

    let told = |sql: &str| lake.try_query(Setup::default(), sql).unwrap();
    assert_eq!(told(UNEQUAL), Vec::<Vec<_>>::new());
    assert_eq!(
        told("SELECT count(*), sum(amount) FROM raw.shop"),
        [["100", "100"].map(|text| Some(text.to_owned()))]
    );
    let files = told("SELECT path, state, reason FROM perennial.files");
    assert_eq!(files.len(), bombs.len() + 1);
    for (name, _, words) in &bombs {
        let path = format!("orders/z-{name}.parquet");
        let row = files.iter().find(|row| row[0].as_deref() == Some(&path)).unwrap();
        assert_eq!(row[1].as_deref(), Some("quarantined"), "{name}");
        let reason = row[2].as_deref().unwrap_or_default();
        assert!(reason.contains(words), "{name}: {reason}");
    }
}
