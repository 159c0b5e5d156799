//! What persons say of records, in runs that work out no more than what new files touch.

use std::fs;

use perennial_testkit::TestLake;

use crate::identity::{DESK, TYPES, WHO, config, rows, words};
use crate::worlds::land;

const STATES: &str = "SELECT record_key, verdict, state FROM perennial.identity_overrides ORDER BY 1";
const WHY: &str = "SELECT why_full FROM perennial.runs ORDER BY snapshot DESC LIMIT 1";

/// Lands a file, looks once, and tells who the customers are by their addresses, what became of the words, and why
/// everything was worked out, if it was.
fn after(lake: &TestLake, path: &str, bytes: &[u8]) -> (Vec<String>, Vec<String>, Option<String>) {
    land(lake, path, bytes);
    let queries = [WHO, STATES, WHY].map(str::to_owned);
    let (report, mut answers) = lake.answers(false, &queries);
    assert!(report.snapshot.is_some(), "{path}");
    let (why, states) = (answers.pop().unwrap(), answers.pop().unwrap());
    assert_eq!(why, [report.why_full.clone().unwrap_or_else(|| "∅".to_owned())]);
    (answers.pop().unwrap(), states, report.why_full)
}

/// Who is who after each file is worked out by hand.
#[test]
fn a_person_s_word_touches_the_records_that_it_names() {
    let config = config("", TYPES).replace("[identity]\n", &format!("{DESK}[identity]\n"));
    let lake = TestLake::of(&config, &[]);
    let people = [
        "1 ann@x.de - 2026-01-01",
        "2 ann@y.de - 2026-01-02",
        "3 bob@x.de 030999888 2026-01-03",
        "4 bea@x.de 030999888 2026-01-04",
        "5 zoe@x.de - 2026-01-05",
    ];
    land(&lake, "web/a.parquet", &rows(&["visit ida@x.de - 2026-01-01"]));
    let (who, states, _) = after(&lake, "crm/a.parquet", &rows(&people));
    let both = "email=bea@x.de email=bob@x.de phone=+4930999888";
    assert_eq!(
        who,
        [
            "email=ann@x.de",
            "email=ann@y.de",
            both,
            "email=ida@x.de",
            "email=zoe@x.de"
        ]
    );
    assert!(states.is_empty());

    let (who, states, full) = after(
        &lake,
        "desk/a.parquet",
        &words(&["t1 crm 1 crm 2 same 2026-02-01"]),
    );
    assert_eq!(full, None);
    assert_eq!(
        who,
        [
            "email=ann@x.de email=ann@y.de",
            both,
            "email=ida@x.de",
            "email=zoe@x.de"
        ]
    );
    assert_eq!(states, ["t1|same|applied"]);

    // It holds for what lands later, of them and of others.
    let (who, states, full) = after(
        &lake,
        "crm/b.parquet",
        &rows(&["6 ann@y.de 030111222 2026-01-06", "7 max@x.de - 2026-01-07"]),
    );
    let ann = "email=ann@x.de email=ann@y.de phone=+4930111222";
    assert_eq!(full, None);
    assert_eq!(
        who,
        [ann, both, "email=ida@x.de", "email=max@x.de", "email=zoe@x.de"]
    );
    assert_eq!(states, ["t1|same|applied"]);

    // The telephone stays with the record that had it first; of a record that does not exist nothing follows yet.
    let (who, states, full) = after(
        &lake,
        "desk/b.parquet",
        &words(&[
            "t2 crm 4 crm 3 different 2026-02-02",
            "t3 crm 9 crm 5 same 2026-02-02",
        ]),
    );
    assert_eq!(full, None);
    let bob = "email=bob@x.de phone=+4930999888";
    assert_eq!(
        who,
        [
            ann,
            "email=bea@x.de",
            bob,
            "email=ida@x.de",
            "email=max@x.de",
            "email=zoe@x.de"
        ]
    );
    assert_eq!(
        states,
        [
            "t1|same|applied",
            "t2|different|applied",
            "t3|same|unknown record"
        ]
    );

    // The record comes.
    let (who, states, full) = after(&lake, "crm/c.parquet", &rows(&["9 yva@x.de - 2026-01-09"]));
    assert_eq!(full, None);
    let zoe = "email=yva@x.de email=zoe@x.de";
    assert_eq!(
        who,
        [
            ann,
            "email=bea@x.de",
            bob,
            "email=ida@x.de",
            "email=max@x.de",
            zoe
        ]
    );
    assert_eq!(
        states,
        ["t1|same|applied", "t2|different|applied", "t3|same|applied"]
    );

    // A newer word takes back an older one, and a word that is corrected is another.
    let (who, states, full) = after(
        &lake,
        "desk/c.parquet",
        &words(&[
            "t4 crm 2 crm 1 different 2026-03-01",
            "t2 crm 7 crm 3 same 2026-03-01",
        ]),
    );
    assert_eq!(full, None);
    let max = "email=bea@x.de email=bob@x.de email=max@x.de phone=+4930999888";
    assert_eq!(
        who,
        [
            "email=ann@x.de",
            "email=ann@y.de phone=+4930111222",
            max,
            "email=ida@x.de",
            zoe
        ]
    );
    assert_eq!(
        states,
        [
            "t1|same|overruled",
            "t2|same|applied",
            "t3|same|applied",
            "t4|different|applied"
        ]
    );

    // Records without keys are found by their place in files that are read as a whole.
    let (who, states, full) = after(
        &lake,
        "desk/d.parquet",
        &words(&["t5 crm 1 web web/a.parquet:0 same 2026-03-02"]),
    );
    assert_eq!(
        full.as_deref(),
        Some("a person speaks of a record of a source without keys")
    );
    let ida = "email=ann@x.de email=ida@x.de";
    assert_eq!(who, [ida, "email=ann@y.de phone=+4930111222", max, zoe]);
    assert_eq!(states[4], "t5|same|applied");

    // From then on they are known.
    let (who, states, full) = after(
        &lake,
        "crm/d.parquet",
        &rows(&["8 ida@x.de 030333444 2026-01-08"]),
    );
    assert_eq!(full, None);
    assert_eq!(
        who,
        [
            "email=ann@x.de email=ida@x.de phone=+4930333444",
            "email=ann@y.de phone=+4930111222",
            max,
            zoe
        ]
    );
    assert_eq!(states[4], "t5|same|applied");
}

