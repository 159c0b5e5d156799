//! A configuration that leads elsewhere takes away nothing that is served.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use perennial_testkit::{FixedClock, Renamed, RunOptions, Setup, TestLake};

use crate::runs::{config, orders};
use crate::support::parquet;
use crate::worlds::NEW_YEAR;

const RUN: RunOptions = RunOptions::SETTLED;
const REMOVING: RunOptions = RunOptions {
    allow_removal: true,
    ..RUN
};

const WEB: &str = r#"
[[source]]
name = "web"
kind = "order"
path = "web/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount", currency = "currency" }
"#;

/// Two files of the shop with three orders, and one of the web with one; ten euros each.
fn lake() -> TestLake {
    let order = |key, day| (key, "ann@example.org", "paid", "EUR", day);
    let lake = TestLake::of(
        &config("", WEB),
        &[
            ("orders/1.parquet", &orders(&[order("1", 0), order("2", 1)])),
            ("orders/2.parquet", &orders(&[order("3", 2)])),
            ("web/1.parquet", &orders(&[order("4", 3)])),
        ],
    );
    lake.unify();
    assert_eq!(served(&lake), "4|40.0000");
    lake
}

/// The orders that are served, and what they come to.
fn served(lake: &TestLake) -> String {
    let sql = "SELECT count(*) || '|' || coalesce(sum(amount), 0)::text FROM orders";
    let rows = lake.try_query(Setup::default(), sql).unwrap();
    rows[0][0].clone().unwrap()
}

/// Line and column of a text of the configuration.
pub(crate) fn place(config: &str, text: &str) -> String {
    let at = config.find(text).unwrap();
    let before: Vec<&str> = config[..at].split('\n').collect();
    let column = before.last().unwrap().chars().count() + 1;
    format!("{}:{column}", before.len())
}

/// Puts each file in its place again, as an export does that is written each night.
fn write_anew(lake: &TestLake) {
    for folder in ["orders", "web", "products"] {
        for name in lake.names(folder) {
            let bytes = std::fs::read(lake.root().join(&name)).unwrap();
            lake.land(&name, &bytes);
        }
    }
}

/// The run over a changed configuration is refused for this, as `check` says, and what is served stays; when it may remove,
/// it is done.
fn is_refused(lake: &TestLake, config: &str, why: &str, left: &str) {
    lake.configure(config);
    let errors = lake.check().unwrap_err().join("\n");
    assert!(errors.contains(why), "{errors}");
    is_refused_by_a_run(lake, config, why, left);
}

/// The same of a run; `check` says it in other words. That the files are written anew makes no difference.
fn is_refused_by_a_run(lake: &TestLake, config: &str, why: &str, left: &str) {
    lake.configure(config);
    for anew in [false, true] {
        if anew {
            write_anew(lake);
        }
        let refused = lake.try_run(Setup::default(), RUN).unwrap_err();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(served(lake), "4|40.0000");
    }
    lake.try_run(Setup::default(), REMOVING).unwrap();
    assert_eq!(served(lake), left);
    // What was said once holds.
    assert_eq!(lake.try_run(Setup::default(), RUN).unwrap().snapshot, None);
}

#[test]
fn a_slip_in_a_path_is_refused_and_named() {
    let lake = lake();
    let slipped = config("", WEB).replace("path = \"orders/\"", "path = \"order/\"");
    let why = format!(
        ":{}: path of source \"shop\" does not lead to 2 files such as \"orders/1.parquet\", which are served with 3 rows and are in the lake still",
        place(&slipped, "\"order/\"")
    );
    lake.configure(&slipped);
    let errors = lake.check().unwrap_err();
    assert!(errors.len() == 1 && errors[0].contains(&why), "{errors:?}");
    is_refused(&lake, &slipped, &why, "1|10.0000");
    // Corrected, everything is there again.
    lake.configure(&config("", WEB));
    lake.try_run(Setup::default(), RUN).unwrap();
    assert_eq!(served(&lake), "4|40.0000");
}

#[test]
fn a_path_that_leads_to_some_of_the_files_is_refused_for_the_others() {
    let lake = lake();
    let narrow = config("", WEB).replace("path = \"orders/\"", "path = \"orders/1*\"");
    let why = "path of source \"shop\" does not lead to \"orders/2.parquet\", which is served with 1 row and is in the lake still";
    is_refused(&lake, &narrow, why, "3|30.0000");
}

