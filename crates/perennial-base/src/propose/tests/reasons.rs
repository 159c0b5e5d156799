//! Persons and contracts that are called as plainly as can be, and whether what stands beside a guess is true.

use super::*;

fn at(name: &str) -> Column {
    column(name, ColumnShape::Timestamp, &[])
}

fn id(name: &str) -> Column {
    text(name, &["x1", "x2"]).unique()
}

fn email() -> Column {
    text("email", &["a@example.org", "b@example.org"])
}

/// The file with its comments.
fn toml(folders: &[FolderFacts]) -> String {
    let proposal = propose(folders, NOW);
    read_back(&proposal);
    proposal.to_toml("./lake", &[])
}

#[test]
fn files_that_plainly_describe_persons_are_profiles() {
    let country = || text("country", &["DE", "FR"]);
    let name = || text("name", &["Ada", "Grace"]);
    let proposal = check(
        folder("people/", 2, vec![id("id"), email(), name(), at("created_at")]),
        Kind::Profile,
        Some("id"),
        Some("created_at"),
        ["email=email", "full_name=name", ""],
    );
    assert_eq!(proposal.notes, Vec::<String>::new());
    check(
        folder("landing/", 2, vec![id("id"), email(), name(), at("created_at")]),
        Kind::Profile,
        Some("id"),
        Some("created_at"),
        ["email=email", "full_name=name", ""],
    );
    check(
        folder(
            "app/",
            2,
            vec![id("user_id"), email(), country(), at("registered_at")],
        ),
        Kind::Profile,
        Some("user_id"),
        Some("registered_at"),
        ["user_id=user_id, email=email", "country=country", ""],
    );
    check(
        folder("x.parquet", 2, vec![id("customer_id"), email(), country()]),
        Kind::Profile,
        Some("customer_id"),
        SINCE_EVER,
        ["user_id=customer_id, email=email", "country=country", ""],
    );
}

#[test]
fn contracts_without_an_id_are_subscriptions() {
    let columns = || {
        vec![
            text("plan", &["basic", "pro"]),
            column("monthly_price", ColumnShape::Float, &["9.99", "19.99"]),
            text("status", &["active", "cancelled"]),
            column("start_date", ColumnShape::Date, &[]),
        ]
    };
    let with = |first: Column| {
        let mut all = vec![first];
        all.extend(columns());
        all
    };
    check(
        folder("billing/", 2, with(text("customer_id", &["c1", "c2"]))),
        Kind::Subscription,
        Some("customer_id"),
        Some("start_date"),
        [
            "user_id=customer_id",
            "",
            "plan=plan, mrr=monthly_price, status=status",
        ],
    );
    let mut rows = with(id("id"));
    rows.push(email());
    check(
        folder("plans/", 2, rows),
        Kind::Subscription,
        Some("id"),
        Some("start_date"),
        ["email=email", "", "plan=plan, mrr=monthly_price, status=status"],
    );
    // Plans that nobody has are a table, and there is nothing to say of persons.
    let proposal = propose(&[folder("plans/", 2, columns())], NOW);
    assert_eq!(proposal.sources[0].config.kind, Kind::Table);
    assert_eq!(proposal.notes, Vec::<String>::new());
}

#[test]
fn what_happened_is_not_a_person() {
    for (path, rows) in [
        (
            "web/",
            vec![
                text("user_id", &["u1"]),
                text("country", &["DE"]),
                at("created_at"),
            ],
        ),
        (
            "hits/",
            vec![text("user_id", &["u1"]), text("country", &["DE"]), at("ts")],
        ),
        (
            "x/",
            vec![email(), text("country", &["DE"]), text("order_id", &["o1"])],
        ),
        (
            "devices/",
            vec![
                text("user_id", &["u1"]),
                text("name", &["phone"]),
                at("created_at"),
            ],
        ),
    ] {
        let proposal = propose(&[folder(path, 2, rows)], NOW);
        assert_ne!(proposal.sources[0].config.kind, Kind::Profile, "{path}");
    }
}