/// Two of five words have a slip of the pen: what the others say holds.
#[test]
fn a_word_that_is_none_takes_no_other_with_it() {
    let desk = DESK.replace("max_bad_rows = 0.9\n", "");
    let config = config("", TYPES).replace("[identity]\n", &format!("{desk}[identity]\n"));
    let lake = TestLake::of(&config, &[]);
    let people: Vec<String> = (1..=6)
        .map(|key| format!("{key} p{key}@x.de - 2026-01-0{key}"))
        .collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    land(&lake, "crm/a.parquet", &rows(&people));
    let said = words(&[
        "t1 crm 1 crm 2 same 2026-02-01",
        "t2 crm 2 crm 3 smae 2026-02-01",
        "t3 crm 3 crm 4 same 2026-02-01",
        "t4 crm 4 crm 5 diffrent 2026-02-01",
        "t5 crm 5 crm 6 same 2026-02-01",
    ]);
    land(&lake, "desk/a.parquet", &said);
    let why = "verdict is neither same nor different".to_owned();
    let checked = lake.check().unwrap();
    assert!(checked.quarantined.is_empty(), "{checked:?}");
    assert_eq!(checked.rejected[0].reasons, [(why, 2)]);
    let queries = [
        WHO,
        STATES,
        "SELECT state, rows_rejected FROM perennial.files WHERE source = 'desk'",
    ];
    let (_, answers) = lake.answers(false, &queries.map(str::to_owned));
    assert_eq!(
        answers[0],
        [
            "email=p1@x.de email=p2@x.de",
            "email=p3@x.de email=p4@x.de",
            "email=p5@x.de email=p6@x.de"
        ]
    );
    assert_eq!(
        answers[1],
        ["t1|same|applied", "t3|same|applied", "t5|same|applied"]
    );
    assert_eq!(answers[2], ["live|2"]);
    // Of other kinds a file of which two of five rows are bad is none of theirs; `check` says of it what the run does.
    let visits = [
        "a ann@x.de - 2026-01-01",
        "- bob@x.de - 2026-01-01",
        "- zoe@x.de - 2026-01-01",
    ];
    let more = [visits[0], visits[0]];
    let strict = config.replace("max_bad_rows = 0.5\n", "");
    lake.configure(&strict);
    land(&lake, "web/a.parquet", &rows(&[&visits[..], &more[..]].concat()));
    let reason = "has 2 bad rows of 5, above max_bad_rows = 0.01 of its [[source]]: name is NULL (2 rows)";
    let checked = lake.check().unwrap();
    assert_eq!(checked.quarantined[0].reason, reason);
    let (report, _) = lake.answers(false, &[]);
    assert_eq!(report.quarantined[0].2, reason);
}