#[test]
fn a_run_tells_which_files_are_served_no_more_and_why() {
    let lake = lake();
    let told = |options: RunOptions| -> Vec<String> {
        let report = lake.try_run(Setup::default(), options).unwrap();
        report.departed.iter().map(ToString::to_string).collect()
    };
    lake.remove("orders/2.parquet");
    assert_eq!(
        told(RUN),
        ["1 file of source \"shop\" has left the lake: 1 row is served no more"]
    );
    let narrow = config("", "").replace("path = \"orders/\"", "path = \"orders/2*\"");
    lake.configure(&narrow);
    assert_eq!(
        told(REMOVING),
        [
            "the path of source \"shop\" does not lead to 1 file any more: 2 rows are served no more",
            "source \"web\" is not in the configuration any more: 1 row of 1 file is served no more"
        ]
    );
    assert_eq!(served(&lake), "0|0.0000");
    // What another source takes is served still.
    lake.configure(&config("", &WEB.replace("\"web\"", "\"shop_of_the_web\"")));
    assert_eq!(told(RUN), Vec::<String>::new());
    lake.configure(&config("", WEB));
    assert_eq!(told(RUN), Vec::<String>::new());
    assert_eq!(served(&lake), "3|30.0000");
}

#[test]
fn a_source_that_is_not_there_any_more_is_refused_unless_another_has_its_files() {
    let lake = lake();
    let renamed = config("", &WEB.replace("\"web\"", "\"shop_of_the_web\""));
    lake.configure(&renamed);
    // What follows from another name is told with its place, before and after.
    let at = place(&renamed, "[[source]]\nname = \"shop_of_the_web\"");
    let told = |renamed: &[Renamed]| {
        let [one] = renamed else { panic!("{renamed:?}") };
        assert_eq!((one.from.as_str(), one.to.as_str()), ("web", "shop_of_the_web"));
        assert_eq!(one.at.to_string(), at);
    };
    told(&lake.check().unwrap().renamed);
    told(&lake.try_run(Setup::default(), RUN).unwrap().renamed);
    assert_eq!(served(&lake), "4|40.0000");
    assert_eq!(lake.check().unwrap().renamed, []);
    let why = ".toml: there is no source \"shop_of_the_web\" any more, and none in its place has \"web/1.parquet\", which is served with 1 row and is in the lake still";
    is_refused(&lake, &config("", ""), why, "3|30.0000");
}

#[test]
fn names_that_are_exchanged_are_told() {
    let lake = lake();
    let exchanged = config("", &WEB.replace("name = \"web\"", "name = \"shop\""));
    let exchanged = exchanged.replacen("name = \"shop\"", "name = \"web\"", 1);
    lake.configure(&exchanged);
    let told = |renamed: &[Renamed]| {
        let named = renamed.iter().map(|one| (one.from.as_str(), one.to.as_str()));
        assert_eq!(named.collect::<Vec<_>>(), [("shop", "web"), ("web", "shop")]);
    };
    told(&lake.check().unwrap().renamed);
    told(&lake.try_run(Setup::default(), RUN).unwrap().renamed);
    assert_eq!(served(&lake), "4|40.0000");
    assert_eq!(lake.check().unwrap().renamed, []);
}

/// The configuration whose shop has another kind: an event needs a name, and has no amount.
fn as_events() -> String {
    let orders = "amount = \"amount\", status = \"state\", currency = \"currency\"";
    config("", WEB)
        .replacen("kind = \"order\"", "kind = \"event\"", 1)
        .replacen(orders, "name = \"state\"", 1)
}

#[test]
fn a_kind_that_takes_orders_away_is_refused_and_named() {
    let lake = lake();
    let events = as_events();
    let why = format!(
        ":{}: source \"shop\" of kind event takes out of orders 2 files such as \"orders/1.parquet\", which are served with 3 rows and are in the lake still\nWrite kind = \"order\" again.",
        place(&events, "\"event\"")
    );
    lake.configure(&events);
    let errors = lake.check().unwrap_err();
    assert!(errors.len() == 1 && errors[0].contains(&why), "{errors:?}");
    is_refused(&lake, &events, &why, "1|10.0000");
}

