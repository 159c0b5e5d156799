//! Values that identify nobody: the list of them, and what is told of it.

use perennial_testkit::TestLake;

use crate::identity::{TYPES, config, rows, served};
use crate::support::{lines, one};
use crate::worlds::land;

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
async fn the_block_list_is_a_relation_that_says_what_it_kept_apart() {
    let people = [
        "1 info@x.de 0000000 2026-01-01",
        "2 info+shop@y.de 030/12344321 2026-01-02",
        "3 unknown UNKNOWN 2026-01-03",
        "4 Info@Acme.com +493012344321 2026-01-04",
        "5 hi@x.de 55555555 2026-01-05",
    ];
    let blocked = "blocked = [\"030 1234 4321\", \"info@ACME.com\", \"!hi@\", \"4711\", \"unknown\"]";
    let lake = TestLake::of(&config(blocked, TYPES), &[("crm/a.parquet", &rows(&people))]);
    let kept = "SELECT entry, origin, matches, records FROM perennial.identity_blocked \
                WHERE records > 0 OR origin <> 'built in' ORDER BY 1";
    let (_server, client) = served(&lake).await;
    assert_eq!(
        lines(&client, kept).await,
        [
            "030 1234 4321|configuration|value|2",
            "4711|configuration|value|0",
            "<phone of one digit>|built in|pattern|1",
            "<zeros only>|built in|pattern|1",
            "info@|built in|mailbox|2",
            "info@acme.com|configuration|value|1",
            "unknown|built in|value|2",
        ]
    );
    let taken_off = "SELECT count(*) FROM perennial.identity_blocked WHERE entry = 'hi@'";
    assert_eq!(one(&client, taken_off).await, "0");
    // What lands later is added to it, and the sum stays that of the warnings.
    lake.land("crm/b.parquet", &rows(&["6 info@z.de 1234567890 2026-01-06"]));
    lake.unify();
    let (_server, client) = served(&lake).await;
    let both = "SELECT (SELECT sum(records) FROM perennial.identity_blocked), \
                (SELECT sum(records) FROM perennial.identity_warnings WHERE reason = 'blocked')";
    assert_eq!(lines(&client, both).await, ["11|11"]);
    let later = "SELECT entry, records FROM perennial.identity_blocked WHERE entry IN ('info@', \
                 '<phone that counts up or down>') ORDER BY 1";
    assert_eq!(
        lines(&client, later).await,
        ["<phone that counts up or down>|1", "info@|3"]
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

#[test]
fn what_was_counted_in_a_file_goes_with_it() {
    let day = |mailbox: &str| rows(&[&format!("{mailbox} {mailbox}@x.de - 2026-01-01")]);
    let lake = TestLake::of(&config("", TYPES), &[]);
    for name in ["info", "hello", "office"] {
        land(&lake, &format!("web/{name}.parquet"), &day(name));
    }
    for key in 1..20 {
        land(
            &lake,
            &format!("crm/{key}.parquet"),
            &rows(&[&format!("{key} p{key}@x.de - 2026-01-02")]),
        );
    }
    lake.unify();
    let counted = || lake.manifest().tables["internal.tally"].rows();
    let warned = "SELECT value FROM perennial.identity_warnings".to_owned();
    assert_eq!(counted(), 3);
    lake.remove("web/hello.parquet");
    land(&lake, "web/noreply.parquet", &day("noreply"));
    let (report, answers) = lake.answers(false, std::slice::from_ref(&warned));
    assert_eq!((report.why_full, counted()), (None, 3));
    assert_eq!(answers, [["info@x.de", "noreply@x.de", "office@x.de"]]);
    lake.remove("web/info.parquet");
    let (report, answers) = lake.answers(false, &[warned]);
    assert_eq!((report.why_full, counted()), (None, 2));
    assert_eq!(answers, [["noreply@x.de", "office@x.de"]]);
}