/// Who leaves a customer without taking an identifier along is told, too, and `profiles` says whose each record is.
#[test]
fn a_record_that_leaves_with_no_identifier_of_its_own_is_told_as_a_split() {
    let desk =
        |identity: &str| config(identity, TYPES).replace("[identity]\n", &format!("{DESK}[identity]\n"));
    let lake = TestLake::of(&desk(""), &[]);
    let records = "SELECT record_key, customer_id, time FROM profiles ORDER BY 1".to_owned();
    let changes =
        "SELECT snapshot, change, customer_id, other_customer_id, cause FROM identity_changes ORDER BY 1, 3";
    let look = || {
        let (report, answers) = lake.answers(false, &[records.clone(), changes.to_owned()]);
        let of: Vec<String> = answers[0]
            .iter()
            .map(|row| row.split('|').nth(1).unwrap().to_owned())
            .collect();
        (report.full, of, answers[1].clone())
    };
    let people = [
        "a ann@x.de 030111222 2026-01-01",
        "b ann@x.de - 2026-01-02",
        "c zoe@x.de - 2026-01-03",
    ];
    land(&lake, "crm/a.parquet", &rows(&people));
    let (_, before, told) = look();
    assert_eq!((before.len(), &before[0], told.len()), (3, &before[1], 0));

    land(
        &lake,
        "desk/a.parquet",
        &words(&["t1 crm a crm b different 2026-02-01"]),
    );
    let (full, apart, told) = look();
    assert!(!full && apart[0] == before[0] && apart[1] != before[1] && apart[2] == before[2]);
    let split = |snapshot: u64, cause: &str| format!("{snapshot}|split|{}|{}|{cause}", apart[1], before[0]);
    assert_eq!(told, [split(2, "override")]);

    // The word is taken back, and a rule takes its place.
    fs::remove_file(lake.root().join("desk/a.parquet")).unwrap();
    let (_, together, told) = look();
    let merged = format!("3|merged|{}|{}|override", before[0], apart[1]);
    assert_eq!(
        (&together, told),
        (&before, vec![split(2, "override"), merged.clone()])
    );
    lake.configure(&desk("blocked = [\"ann@x.de\"]"));
    let (full, blocked, told) = look();
    assert!(full && blocked == apart, "{blocked:?}");
    assert_eq!(told, [split(2, "override"), merged, split(4, "configuration")]);

    // When the two were linked, by the address.
    let links = "SELECT source_a, record_a, source_b, record_b, reason, value, from_snapshot, to_snapshot, \
                 valid_from < valid_to FROM identity_link_history ORDER BY from_snapshot";
    let (_, links) = lake.answers(false, &[links.to_owned()]);
    assert_eq!(
        links[0],
        [
            "crm|a|crm|b|shared_identifier|ann@x.de|1|2|t",
            "crm|a|crm|b|shared_identifier|ann@x.de|3|4|t",
        ]
    );
}
