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

const DESK: &str = r#"
[[source]]
name = "desk"
kind = "identity_override"
path = "desk/"
record_key = "ticket"
time = "at"
columns = { source_a = "source_a", record_a = "a", source_b = "source_b", record_b = "b", verdict = "verdict" }
max_bad_rows = 0.9
"#;

/// Words of persons, each such as `t1 crm 1 crm 2 same 2026-02-01`.
fn words(rows: &[&str]) -> Vec<u8> {
    let words: Vec<Vec<&str>> = rows.iter().map(|row| row.split(' ').collect()).collect();
    let column = |at: usize| -> Vec<&str> { words.iter().map(|words| words[at]).collect() };
    table(&[
        ("ticket", &column(0)),
        ("source_a", &column(1)),
        ("a", &column(2)),
        ("source_b", &column(3)),
        ("b", &column(4)),
        ("verdict", &column(5)),
        ("at", &column(6)),
    ])
}

/// The records of each customer by their links and e-mails, one line each.
const WHO: &str = "SELECT string_agg(type || '=' || value, ' ' ORDER BY type, value) FROM identities GROUP BY customer_id ORDER BY 1";

#[tokio::test]
async fn a_person_s_word_joins_and_separates() {
    let people = [
        "1 ann@x.de - 2026-01-01",
        "2 ann@y.de - 2026-01-02",
        "3 bob@x.de 030999888 2026-01-03",
        "4 bea@x.de 030999888 2026-01-04",
        "5 zoe@x.de - 2026-01-05",
    ];
    let one_address = TYPES.replacen("strong = true", "strong = true\nlimit = 1", 1);
    let limited = config("", &one_address).replace("[identity]\n", &format!("{DESK}[identity]\n"));
    let lake = TestLake::of(&limited, &[("crm/a.parquet", &rows(&people))]);
    lake.unify();
    let before = {
        let (_server, client) = served(&lake).await;
        // One phone, and a customer has one address: bob and bea are two, and bea's phone is bob's.
        assert_eq!(
            lines(&client, WHO).await,
            [
                "email=ann@x.de",
                "email=ann@y.de",
                "email=bea@x.de",
                "email=bob@x.de phone=+4930999888",
                "email=zoe@x.de"
            ]
        );
        let sql = "SELECT reason, type, \"limit\", record_key, value, records, refused_at::date FROM perennial.identity_conflicts";
        assert_eq!(
            lines(&client, sql).await,
            ["limit|email|1|4|+4930999888|1|2026-01-04"]
        );
        named(&lake, "email").await
    };
    let said = [
        "t1 crm 1 crm 2 same 2026-02-01",
        "t2 crm 3 crm 4 SAME 2026-02-02",
        "t3 crm 4 crm 3 different 2026-02-01",
        "t4 crm 5 shop 5 same 2026-02-01",
        "t5 crm 5 crm 1 maybe 2026-02-01",
    ];
    lake.land("desk/a.parquet", &words(&said));
    let unknown = lake.check().unwrap().unknown_sources;
    let unknown: Vec<[&str; 3]> = unknown
        .iter()
        .map(|(a, b, c)| [a, b, c].map(String::as_str))
        .collect();
    assert_eq!(unknown, [["desk", "desk/a.parquet", "shop"]]);
    lake.unify();
    let (server, client) = served(&lake).await;
    assert_eq!(
        lines(&client, WHO).await,
        [
            "email=ann@x.de email=ann@y.de",
            "email=bea@x.de email=bob@x.de phone=+4930999888",
            "email=zoe@x.de"
        ]
    );
    let states = "SELECT o.record_key, o.verdict, o.state, a.email, b.email FROM perennial.identity_overrides o \
                  LEFT JOIN customers a ON a.customer_id = o.customer_a LEFT JOIN customers b ON b.customer_id = o.customer_b ORDER BY 1";
    assert_eq!(
        lines(&client, states).await,
        [
            "t1|same|applied|ann@y.de|ann@y.de",
            "t2|same|applied|bea@x.de|bea@x.de",
            "t3|different|overruled|bea@x.de|bea@x.de",
            "t4|same|unknown record|zoe@x.de|"
        ]
    );
    let links = "SELECT reason, record_a, record_b, type, linked_at::date FROM identity_links ORDER BY record_a, reason";
    assert_eq!(
        lines(&client, links).await,
        [
            "override|1|2||2026-02-01",
            "override|3|4||2026-02-02",
            "shared_identifier|3|4|phone|2026-01-04"
        ]
    );
    assert_eq!(
        lines(
            &client,
            "SELECT rejections FROM perennial.files WHERE source = 'desk'"
        )
        .await,
        [r#"{"verdict is neither same nor different":1}"#]
    );
    // The older id survives, and the other leads to it.
    let id = |value: &str| &before.iter().find(|(other, _)| other == value).unwrap().1;
    let redirects = "SELECT retired_customer_id, customer_id FROM identity_redirects ORDER BY 1";
    let mut expected = [
        format!("{}|{}", id("ann@y.de"), id("ann@x.de")),
        format!("{}|{}", id("bea@x.de"), id("bob@x.de")),
    ];
    expected.sort();
    assert_eq!(lines(&client, redirects).await, expected);
    drop((server, client));

    // A newer word takes it back, in both directions, and ids are what they were.
    lake.land("desk/b.parquet", &words(&["t6 crm 2 crm 1 different 2026-03-01"]));
    std::fs::remove_file(lake.root().join("desk/a.parquet")).unwrap();
    lake.unify();
    assert_eq!(named(&lake, "email").await, before);
}

#[tokio::test]
async fn a_word_keeps_apart_who_shares_an_address() {
    let people = [
        "1 office@x.de - 2026-01-01",
        "2 family@x.de - 2026-01-02",
        "3 family@x.de - 2026-01-03",
    ];
    let visits = ["visit family@x.de - 2026-01-04"];
    let configured = config("", TYPES).replace("[identity]\n", &format!("{DESK}[identity]\n"));
    let files: [(&str, &[u8]); 3] = [
        ("crm/a.parquet", &rows(&people)),
        ("web/a.parquet", &rows(&visits)),
        ("desk/a.parquet", &words(&["t1 crm 3 crm 2 different 2026-02-01"])),
    ];
    let lake = TestLake::of(&configured, &files);
    let (_server, client) = served(&lake).await;
    assert_eq!(one(&client, "SELECT count(*) FROM customers").await, "3");
    // The address stays with the earlier record, and so does the visit.
    let sql = "SELECT c.records, c.email FROM customers c ORDER BY 1, 2";
    assert_eq!(lines(&client, sql).await, ["1|", "1|", "2|family@x.de"]);
    let sql = "SELECT reason, type, record_key, value FROM perennial.identity_conflicts";
    assert_eq!(lines(&client, sql).await, ["override||3|family@x.de"]);
}
