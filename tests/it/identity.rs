//! Identities over several landings: whose id is whose, and what is told of it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::Client;

use crate::support::{connect, lines, one, parquet, seed};

/// Profiles of a source with keys, visits of one without, and what comes behind.
pub(crate) fn config(identity: &str, more: &str) -> String {
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

pub(crate) const TYPES: &str = r#"
[[identity.identifier]]
type = "email"
normalise = "email_gmail"
strong = true
[[identity.identifier]]
type = "phone"
normalise = "phone:DE"
"#;

/// A file of text columns; an empty text is NULL.
pub(crate) fn table(columns: &[(&str, &[&str])]) -> Vec<u8> {
    let column = |values: &[&str]| -> ArrayRef {
        let values = values.iter().map(|value| (!value.is_empty()).then_some(*value));
        Arc::new(values.collect::<StringArray>())
    };
    let columns = columns.iter().map(|(name, values)| (*name, column(values)));
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// Rows of the two sources, each such as `k1 ann@x.de 0301234567 2026-01-01`; a dash is no value.
pub(crate) fn rows(rows: &[&str]) -> Vec<u8> {
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

pub(crate) async fn served(lake: &TestLake) -> (TestServer, Client) {
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

pub(crate) const DESK: &str = r#"
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
pub(crate) fn words(rows: &[&str]) -> Vec<u8> {
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
pub(crate) const WHO: &str = "SELECT string_agg(type || '=' || value, ' ' ORDER BY type, value) FROM identities GROUP BY customer_id ORDER BY 1";

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
        "t6 crm 5 crm 5 same 2026-02-01",
    ];
    lake.land("desk/a.parquet", &words(&said));
    let unknown = lake.check().unwrap().unknown_sources;
    let unknown: Vec<[&str; 3]> = unknown
        .iter()
        .map(|unknown| [&unknown.source, &unknown.path, &unknown.name].map(String::as_str))
        .collect();
    assert_eq!(unknown, [["desk", "desk/a.parquet", "shop"]]);
    let told = "1 word of source \"desk\" has no effect, as source \"shop\" does not exist: SELECT * FROM perennial.identity_overrides WHERE state = 'unknown source' tells which words";
    assert_eq!(lake.unify().noticed.told("perennial.toml"), [told]);
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
            "t4|same|unknown source|zoe@x.de|",
            "t6|same|one record|zoe@x.de|zoe@x.de"
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
    let newer = [
        "t6 crm 2 crm 1 different 2026-03-01",
        "t7 crm 1 crm 17 same 2026-03-01",
        "t8 crm 18 crm 19 same 2026-03-01",
        "t9 crm 20 crn 2 same 2026-03-01",
    ];
    lake.land("desk/b.parquet", &words(&newer));
    std::fs::remove_file(lake.root().join("desk/a.parquet")).unwrap();
    let lost = "2 words of source \"desk\" have no effect, as records \"17\" of crm, \"18\" of crm, \"19\" of crm do not exist: SELECT * FROM perennial.identity_overrides WHERE state = 'unknown record' tells which words";
    assert_eq!(lake.check().unwrap().noticed.told("perennial.toml"), [lost]);
    assert_eq!(
        lake.unify().noticed.told("perennial.toml"),
        [
            lost,
            "1 word of source \"desk\" has no effect, as source \"crn\" does not exist: did you mean \"crm\"?"
        ]
    );
    assert_eq!(named(&lake, "email").await, before);
    let (_server, client) = served(&lake).await;
    let causes = "SELECT snapshot, change, cause, count(*) FROM identity_changes GROUP BY 1, 2, 3 ORDER BY 1";
    assert_eq!(
        lines(&client, causes).await,
        ["2|merged|override|2", "3|split|override|2"]
    );
}

#[tokio::test]
async fn a_change_tells_its_causes() {
    let lake = TestLake::of(
        &config("", TYPES),
        &[
            ("crm/a.parquet", &rows(&["1 ann@x.de - 2026-01-01"])),
            ("crm/b.parquet", &rows(&["2 - 030111222 2026-01-02"])),
        ],
    );
    lake.unify();
    // A visit joins the two, is replaced twice, is removed, and is there again beside another configuration.
    let both = rows(&["visit ann@x.de 030111222 2026-01-03"]);
    let remove = || std::fs::remove_file(lake.root().join("web/a.parquet")).unwrap();
    lake.land("web/a.parquet", &both);
    lake.unify();
    lake.land("web/a.parquet", &rows(&["visit ann@x.de - 2026-01-03"]));
    lake.unify();
    lake.land("web/a.parquet", &both);
    lake.unify();
    remove();
    lake.unify();
    lake.land("web/a.parquet", &both);
    lake.configure(&config("blocked = [\"4711\"]", TYPES));
    lake.unify();
    let (_server, client) = served(&lake).await;
    assert_eq!(
        lines(
            &client,
            "SELECT snapshot, change, cause FROM identity_changes ORDER BY 1"
        )
        .await,
        [
            "2|merged|new files",
            "3|split|replaced files",
            "4|merged|replaced files",
            "5|split|removed files",
            "6|merged|configuration, new files",
        ]
    );
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

#[tokio::test]
async fn a_changed_rule_unmerges_and_every_step_is_told() {
    let people = [
        "1 ann@x.de 030111222 2026-01-01",
        "2 bob@x.de 030111222 2026-01-02",
    ];
    let visits = [
        "visit bob@x.de - 2026-01-03",
        "visit bob@x.de - 2026-01-04",
        "visit bob@x.de - 2026-01-05",
    ];
    let files: [(&str, &[u8]); 2] = [
        ("crm/a.parquet", &rows(&people)),
        ("web/a.parquet", &rows(&visits)),
    ];
    let (free, blocked) = (config("", TYPES), config("blocked = [\"030 111222\"]", TYPES));
    let lake = TestLake::of(&free, &files);
    lake.unify();
    let id = named(&lake, "email").await[0].1.clone();
    lake.configure(&blocked);
    lake.unify();
    let apart = named(&lake, "email").await;
    assert_eq!(apart[0].1, id);
    let other = apart[1].1.clone();
    lake.configure(&free);
    lake.unify();
    lake.configure(&blocked);
    lake.unify();
    assert_eq!(named(&lake, "email").await, apart, "each has the id that it had");
    // Nothing new: nothing is told, and what was told stays.
    lake.land("crm/b.parquet", &rows(&["3 zoe@x.de - 2026-02-01"]));
    lake.unify();
    let (server, client) = served(&lake).await;
    let name = |text: String| text.replace(&id, "ann").replace(&other, "bob");
    let changes =
        "SELECT snapshot, change, customer_id, other_customer_id, cause FROM identity_changes ORDER BY 1";
    let told: Vec<String> = lines(&client, changes).await.into_iter().map(name).collect();
    assert_eq!(
        told,
        [
            "2|split|bob|ann|configuration",
            "3|merged|ann|bob|configuration",
            "4|split|bob|ann|configuration"
        ]
    );
    let clock = "SELECT count(DISTINCT c.changed_at), bool_and(abs(extract(epoch FROM c.changed_at - s.committed_at)) < 3600) \
                 FROM identity_changes c JOIN perennial.snapshots s USING (snapshot)";
    assert_eq!(one(&client, clock).await, "3|t");

    // Who had which value when: bob's address was ann's in snapshots 1 and 3, the phone in the same.
    let history =
        "SELECT customer_id, type, value, from_snapshot, to_snapshot FROM identity_history ORDER BY 2, 3, 4";
    let told: Vec<String> = lines(&client, history).await.into_iter().map(name).collect();
    assert_eq!(
        told,
        [
            "ann|email|bob@x.de|1|2",
            "bob|email|bob@x.de|2|3",
            "ann|email|bob@x.de|3|4",
            "ann|phone|+4930111222|1|2",
            "ann|phone|+4930111222|3|4",
        ]
    );
    let now = "SELECT customer_id, value, snapshot, records FROM identities ORDER BY value";
    let told: Vec<String> = lines(&client, now).await.into_iter().map(name).collect();
    assert_eq!(told[..2], ["ann|ann@x.de|1|1", "bob|bob@x.de|4|4"]);
    assert!(told[2].ends_with("|zoe@x.de|5|1"), "{told:?}");
    // Times of one value follow each other without a gap.
    let gaps = "SELECT count(*) FROM (SELECT valid_to, lead(valid_from) OVER (PARTITION BY value ORDER BY valid_from) AS next \
                FROM (SELECT value, valid_from, valid_to FROM identity_history WHERE type = 'email' \
                UNION ALL SELECT value, valid_from, NULL FROM identities WHERE type = 'email') AS t) AS u WHERE valid_to <> next";
    assert_eq!(one(&client, gaps).await, "0");

    // Why bob is one: the profile and three visits share an address; and what happened to the id.
    let explained = format!(
        "SELECT what, source_a, record_a, source_b, record_b, records, reason, type, value, at::date, snapshot, other_customer_id \
         FROM explain_identity('{other}') WHERE what <> 'changed'"
    );
    assert_eq!(
        lines(&client, &explained).await,
        [
            "joined|crm|2|web|web/a.parquet:0|3|shared_identifier|email|bob@x.de|2026-01-03|4|",
            "joined|web|web/a.parquet:0|web||3|equal_identifiers|||2026-01-05|4|",
        ]
    );
    let changed = format!(
        "SELECT reason, snapshot, other_customer_id FROM explain_identity('{other}') WHERE what = 'changed'"
    );
    let told: Vec<String> = lines(&client, &changed).await.into_iter().map(name).collect();
    assert_eq!(told, ["split|2|ann", "merged|3|ann", "split|4|ann"]);
    drop((server, client));

    // A retired id is explained as the one that it leads to, and its time is told.
    lake.configure(&free);
    lake.unify();
    let (_server, client) = served(&lake).await;
    let redirect = "SELECT retired_customer_id, customer_id, snapshot, retired_at > '2026-01-01' FROM identity_redirects";
    let told: Vec<String> = lines(&client, redirect).await.into_iter().map(name).collect();
    assert_eq!(told, ["bob|ann|6|t"]);
    let both = |id: &str| {
        format!(
            "SELECT what, record_a, record_b, reason, snapshot FROM explain_identity('{id}') WHERE what = 'joined'"
        )
    };
    let explained = lines(&client, &both(&other)).await;
    assert_eq!(
        explained,
        [
            "joined|1|2|shared_identifier|6",
            "joined|2|web/a.parquet:0|shared_identifier|6",
            "joined|web/a.parquet:0||equal_identifiers|6",
        ]
    );
    assert_eq!(explained, lines(&client, &both(&id)).await);
}

#[tokio::test]
async fn who_is_gone_is_told_and_returns() {
    let lake = TestLake::of(
        &config("", TYPES),
        &[
            ("crm/a.parquet", &rows(&["1 ann@x.de - 2026-01-01"])),
            ("crm/b.parquet", &rows(&["2 bob@x.de - 2026-01-02"])),
        ],
    );
    lake.unify();
    let before = named(&lake, "email").await;
    std::fs::remove_file(lake.root().join("crm/b.parquet")).unwrap();
    lake.unify();
    let bob = before[1].1.clone();
    {
        let (_server, client) = served(&lake).await;
        let sql = format!("SELECT what, reason, snapshot, other_customer_id FROM explain_identity('{bob}')");
        assert_eq!(lines(&client, &sql).await, ["changed|gone|2|"]);
        let redirect = format!(
            "SELECT customer_id, snapshot FROM identity_redirects WHERE retired_customer_id = '{bob}'"
        );
        assert_eq!(lines(&client, &redirect).await, ["|2"]);
    }
    lake.land("crm/b.parquet", &rows(&["2 bob@x.de - 2026-01-02"]));
    lake.unify();
    assert_eq!(named(&lake, "email").await, before);
    let (_server, client) = served(&lake).await;
    let sql = "SELECT change, snapshot, cause FROM identity_changes ORDER BY 2";
    assert_eq!(
        lines(&client, sql).await,
        ["gone|2|removed files", "returned|3|new files"]
    );
}

#[tokio::test]
async fn a_refused_join_is_explained_on_both_sides() {
    let people = [
        "1 ann@x.de 030111222 2026-01-01",
        "2 bob@x.de 030111222 2026-01-02",
        "3 bob@x.de 030333444 2026-01-03",
    ];
    let one_address = TYPES.replacen("strong = true", "strong = true\nlimit = 1", 1);
    let lake = TestLake::of(&config("", &one_address), &[("crm/a.parquet", &rows(&people))]);
    lake.unify();
    let ids = named(&lake, "email").await;
    let (_server, client) = served(&lake).await;
    for (at, (_, id)) in ids.iter().enumerate() {
        let sql = format!(
            "SELECT source_a, record_a, records, reason, type, value, at::date, other_customer_id FROM explain_identity('{id}') WHERE what = 'refused'"
        );
        let other = &ids[1 - at].1;
        let expected = format!("crm|2|1|limit|phone|+4930111222|2026-01-02|{other}");
        assert_eq!(lines(&client, &sql).await, [expected]);
    }
    let error = client
        .simple_query("SELECT * FROM explain_identity('nobody')")
        .await
        .unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.message(), "\"nobody\" is not a customer_id");
}

/// Numbers from a seed, the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Everything about identities, but for the moments of the run.
const ABOUT: &str = "
    SELECT 'customer', customer_id, records::text, first_seen_at::text, sources::text, NULL FROM customers
    UNION ALL SELECT 'identity', customer_id, type, value, records::text, last_seen_at::text FROM identities
    UNION ALL SELECT 'link', customer_id, source_a || record_a || source_b, record_b, reason || coalesce(type || value, ''), records::text FROM identity_links
    UNION ALL SELECT 'conflict', customer_id, source || record_key, value, records::text, reason FROM perennial.identity_conflicts
    UNION ALL SELECT 'warning', type, value, reason, records::text, customers::text FROM perennial.identity_warnings
    UNION ALL SELECT 'word', customer_a, record_key, state, customer_b, NULL FROM perennial.identity_overrides
    ORDER BY 1, 2, 3, 4, 5, 6";

#[tokio::test]
async fn files_and_threads_do_not_matter() {
    let first = seed(1);
    for seed in first..first + 4 {
        println!("seed {seed}");
        let mut numbers = Numbers(seed);
        let mut people: Vec<String> = Vec::new();
        for key in 0..60 {
            let email = ["ann", "bob", "info", "zoe", "kim", "eve", "dan", "-"][numbers.below(8) as usize];
            let (at, phone, day) = (numbers.below(4), numbers.below(9), 1 + numbers.below(9));
            let email = if email == "-" {
                email.to_owned()
            } else {
                format!("{email}@{at}.de")
            };
            people.push(format!("{key} {email} 03011122{phone}{at} 2026-01-0{day}"));
        }
        let said: Vec<String> = (0..6)
            .map(|ticket| {
                let (a, b) = (numbers.below(60), numbers.below(60));
                let verdict = ["same", "different"][numbers.below(2) as usize];
                format!(
                    "t{ticket} crm {a} crm {b} {verdict} 2026-02-0{}",
                    1 + numbers.below(3)
                )
            })
            .collect();
        let bounded = TYPES.replacen("strong = true", "strong = true\nlimit = 2", 1) + "max_customers = 3\n";
        let mut answers = Vec::new();
        for (files, threads) in [(1, 1), (7, 4), (7, 1), (3, 2)] {
            // Shuffled anew, and dealt out to files in turn.
            for at in (1..people.len()).rev() {
                people.swap(at, numbers.below(at as u64 + 1) as usize);
            }
            let configured = config("", &bounded)
                .replace("[identity]\n", &format!("{DESK}[identity]\n"))
                .replace("[server]\n", &format!("[server]\nthreads = {threads}\n"));
            let lake = TestLake::of(&configured, &[]);
            for file in 0..files {
                let share: Vec<&str> = people
                    .iter()
                    .skip(file)
                    .step_by(files)
                    .map(String::as_str)
                    .collect();
                lake.land(&format!("crm/{file}.parquet"), &rows(&share));
            }
            lake.land(
                "desk/a.parquet",
                &words(&said.iter().map(String::as_str).collect::<Vec<_>>()),
            );
            lake.unify();
            let (_server, client) = served(&lake).await;
            answers.push(lines(&client, ABOUT).await);
        }
        assert!(answers[0].len() > 100);
        for answer in &answers[1..] {
            assert_eq!(answers[0], *answer);
        }
    }
}