/// A second source of the same files serves something else of them.
#[test]
fn a_source_that_goes_is_not_excused_by_another_one_of_its_files() {
    let people = |files: &str| {
        format!(
            "[[source]]\nname = \"people\"\nkind = \"profile\"\npath = \"{files}\"\nrecord_key = \"email\"\ntime = \"at\"\nidentifiers = {{ email = \"email\" }}\n"
        )
    };
    let lake = lake();
    lake.configure(&config("", &(WEB.to_owned() + &people("web/"))));
    lake.try_run(Setup::default(), RUN).unwrap();
    let why = "there is no source \"web\" any more, and none in its place has \"web/1.parquet\", which is served with 1 row";
    is_refused(&lake, &config("", &people("web/")), why, "3|30.0000");
}

#[test]
fn a_key_by_which_most_orders_are_versions_of_others_is_refused() {
    let lake = lake();
    // Ann has all three orders of the shop.
    let by_person = config("", WEB).replacen("record_key = \"id\"", "record_key = \"email\"", 1);
    let why = format!(
        ":{}: by record_key = email, 2 of 3 rows of source \"shop\" that are served are older versions of others\nWrite a key that is unique for each record.",
        place(&by_person, "\"email\"\ntime")
    );
    is_refused(&lake, &by_person, &why, "2|20.0000");
}

#[test]
fn a_filter_that_leaves_no_row_is_refused_and_one_that_leaves_some_is_not() {
    let lake = lake();
    let only = |state: &str| {
        let filter = format!("record_key = \"id\"\nwhere = \"state = '{state}' AND id <> '2'\"");
        config("", WEB).replacen("record_key = \"id\"", &filter, 1)
    };
    let slip = only("piad");
    let why = format!(
        ":{}: where = state = 'piad' AND id <> '2' leaves no row of source \"shop\", of which 3 rows are served\nCorrect the condition.",
        place(&slip, "\"state = ")
    );
    is_refused(&lake, &slip, &why, "1|10.0000");
    lake.configure(&only("paid"));
    lake.try_run(Setup::default(), RUN).unwrap();
    assert_eq!(served(&lake), "3|30.0000");
}

#[test]
fn a_filter_that_leaves_out_most_rows_is_refused() {
    let lake = lake();
    let one = "record_key = \"id\"\nwhere = \"id = '2'\"";
    let one = config("", WEB).replacen("record_key = \"id\"", one, 1);
    let why = format!(
        ":{}: where = id = '2' leaves out 2 of 3 rows of source \"shop\" that are served\nCorrect the condition.",
        place(&one, "\"id = '2'\"")
    );
    is_refused(&lake, &one, &why, "2|20.0000");
}

#[test]
fn a_currency_by_which_most_amounts_are_worth_nothing_is_refused() {
    let lake = lake();
    // Exchanged: "paid" is no currency, and amounts of none have no rate.
    let exchanged = config("", WEB).replacen(
        "status = \"state\", currency = \"currency\"",
        "status = \"currency\", currency = \"state\"",
        1,
    );
    let why = format!(
        ":{}: by currency = state, 3 of 3 amounts of source \"shop\" become NULL: PAID has no exchange rate to EUR\nCorrect the currency of the source: ISO 4217 has no such one.",
        place(&exchanged, "\"state\" }")
    );
    is_refused(&lake, &exchanged, &why, "4|10.0000");
}

#[test]
fn another_name_of_a_source_excuses_no_currency() {
    let lake = lake();
    let renamed = config("", WEB).replace("name = \"shop\"", "name = \"store\"");
    let renamed = renamed.replacen("currency = \"currency\"", "currency = \"state\"", 1);
    let why = "by currency = state, 3 of 3 amounts of source \"store\" become NULL: PAID has no exchange rate to EUR";
    is_refused(&lake, &renamed, why, "4|10.0000");
}

/// An export that is written just before a server starts with a changed file.
#[test]
fn files_that_are_not_at_rest_are_not_taken_away_by_another_configuration() {
    let lake = lake();
    lake.configure(&config("", WEB).replacen("record_key = \"id\"", "record_key = \"email\"", 1));
    write_anew(&lake);
    // At this moment of the past no file has come to rest.
    let early = || Setup {
        clock: Some(Arc::new(FixedClock::new(NEW_YEAR))),
        ..Setup::default()
    };
    let looking = RunOptions { settle: false, ..RUN };
    let report = lake.try_run(early(), looking).unwrap();
    assert_eq!((report.snapshot, served(&lake).as_str()), (None, "4|40.0000"));
    // When they have, it is looked at as at any other time.
    let refused = lake.try_run(Setup::default(), RUN).unwrap_err();
    assert!(refused.contains("are older versions of others"), "{refused}");
}

