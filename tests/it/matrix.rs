//! The faults of files that land, one row each (reliability catalogue, area "Landing"): every one is named or taken, none
//! disturbs the healthy files beside it, and of every live file the rows add up.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use perennial_testkit::{TestLake, TestServer};

use crate::support::{connect, lines, one, seed};

pub(crate) const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[money]
currency = "EUR"
[time]
as_of = "2026-03-01T00:00:00Z"
[[source]]
name = "shop"
kind = "order"
path = "orders/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount", status = "state" }
[server]
authentication = "trust"
"#;

pub(crate) const UNEQUAL: &str = "SELECT path, rows_landed, rows_unified, rows_superseded, rows_filtered, rows_rejected \
                       FROM perennial.files WHERE rows_unified + rows_superseded + rows_filtered + rows_rejected \
                       <> CASE state WHEN 'live' THEN rows_landed ELSE 0 END";

/// The columns of orders of 1.0 each, with keys that begin with `name`.
pub(crate) fn columns(name: &str, rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let text = |make: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new((0..rows).map(|row| Some(make(row))).collect::<StringArray>())
    };
    let times =
        TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| 1_767_225_600_000_000 + row as i64));
    vec![
        ("id", text(&|row| format!("{name}-{row}"))),
        ("email", text(&|row| format!("{name}{row}@example.org"))),
        ("amount", Arc::new(Float64Array::from(vec![1.0; rows]))),
        ("state", text(&|_| "paid".to_owned())),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ]
}

pub(crate) fn written(
    columns: Vec<(&'static str, ArrayRef)>,
    properties: WriterPropertiesBuilder,
) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

pub(crate) fn orders(name: &str, rows: usize) -> Vec<u8> {
    written(columns(name, rows), WriterProperties::builder())
}

/// The columns with one of them replaced, or added.
pub(crate) fn with(
    name: &str,
    rows: usize,
    column: &'static str,
    values: ArrayRef,
) -> Vec<(&'static str, ArrayRef)> {
    let mut columns = columns(name, rows);
    columns.retain(|(known, _)| *known != column);
    columns.push((column, values));
    columns
}

/// The footer's length, as the last eight bytes say it.
fn lying(length: u32) -> Vec<u8> {
    let mut file = orders("lying", 3);
    let at = file.len() - 8;
    file[at..at + 4].copy_from_slice(&length.to_le_bytes());
    file
}

fn zstd() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
}

/// 2,000 times the same mebibyte, which the file has once: 2 GiB of text in some kilobytes.
pub(crate) fn dictionary_bomb(column: &'static str) -> Vec<u8> {
    let values: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
    let texts: ArrayRef = Arc::new(DictionaryArray::new(Int32Array::from(vec![0; 2_000]), values));
    let properties = zstd().set_dictionary_page_size_limit(16 << 20);
    let file = written(with("bomb", 2_000, column, texts), properties);
    assert!(file.len() < 200_000, "{} bytes", file.len());
    file
}

/// 300 addresses of a mebibyte each, packed to next to nothing.
pub(crate) fn compression_bomb() -> Vec<u8> {
    let addresses = (0..300).map(|row| Some(format!("{row}{}", "x".repeat(1 << 20))));
    let addresses: ArrayRef = Arc::new(addresses.collect::<StringArray>());
    let file = written(
        with("squeezed", 300, "email", addresses),
        zstd().set_dictionary_enabled(false),
    );
    assert!(file.len() < 250_000, "{} bytes", file.len());
    file
}

/// One of 200 rows has a value of 17 MiB.
fn long_value() -> Vec<u8> {
    let long = |row: usize| {
        if row == 7 {
            "x".repeat(17 << 20)
        } else {
            "paid".to_owned()
        }
    };
    let states: ArrayRef = Arc::new((0..200).map(|row| Some(long(row))).collect::<StringArray>());
    written(with("long", 200, "state", states), zstd())
}

/// 500 rows, whose first page is not what was written, behind a footer that is.
fn flipped_page() -> Vec<u8> {
    let mut file = orders("page", 500);
    for byte in &mut file[100..400] {
        *byte ^= 0xff;
    }
    file
}

fn cut(at: impl Fn(usize) -> usize) -> Vec<u8> {
    let file = orders("cut", 50);
    file[..at(file.len())].to_vec()
}

