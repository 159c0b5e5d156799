//! Identities over several landings: whose id is whose, what the blocked values are, and what is told of it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::Client;

use crate::support::{connect, lines, one, parquet};

/// Profiles of a source with keys, visits of one without, and what comes behind.
fn config(identity: &str, more: &str) -> String {
    format!(
        r#"
[lake]
url = "./lake"
refresh = "off"
[[source]]
name = "crm"
kind = "profile"
path = "crm/"
record_key = "id"
time = "at"
identifiers = {{ email = "email", phone = "phone" }}
[[source]]
name = "web"
kind = "event"
path = "web/"
time = "at"
identifiers = {{ email = "email", phone = "phone" }}
columns = {{ name = "name" }}
max_bad_rows = 0.5
{more}
[identity]
{identity}
[server]
authentication = "trust"
"#
    )
}

const TYPES: &str = r#"
[[identity.identifier]]
type = "email"
normalise = "email_gmail"
strong = true
[[identity.identifier]]
type = "phone"
normalise = "phone:DE"
"#;

/// A file of text columns; an empty text is NULL.
fn table(columns: &[(&str, &[&str])]) -> Vec<u8> {
    let column = |values: &[&str]| -> ArrayRef {
        let values = values.iter().map(|value| (!value.is_empty()).then_some(*value));
        Arc::new(values.collect::<StringArray>())
    };
    let columns = columns.iter().map(|(name, values)| (*name, column(values)));
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// Rows of the two sources, each such as `k1 ann@x.de 0301234567 2026-01-01`; a dash is no value.
fn rows(rows: &[&str]) -> Vec<u8> {
    let words: Vec<Vec<&str>> = rows.iter().map(|row| row.split(' ').collect()).collect();
    let column = |at: usize| -> Vec<&str> {
        words
            .iter()
            .map(|words| if words[at] == "-" { "" } else { words[at] })
            .collect()
    };
    table(&[
        ("id", &column(0)),
        ("name", &column(0)),
        ("email", &column(1)),
        ("phone", &column(2)),
        ("at", &column(3)),
    ])
}

async fn served(lake: &TestLake) -> (TestServer, Client) {
    let server = TestServer::start(lake.clone());
    let client = connect(&server).await;
    (server, client)
}

/// The id of each value of a type.
async fn named(lake: &TestLake, of_type: &str) -> Vec<(String, String)> {
    let (_server, client) = served(lake).await;
    let sql = format!("SELECT value, customer_id FROM identities WHERE type = '{of_type}' ORDER BY 1");
    let pair = |line: String| {
        line.split_once('|')
            .map(|(value, id)| (value.to_owned(), id.to_owned()))
    };
    lines(&client, &sql).await.into_iter().filter_map(pair).collect()
}

#[tokio::test]
async fn a_file_without_keys_that_is_replaced_takes_nobody_s_id() {
    let first = rows(&["visit ann@x.de - 2026-01-01", "visit bob@x.de - 2026-01-01"]);
    let lake = TestLake::of(&config("", TYPES), &[("web/a.parquet", &first)]);
    lake.unify();
    let before = named(&lake, "email").await;
    let second = [
        "visit zoe@x.de - 2026-01-01",
        "visit ann@x.de - 2026-01-01",
        "visit bob@x.de - 2026-01-01",
    ];
    lake.land("web/a.parquet", &rows(&second));
    lake.unify();
    let after = named(&lake, "email").await;
    assert_eq!(after[..2], before[..]);
    assert!(before.iter().all(|(_, id)| *id != after[2].1));
    // Another way to compare addresses makes other values of them, and still takes nobody's id.
    lake.configure(&config("", &TYPES.replace("email_gmail", "email")));
    lake.unify();
    assert_eq!(named(&lake, "email").await, after);
}

#[tokio::test]
async fn a_blocked_value_joins_nobody_in_any_spelling() {
    let people = [
        "1 jane.doe@gmail.com - 2026-01-01",
        "2 janedoe@gmail.com 030/12344321 2026-01-02",
        "3 a@x.de +493012344321 2026-01-03",
        "4 a@x.de 03099887766 2026-01-04",
    ];
    let blocked = "blocked = [\"Jane.Doe@gmail.com\", \"030 1234 4321\"]";
    let lake = TestLake::of(&config(blocked, TYPES), &[("crm/a.parquet", &rows(&people))]);
    let (_server, client) = served(&lake).await;
    assert_eq!(
        lines(&client, "SELECT type, value FROM identities ORDER BY 1, 2").await,
        ["email|a@x.de", "phone|+493099887766"]
    );
    assert_eq!(one(&client, "SELECT count(*) FROM customers").await, "3");
    let warnings = "SELECT type, value, reason, records FROM perennial.identity_warnings ORDER BY 1, 2";
    assert_eq!(
        lines(&client, warnings).await,
        [
            "email|jane.doe@gmail.com|blocked|1",
            "email|janedoe@gmail.com|blocked|1",
            "phone|+493012344321|blocked|2"
        ]
    );
}

#[tokio::test]
async fn a_quarantined_file_warns_of_no_values() {
    let bad = [
        "visit info@x.de - 2026-01-01",
        "- info@x.de - 2026-01-01",
        "- info@y.de - 2026-01-01",
        "- - - 2026-01-01",
    ];
    let good = ["visit info@z.de - 2026-01-01", "visit ann@x.de 12 2026-01-01"];
    let files: [(&str, &[u8]); 2] = [
        ("web/bad.parquet", &rows(&bad)),
        ("web/good.parquet", &rows(&good)),
    ];
    let lake = TestLake::of(&config("", TYPES), &files);
    let (_server, client) = served(&lake).await;
    assert_eq!(
        lines(&client, "SELECT path, state FROM perennial.files ORDER BY 1").await,
        ["web/bad.parquet|quarantined", "web/good.parquet|live"]
    );
    assert_eq!(
        lines(
            &client,
            "SELECT value, reason, records FROM perennial.identity_warnings ORDER BY 1"
        )
        .await,
        ["12|malformed|1", "info@z.de|blocked|1"]
    );
}