#[test]
fn of_versions_of_orders_check_says_what_a_run_says() {
    // Each order is landed twice; of the newest versions, one of three is in euros then.
    let updated = config("", "").replacen(
        "time = \"at\"",
        "time = \"TIMESTAMPTZ '2026-01-01'\"\nupdated_at = \"at\"",
        1,
    );
    let order = |key, day| (key, "ann@example.org", "paid", "EUR", day);
    let twice = [
        order("1", 0),
        order("2", 0),
        order("3", 0),
        order("1", 1),
        order("2", 1),
        order("3", 1),
    ];
    let lake = TestLake::of(&updated, &[("orders/1.parquet", &orders(&twice))]);
    lake.unify();
    let some = "currency = \"CASE id WHEN '1' THEN currency ELSE 'USD' END\"";
    lake.configure(&updated.replacen("currency = \"currency\"", some, 1));
    let why = "2 of 3 amounts of source \"shop\" become NULL: USD has no exchange rate to EUR";
    let errors = lake.check().unwrap_err().join("\n");
    assert!(errors.contains(why), "{errors}");
    let refused = lake.try_run(Setup::default(), RUN).unwrap_err();
    assert!(refused.contains(why), "{refused}");
}

#[test]
fn a_reporting_currency_to_which_no_rate_leads_is_refused_and_a_few_amounts_without_one_are_not() {
    let lake = lake();
    let abroad = config("", WEB).replace("currency = \"EUR\"", "currency = \"USD\"");
    let why = "by currency = currency, 3 of 3 amounts of source \"shop\" become NULL: EUR has no exchange rate to USD\nLand rates of EUR to USD, or correct the currency of the source, of the rates or of [money].";
    is_refused(&lake, &abroad, why, "4|0.0000");
    lake.configure(&config("", WEB));
    lake.try_run(Setup::default(), RUN).unwrap();
    let some = "currency = \"CASE id WHEN '1' THEN 'USD' ELSE currency END\"";
    lake.configure(&config("", WEB).replacen("currency = \"currency\"", some, 1));
    lake.try_run(Setup::default(), RUN).unwrap();
    assert_eq!(served(&lake), "4|30.0000");
}

#[test]
fn a_file_that_lands_beside_excuses_neither_a_key_nor_a_filter() {
    let lake = lake();
    lake.land(
        "orders/3.parquet",
        &orders(&[("5", "ann@example.org", "paid", "EUR", 4)]),
    );
    let by_person = config("", WEB).replacen("record_key = \"id\"", "record_key = \"email\"", 1);
    let why =
        "by record_key = email, 2 of 3 rows of source \"shop\" that are served are older versions of others";
    is_refused(&lake, &by_person, why, "2|20.0000");
    let lake = self::lake();
    lake.land(
        "orders/3.parquet",
        &orders(&[("5", "ann@example.org", "paid", "EUR", 4)]),
    );
    let slip = config("", WEB).replacen(
        "record_key = \"id\"",
        "record_key = \"id\"\nwhere = \"state = 'piad'\"",
        1,
    );
    let why = "where = state = 'piad' leaves no row of source \"shop\", of which 3 rows are served";
    is_refused(&lake, &slip, why, "1|10.0000");
}

#[test]
fn a_filter_that_leaves_out_older_versions_takes_nothing_away_and_nor_does_its_end() {
    let order = |state, day| ("1", "ann@example.org", state, "EUR", day);
    let versions = [
        order("open", 0),
        order("open", 1),
        order("open", 2),
        order("paid", 3),
    ];
    let lake = TestLake::of(&config("", ""), &[("orders/1.parquet", &orders(&versions))]);
    lake.unify();
    assert_eq!(served(&lake), "1|10.0000");
    let filter = "record_key = \"id\"\nwhere = \"state = 'paid'\"";
    let filtered = config("", "").replacen("record_key = \"id\"", filter, 1);
    for config in [filtered, config("", "")] {
        lake.configure(&config);
        lake.try_run(Setup::default(), RUN).unwrap();
        assert_eq!(served(&lake), "1|10.0000");
    }
}