enum Is {
    /// Live, with so many rows, so many of them rejected.
    Live(u64, u64),
    /// Quarantined, for a reason with these words, with so many rows by its footer.
    Refused(&'static str, u64),
}

struct Case {
    name: &'static str,
    file: Vec<u8>,
    is: Is,
}

fn cases() -> Vec<Case> {
    let case = |name, file, is| Case { name, file, is };
    // Without a footer that can be read.
    let refused = |name, file, words| case(name, file, Is::Refused(words, 0));
    let refused_with = |name, file, rows, words| case(name, file, Is::Refused(words, rows));
    let live = |name, file, rows| case(name, file, Is::Live(rows, 0));
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let floats: ArrayRef = Arc::new(Float32Array::from(vec![1.0; 2]));
    let integers: ArrayRef = Arc::new(Int32Array::from(vec![1; 2]));
    let more: ArrayRef = Arc::new(StringArray::from(vec!["new", "new"]));
    let without: Vec<_> = columns("less", 2)
        .into_iter()
        .filter(|(name, _)| *name != "amount")
        .collect();
    let twice: Vec<_> = columns("twice", 1);
    vec![
        refused("empty", Vec::new(), "is empty"),
        refused(
            "text",
            b"id,email,amount\n1,ann@example.org,10\n".to_vec(),
            "is not a Parquet file",
        ),
        refused("magic", b"PAR1".to_vec(), "is cut"),
        refused("magic-twice", b"PAR1PAR1".to_vec(), "is cut"),
        refused("zeros", vec![0; 4_096], "is not a Parquet file"),
        refused("cut-at-1", cut(|_| 1), "is not a Parquet file"),
        refused("cut-at-half", cut(|length| length / 2), "is cut"),
        refused("cut-at-7/8", cut(|length| length * 7 / 8), "is cut"),
        refused("cut-by-1", cut(|length| length - 1), "is cut"),
        refused("footer-0", lying(0), "damaged footer"),
        refused("footer-short", lying(9), "damaged footer"),
        refused("footer-2^31", lying(i32::MAX as u32), "is cut: the footer says"),
        refused("footer-2^32", lying(u32::MAX), "is cut: the footer says"),
        refused("encrypted", b"PARE0123456789PARE".to_vec(), "is encrypted"),
        refused_with(
            "words",
            written(
                with("words", 1, "amount", text("a lot")),
                WriterProperties::builder(),
            ),
            1,
            "amount",
        ),
        refused_with(
            "less",
            written(without, WriterProperties::builder()),
            2,
            "has no column \"amount\"",
        ),
        refused_with(
            "dictionary-bomb",
            dictionary_bomb("email"),
            2_000,
            "unpacks to more than 268435456 bytes (column \"email\")",
        ),
        refused_with(
            "unread-bomb",
            dictionary_bomb("note"),
            2_000,
            "unpacks to more than 268435456 bytes (column \"note\")",
        ),
        refused_with(
            "compression-bomb",
            compression_bomb(),
            300,
            "more than 10000 times as much",
        ),
        refused_with("page", flipped_page(), 500, "damaged"),
        case("long-value", long_value(), Is::Live(200, 1)),
        live("no-rows", orders("none", 0), 0),
        live(
            "narrower",
            written(with("float", 2, "amount", floats), WriterProperties::builder()),
            2,
        ),
        refused_with(
            "integers",
            written(with("int", 2, "amount", integers), WriterProperties::builder()),
            2,
            "has another type: integer in this file, double precision in the files before",
        ),
        live(
            "more-columns",
            written(with("more", 2, "channel", more), WriterProperties::builder()),
            2,
        ),
        live("once", written(twice, zstd()), 1),
        // Names: of files that are as good as any.
        live("'; DROP TABLE orders; --", orders("n1", 1), 1),
        live("größe 100% *?[x]#1", orders("n2", 1), 1),
        live("back\\slash", orders("n3", 1), 1),
        live("%2F%2e%2e", orders("n4", 1), 1),
        live("month=2026-01", orders("n5", 1), 1),
        live("\u{1f4a5}", orders("n6", 1), 1),
        live("Case", orders("n7", 1), 1),
        live("case", orders("n8", 1), 1),
        live("dot.", orders("n9", 1), 1),
        live("$(id) `id` \"quoted\"", orders("n10", 1), 1),
    ]
}

/// Names that are not looked at.
const IGNORED: [&str; 5] = [
    "orders/_SUCCESS",
    "orders/.a.parquet.crc",
    "orders/x.parquet.tmp",
    "orders/_temporary/0/a.parquet",
    "orders/.hidden/a.parquet",
];

/// The path of a case: a folder in the name would be one of the lake's.
fn path(name: &str) -> String {
    format!("orders/z-{}.parquet", name.replace('/', "|"))
}

/// Every case is in the table of files as what it is, beside so many healthy files.
async fn are_told(client: &tokio_postgres::Client, cases: &[Case], healthy: usize) {
    let sql = "SELECT path, state, rows_landed, rows_rejected, reason FROM perennial.files";
    let found = crate::support::rows(client, sql).await;
    assert_eq!(found.len(), healthy + cases.len());
    for case in cases {
        let row = found
            .iter()
            .find(|row| row[0].as_deref() == Some(&path(case.name)))
            .unwrap_or_else(|| panic!("{} is in no table", case.name));
        let field = |at: usize| row[at].as_deref().unwrap_or_default();
        match case.is {
            Is::Live(rows, rejected) => assert_eq!(
                (field(1), field(2), field(3)),
                ("live", rows.to_string().as_str(), rejected.to_string().as_str()),
                "{}: {}",
                case.name,
                field(4)
            ),
            Is::Refused(words, rows) => {
                assert_eq!(
                    (field(1), field(2)),
                    ("quarantined", rows.to_string().as_str()),
                    "{}",
                    case.name
                );
                assert!(field(4).contains(words), "{}: {}", case.name, field(4));
                assert!(!field(4).contains("/tmp"), "{}: {}", case.name, field(4));
            }
        }
    }
}

#[tokio::test]
async fn every_fault_is_named_and_disturbs_nothing_beside_it() {
    let healthy: Vec<(String, Vec<u8>)> = ["a", "b", "c"]
        .iter()
        .map(|name| (format!("orders/{name}.parquet"), orders(name, 100)))
        .collect();
    let healthy: Vec<(&str, &[u8])> = healthy
        .iter()
        .map(|(path, file)| (path.as_str(), file.as_slice()))
        .collect();
    let server = TestServer::start(TestLake::of(CONFIG, &healthy));
    let client = connect(&server).await;
    let sums = "SELECT count(*), sum(amount), count(DISTINCT customer_id) FROM orders \
                WHERE order_id ~ '^[abc]-'";
    let raw = "SELECT count(*), sum(amount) FROM raw.shop WHERE id ~ '^[abc]-'";
    let well = async |when: &str| {
        assert_eq!(one(&client, sums).await, "300|300.0000|300", "{when}");
        assert_eq!(one(&client, raw).await, "300|300", "{when}");
        assert_eq!(lines(&client, UNEQUAL).await, Vec::<String>::new(), "{when}");
    };
    well("before").await;

    let cases = cases();
    for case in &cases {
        server.lake().land(&path(case.name), &case.file);
    }
    for name in IGNORED {
        server.lake().land(name, b"not looked at");
    }
    // What is landed and not yet judged is in no answer.
    well("landed").await;
    let report = server.look().await;
    assert_eq!(report.snapshot, Some(2));
    well("judged").await;

    are_told(&client, &cases, healthy.len()).await;
    let long = "SELECT rejections FROM perennial.files WHERE path = 'orders/z-long-value.parquet'";
    assert!(one(&client, long).await.contains("longer than 16 MiB"));
    // The rows of the names are there, as they landed and unified.
    let named = "SELECT count(*) FROM orders WHERE order_id ~ '^n[0-9]+-0$'";
    assert_eq!(one(&client, named).await, "10");
    let named = "SELECT count(*) FROM raw.shop WHERE id ~ '^n[0-9]+-0$' AND channel IS NULL";
    assert_eq!(one(&client, named).await, "10");
    assert_eq!(
        one(&client, "SELECT count(*) FROM raw.shop WHERE channel = 'new'").await,
        "2"
    );

    // A server that starts now finds the same.
    let again = TestServer::start(server.lake().clone());
    let other = connect(&again).await;
    assert_eq!(one(&other, sums).await, "300|300.0000|300");
    assert_eq!(again.look().await.snapshot, None);

    for case in &cases {
        server.lake().remove(&path(case.name));
    }
    assert_eq!(server.look().await.snapshot, Some(3));
    well("gone").await;
    assert_eq!(one(&client, "SELECT count(*) FROM perennial.files").await, "3");
}

/// No former snapshot helps: everything is there when the first run looks, and when a run works out everything anew.
#[tokio::test]
async fn a_lake_in_which_every_fault_lies_already_is_served() {
    let cases = cases();
    let lake = TestLake::of(CONFIG, &[("orders/a.parquet", &orders("a", 100))]);
    for case in &cases {
        lake.land(&path(case.name), &case.file);
    }
    for name in IGNORED {
        lake.land(name, b"not looked at");
    }
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let healthy =
        "SELECT count(*), sum(amount), count(DISTINCT customer_id) FROM orders WHERE order_id LIKE 'a-%'";
    for _ in 0..2 {
        assert_eq!(one(&client, healthy).await, "100|100.0000|100");
        let raw = "SELECT count(*), sum(amount) FROM raw.shop WHERE id LIKE 'a-%'";
        assert_eq!(one(&client, raw).await, "100|100");
        assert_eq!(lines(&client, UNEQUAL).await, Vec::<String>::new());
        are_told(&client, &cases, 1).await;
        server.lake().unify();
        server.look().await;
    }
}

#[tokio::test]
async fn flipped_bits_stay_with_their_file() {
    let lake = TestLake::of(CONFIG, &[("orders/a.parquet", &orders("a", 100))]);
    // 4,000 rows: most of the bytes are behind the rows that are looked at before a file is taken.
    let whole = orders("flip", 4_000);
    let seed = seed(0) as usize;
    for flip in 0..40 {
        let mut file = orders(&format!("f{flip}"), 4_000);
        let at = 4 + (file.len() / 40 * flip + seed) % (file.len() - 8);
        file[at] ^= 1 << ((flip + seed) % 8);
        lake.land(&format!("orders/flip-{flip}.parquet"), &file);
    }
    assert!(whole.len() > 40_000);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    assert_eq!(
        one(
            &client,
            "SELECT count(*), sum(amount) FROM orders WHERE order_id LIKE 'a-%'"
        )
        .await,
        "100|100.0000"
    );
    assert_eq!(lines(&client, UNEQUAL).await, Vec::<String>::new());
    assert_eq!(one(&client, "SELECT count(*) FROM perennial.files").await, "41");
    let quarantined = "SELECT count(*) FROM perennial.files WHERE state = 'quarantined'";
    assert_ne!(one(&client, quarantined).await, "0");
    // A file that is live can be read to its end: every value of every row is asked for.
    let read = "SELECT count(*) FROM raw.shop WHERE concat(id, email, amount, state, at) <> 'nothing'";
    let live = "SELECT sum(rows_landed)::bigint FROM perennial.files WHERE state = 'live'";
    assert_eq!(one(&client, read).await, one(&client, live).await);
}

/// Eight orders as `columns` makes them, uncompressed and with a checksum for each page, by pyarrow 26:
/// `pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)`.
const CHECKSUMS: &[u8] = include_bytes!("checksums.parquet");

#[tokio::test]
async fn a_flipped_bit_that_a_checksum_shows_is_no_value() {
    let place = CHECKSUMS
        .windows(14)
        .position(|bytes| bytes == b"c5@example.org")
        .unwrap();
    let mut flipped = CHECKSUMS.to_vec();
    flipped[place] ^= 1;
    let lake = TestLake::of(
        CONFIG,
        &[
            ("orders/whole.parquet", CHECKSUMS),
            ("orders/flipped.parquet", &flipped),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let files = lines(
        &client,
        "SELECT path, state, coalesce(reason, '-') FROM perennial.files ORDER BY 1",
    )
    .await;
    assert!(
        files.len() == 2
            && files[0].starts_with("orders/flipped.parquet|quarantined|")
            && files[0].contains("checksum")
            && files[1] == "orders/whole.parquet|live|-",
        "{files:?}"
    );
    let addresses = "SELECT count(DISTINCT value), min(value) FROM identities";
    assert_eq!(one(&client, addresses).await, "8|c0@example.org");
}

#[tokio::test]
async fn two_thousand_files_are_one_table() {
    let lake = TestLake::of(CONFIG, &[]);
    for file in 0..2_000 {
        lake.land(&format!("orders/{file}.parquet"), &orders(&format!("f{file}"), 2));
    }
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    assert_eq!(
        one(&client, "SELECT count(*), sum(amount) FROM orders").await,
        "4000|4000.0000"
    );
    assert_eq!(
        one(&client, "SELECT count(DISTINCT id) FROM raw.shop").await,
        "4000"
    );
    assert_eq!(
        one(
            &client,
            "SELECT count(*), sum(rows_unified) FROM perennial.files WHERE state = 'live'"
        )
        .await,
        "2000|4000"
    );
}

#[tokio::test]
async fn one_bad_row_of_very_many_is_one_row() {
    const ROWS: usize = 1_000_000;
    let amount = |row: usize| (row != 123_456).then_some(1.0);
    let amounts: ArrayRef = Arc::new((0..ROWS).map(amount).collect::<Float64Array>());
    assert_eq!(amounts.null_count(), 1);
    let file = written(with("big", ROWS, "amount", amounts), WriterProperties::builder());
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &file)]));
    let client = connect(&server).await;
    let sql = "SELECT state, rows_landed, rows_unified, rows_rejected FROM perennial.files";
    assert_eq!(one(&client, sql).await, "live|1000000|999999|1");
    assert_eq!(one(&client, "SELECT count(*) FROM orders").await, "999999");
}