#[test]
fn a_table_whose_rows_point_to_persons_says_what_to_write() {
    let opened = folder("opens/", 2, vec![email(), at("opened_at")]);
    let shops = folder("shops/", 2, vec![id("shop"), text("city", &["Bonn"])]);
    let proposal = propose(&[opened, shops], NOW);
    assert_eq!(proposal.notes.len(), 1);
    let text = proposal.to_toml("./lake", &[]);
    for part in [
        "# NOTE: opens is served as a table, and joins no customer, although \"email\" points to persons",
        "kind = \"profile\"",
        "kind = \"event\"",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn fractions_of_seconds_are_kept() {
    for (samples, sql) in [
        (["1767225600", "1767225601"], "to_timestamp(ts)"),
        (["1767225600123", "1767225601456"], "to_timestamp_millis(ts)"),
        (
            ["1767225600123456", "1767225601456789"],
            "to_timestamp_micros(ts)",
        ),
    ] {
        check(
            folder(
                "web/events/",
                2,
                vec![
                    text("anonymous_id", &["a"]),
                    text("event", &["view"]),
                    column("ts", ColumnShape::Int, &samples),
                ],
            ),
            Kind::Event,
            None,
            Some(sql),
            ["anonymous_id=anonymous_id", "", "name=event"],
        );
    }
}

fn orders_in(currencies: &[&str]) -> FolderFacts {
    folder(
        "shop/orders/",
        10,
        vec![
            id("order_id"),
            email(),
            at("ordered_at"),
            column("amount", ColumnShape::Float, &["9.99"]),
            text("currency", currencies),
        ],
    )
}

#[test]
fn the_reason_beside_the_currency_is_the_one_that_holds() {
    let text = toml(&[orders_in(&["EUR", "usd"])]);
    assert!(
        text.contains("# NOTE: Amounts are in several currencies (EUR, USD)"),
        "{text}"
    );
    assert!(
        text.contains("# amounts are in several currencies (EUR, USD): which one to report in is yours to say: without this key it is EUR\n# currency = \"EUR\"\n"),
        "{text}"
    );
    assert!(!text.contains("no column says in which currency"), "{text}");
    assert!(
        toml(&[orders_in(&["USD"])])
            .contains("# the only currency in the sampled rows\ncurrency = \"USD\"\n")
    );
    let people = folder("people/", 2, vec![id("id"), email()]);
    assert!(toml(&[people]).contains("# no file has amounts in a currency: without this key it is EUR\n"));
}

#[test]
fn the_reason_beside_a_missing_key_is_the_one_that_holds() {
    let rates = folder(
        "fx/",
        10,
        vec![
            column("date", ColumnShape::Date, &[]).unique(),
            text("currency", &["USD"]),
            column("rate", ColumnShape::Float, &["0.9"]),
        ],
    );
    let text = toml(&[rates]);
    assert!(
        text.contains("# no record_key: a rate is known by its day and currency\n"),
        "{text}"
    );
    assert!(!text.contains("unique"), "{text}");
    let mut orders = orders_in(&["EUR"]);
    orders.columns[0].unique_over_all_rows = Some(false);
    let text = toml(&[orders.clone()]);
    assert!(
        text.contains("# no record_key: \"order_id\" is named like a key and is not unique, or has nulls: every row counts as its own fact; where the rows with one value are versions of one row, write record_key = \"order_id\", and in updated_at what orders them\n"),
        "{text}"
    );
    orders.columns[0].unique_over_all_rows = None;
    let text = toml(&[orders.clone()]);
    assert!(
        text.contains("# no record_key: whether \"order_id\" is unique is not known"),
        "{text}"
    );
    orders.columns.remove(0);
    assert!(toml(&[orders]).contains(
        "# no record_key: no column is named like a key of the rows: every row counts as its own fact\n"
    ));
}

#[test]
fn a_folder_of_two_kinds_of_files_says_so_beside_its_path() {
    let mut orders = orders_in(&["EUR"]);
    orders.path = "shop/".to_owned();
    orders.unlike = vec![
        "shop/items_2025.parquet".to_owned(),
        "shop/orders_2025.parquet".to_owned(),
    ];
    let text = toml(&[orders]);
    let remedy = "give each kind of file a folder of its own, or a source with a pattern such as path = \"shop/items_*.parquet\"";
    let fact = "\"shop/items_2025.parquet\" and \"shop/orders_2025.parquet\" have few columns in common";
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(fact) && line.contains(remedy))
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("# NOTE: shop: "), "{text}");
}

#[test]
fn an_archive_is_told_how_to_stand_still() {
    let mut old = cdnow("shop/orders/", 10, "5", "10");
    let proposed = toml(&[old.clone()]);
    for part in [
        "\n[time]\n# nothing has happened since 1998-06-30: by the clock every customer has lapsed; with this key a run describes the end of that day\n# as_of = \"1998-07-01T00:00:00Z\"\n",
        "# NOTE: Nothing has happened since 1998-06-30: by the clock every customer has lapsed; to describe the end of the data instead, set [time] as_of = \"1998-07-01T00:00:00Z\".\n",
    ] {
        assert!(proposed.contains(part), "{part} in\n{proposed}");
    }
    // What the comment says can be used as it stands.
    let used = proposed.replace("# as_of = ", "as_of = ");
    assert!(
        Config::parse(&used, Path::new("."), &|_| None)
            .unwrap()
            .as_of
            .is_some()
    );
    old.columns[1].max = Some("2026-06-30".to_owned());
    assert!(!toml(&[old.clone()]).contains("as_of"));
    // One source that goes on is enough.
    let alive = folder(
        "web/",
        1,
        vec![
            text("anonymous_id", &["a"]),
            text("event", &["view"]),
            column("ts", ColumnShape::Int, &["1767225600123"]).range("1767225600123", "1782777600000"),
        ],
    );
    old.columns[1].max = Some("1998-06-30".to_owned());
    assert!(!toml(&[old, alive]).contains("as_of"));
}

#[test]
fn every_line_has_its_reason() {
    let files = || vec![id("id"), email(), at("created_at")];
    let folders = [
        folder("crm/people/", 2, files()),
        folder("web/people/", 2, files()),
        folder("2026/", 2, files()),
    ];
    let role = RoleConfig {
        name: "admin".to_owned(),
        password: Some("SCRAM-SHA-256$…".to_owned()),
        owner: true,
        statement_timeout: None,
        statement_memory: None,
        line: 0,
    };
    let text = propose(&folders, NOW).to_toml("./lake", &[role]);
    let lines: Vec<&str> = text.lines().collect();
    for (before, line) in lines.iter().zip(lines.iter().skip(1)) {
        let of_identifier = ["type", "normalise", "strong", "limit", "max_customers"];
        let key = line.split_once(" = ").map(|(key, _)| key);
        // A type of identifier has one reason above it.
        let Some(key) = key.filter(|key| !key.starts_with('#') && !of_identifier.contains(key)) else {
            continue;
        };
        assert!(before.starts_with("# "), "{key} in\n{text}");
    }
    for (name, why) in [
        ("people", "after its path"),
        (
            "people_2",
            "after its path, with a number, as another source has that name",
        ),
        ("table", "after its kind, as the path has no word"),
    ] {
        assert!(text.contains(&format!("# {why}\nname = \"{name}\"\n")), "{text}");
    }
}