/// A table is served under the name of its source.
#[test]
fn a_table_that_is_renamed_is_refused() {
    let table =
        |name: &str| format!("[[source]]\nname = \"{name}\"\nkind = \"table\"\npath = \"products/\"\n");
    let product: Arc<StringArray> = Arc::new(StringArray::from(vec!["tea"]));
    let lake = lake();
    lake.land(
        "products/1.parquet",
        &parquet(&RecordBatch::try_from_iter([("product", product as _)]).unwrap()),
    );
    lake.configure(&config("", &(WEB.to_owned() + &table("products"))));
    lake.try_run(Setup::default(), RUN).unwrap();
    let goods = config("", &(WEB.to_owned() + &table("goods")));
    let why = "source \"goods\" of kind table takes out of products \"products/1.parquet\", which is served with 1 row and is in the lake still\nCall the source \"products\" again.";
    is_refused(&lake, &goods, why, "4|40.0000");
}

#[test]
fn a_mapping_by_which_every_row_is_bad_is_refused() {
    let lake = lake();
    // Beside files that were refused before, which are judged anew now.
    lake.land(
        "web/cut.parquet",
        &orders(&[("5", "ann@example.org", "paid", "EUR", 0)])[..100],
    );
    lake.land("web/empty.parquet", b"");
    lake.land("web/text.parquet", b"hello this is text");
    let others: Arc<StringArray> = Arc::new(StringArray::from(vec!["x"]));
    let other = RecordBatch::try_from_iter([("moment", others as _)]).unwrap();
    lake.land("web/other.parquet", &parquet(&other));
    assert_eq!(lake.try_run(Setup::default(), RUN).unwrap().quarantined.len(), 4);
    let web = |time: &str| config("", &WEB.replace("time = \"at\"", time));
    // A column that is not there, and one that a file has which is refused.
    for column in ["att", "moment"] {
        lake.configure(&web(&format!("time = \"{column}\"")));
        let refused = lake.try_run(Setup::default(), RUN).unwrap_err();
        assert!(
            refused.contains(&format!(
                "time of source \"web\": column \"{column}\" does not exist"
            )),
            "{refused}"
        );
        assert_eq!(served(&lake), "4|40.0000");
    }
    // One that can be planned.
    let never = web("time = \"CAST(NULL AS timestamp)\"");
    let why = format!(
        ":{}: source \"web\" refuses \"web/1.parquet\", which is served with 1 row and is in the lake still: has no good row among 1",
        place(&never, "[[source]]\nname = \"web\"")
    );
    is_refused_by_a_run(&lake, &never, &why, "3|30.0000");
}

#[test]
fn a_key_that_too_many_rows_do_not_have_is_refused() {
    let lake = lake();
    let key = "record_key = \"CASE WHEN id <> '1' THEN id END\"\nmax_bad_rows = 0";
    let some = config("", WEB).replacen("record_key = \"id\"", key, 1);
    let why = format!(
        ":{}: source \"shop\" refuses \"orders/1.parquet\", which is served with 2 rows and is in the lake still: has 1 bad row of 2, above max_bad_rows = 0 of its [[source]]: record_key is NULL or empty (1 row)\nCorrect the mapping, or raise max_bad_rows.",
        place(&some, "[[source]]\nname = \"shop\"")
    );
    is_refused(&lake, &some, &why, "2|20.0000");
}