/// Statistics may be wrong in a file whose values are not: whatever is asked, the values answer.
#[tokio::test]
async fn statistics_that_lie_change_no_answer() {
    // Every bound of the footers and of the pages is of other values: the same file, with others in their places.
    let times = |day: i64| -> ArrayRef {
        let day = 1_767_225_600_000_000 + day * 86_400_000_000;
        Arc::new(TimestampMicrosecondArray::from(vec![day; 4]).with_timezone("UTC"))
    };
    let texts = |name: &str| -> ArrayRef {
        Arc::new(
            (0..4)
                .map(|row| Some(format!("{name}{row}")))
                .collect::<StringArray>(),
        )
    };
    let file = |name: &str, amount: f64, day: i64| {
        let columns: Vec<(&'static str, ArrayRef)> = vec![
            ("id", texts(name)),
            ("email", texts(&format!("{name}@{name}."))),
            ("amount", Arc::new(Float64Array::from(vec![amount; 4]))),
            ("state", texts(name)),
            ("at", times(day)),
        ];
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_compression(Compression::UNCOMPRESSED)
            .set_bloom_filter_enabled(true);
        written(columns, properties)
    };
    let (said, truth) = (file("said", 1.0, 0), file("true", 9.0, 20));
    assert_eq!(said.len(), truth.len());
    let pages = {
        use parquet::file::reader::{FileReader, SerializedFileReader};
        let reader = SerializedFileReader::new(bytes::Bytes::from(said.clone())).unwrap();
        let columns = reader.metadata().row_group(0).columns().iter();
        let ends = columns.map(|column| column.byte_range());
        ends.map(|(start, length)| start as usize..(start + length) as usize)
            .collect::<Vec<_>>()
    };
    let mut lying = said;
    for range in pages {
        lying[range.clone()].copy_from_slice(&truth[range]);
    }
    let config = CONFIG.replace(
        "[server]",
        "[[source]]\nname = \"reference\"\nkind = \"table\"\npath = \"reference/\"\n[server]",
    );
    let lake = TestLake::of(
        &config,
        &[
            ("orders/a.parquet", &lying),
            ("orders/b.parquet", &orders("b", 3)),
            ("reference/a.parquet", &lying),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    for (table, least) in [
        ("raw.shop", "1|9"),
        ("raw.reference", "9|9"),
        ("reference", "9|9"),
    ] {
        let check = async |condition: &str, expected: &str| {
            let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
            assert_eq!(one(&client, &sql).await, expected, "{sql}");
        };
        check("amount = 9", "4").await;
        check("amount > 5", "4").await;
        check("id = 'true2'", "1").await;
        check("email >= 'true'", "4").await;
        check("at > '2026-01-10'", "4").await;
        check("id = 'said2'", "0").await;
        check("state IS NULL", "0").await;
        let sql = format!("SELECT min(amount), max(amount) FROM {table}");
        assert_eq!(one(&client, &sql).await, least, "{sql}");
        let sql = format!("SELECT id FROM {table} ORDER BY amount DESC, id LIMIT 1");
        assert_eq!(one(&client, &sql).await, "true0", "{sql}");
    }
    assert_eq!(one(&client, "SELECT sum(amount) FROM orders").await, "39.0000");
    assert_eq!(
        one(&client, "SELECT count(*) FROM orders WHERE amount = 9").await,
        "4"
    );
}