#[test]
fn a_key_over_two_versions_of_each_record_is_refused_for_those_that_become_versions() {
    // Two orders of Ann, each with an older version, and one of Bob, whose file has a newer version of the first one.
    let order = |key, email, day| (key, email, "paid", "EUR", day);
    let first = [
        order("1", "ann@example.org", 0),
        order("1", "ann@example.org", 1),
        order("2", "ann@example.org", 2),
        order("2", "ann@example.org", 3),
    ];
    let second = [
        order("1", "ann@example.org", 4),
        order("3", "bob@example.org", 5),
        order("4", "bob@example.org", 6),
        order("5", "bob@example.org", 7),
    ];
    let lake = TestLake::of(
        &config("", ""),
        &[
            ("orders/1.parquet", &orders(&first)),
            ("orders/2.parquet", &orders(&second)),
        ],
    );
    lake.unify();
    assert_eq!(served(&lake), "5|50.0000");
    let by_person = config("", "").replacen("record_key = \"id\"", "record_key = \"email\"", 1);
    lake.configure(&by_person);
    // Ann and Bob are two, of five; and three rows more than before are older versions.
    let why =
        "by record_key = email, 3 of 5 rows of source \"shop\" that are served are older versions of others";
    let errors = lake.check().unwrap_err().join("\n");
    assert!(errors.contains(why), "{errors}");
    let refused = lake.try_run(Setup::default(), RUN).unwrap_err();
    assert!(refused.contains(why), "{refused}");
}

#[test]
fn an_identifier_that_a_source_has_no_more_is_refused() {
    let lake = lake();
    let slip = config("", WEB).replacen("{ email = \"email\" }", "{ emial = \"email\" }", 1);
    let why = format!(
        ":{}: source \"shop\" has no identifier \"email\" any more, by which its 3 rows are served\nDid you mean \"email\" by \"emial\"? If it is meant to go, run `perennial unify --allow-removal` once.",
        place(&slip, "\"email\" }")
    );
    is_refused(&lake, &slip, &why, "4|40.0000");
    let lake = self::lake();
    let none = config("", WEB).replacen("{ email = \"email\" }", "{ customer = \"email\" }", 1);
    let why = format!(
        ":{}: source \"shop\" has no identifier \"email\" any more, by which its 3 rows are served\nMap it again.",
        place(&none, "[[source]]\nname = \"shop\"")
    );
    is_refused(&lake, &none, &why, "4|40.0000");
    // One that comes beside takes nothing away.
    lake.configure(&config("", WEB));
    lake.try_run(Setup::default(), REMOVING).unwrap();
    let more = config("", WEB).replacen(
        "{ email = \"email\" }",
        "{ email = \"email\", customer = \"id\" }",
        1,
    );
    lake.configure(&more);
    lake.check().unwrap();
    lake.try_run(Setup::default(), RUN).unwrap();
}

#[test]
fn an_identifier_that_is_mapped_to_what_identifies_nobody_is_refused() {
    let lake = lake();
    let rubbish = config("", WEB).replacen("email = \"email\"", "email = \"state\"", 1);
    let why = format!(
        ":{}: by email = state, source \"shop\" has no value of the identifier \"email\" that can be used, by which its 3 rows are served\nCorrect the mapping or the identifier's normalise.",
        place(&rubbish, "\"state\" }")
    );
    is_refused(&lake, &rubbish, &why, "4|40.0000");
    // Of what identified nobody nothing is taken away.
    lake.configure(&rubbish.replacen("email = \"state\"", "email = \"currency\"", 1));
    lake.try_run(Setup::default(), RUN).unwrap();
    lake.land(
        "orders/5.parquet",
        &orders(&[("5", "ann@example.org", "ann@example.org", "bob@example.org", 5)]),
    );
    lake.try_run(Setup::default(), RUN).unwrap();
    // Since then one is known by it.
    lake.configure(&rubbish.replacen("email = \"state\"", "email = \"id\"", 1));
    let refused = lake.try_run(Setup::default(), RUN).unwrap_err();
    assert!(
        refused.contains("by email = id, source \"shop\" has no value"),
        "{refused}"
    );
}

#[test]
fn what_goes_from_the_lake_goes_with_any_configuration() {
    let lake = lake();
    lake.remove("web/1.parquet");
    lake.configure(&config("", ""));
    lake.try_run(Setup::default(), RUN).unwrap();
    assert_eq!(served(&lake), "3|30.0000");
}

#[test]
fn a_file_that_is_written_anew_and_broken_is_no_slip_of_the_configuration() {
    let lake = lake();
    lake.land("web/1.parquet", b"hello this is text");
    lake.configure(&config(
        "",
        &WEB.replace("record_key = \"id\"", "record_key = \"lower(id)\""),
    ));
    let report = lake.try_run(Setup::default(), RUN).unwrap();
    assert_eq!(report.quarantined.len(), 1, "{:?}", report.quarantined);
    assert_eq!(served(&lake), "3|30.0000");
}
