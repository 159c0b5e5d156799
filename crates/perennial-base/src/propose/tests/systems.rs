//! Files as systems that are widely used write them, and rows of which several versions have landed.

use super::*;

fn at(name: &str) -> Column {
    column(name, ColumnShape::Timestamp, &[])
}

fn id(name: &str) -> Column {
    text(name, &["x1", "x2"]).unique()
}

/// An answer to a question about keys: every other column stays as it is but for these.
fn repeated(key: &str, version: Option<&str>, determined: bool, constant: &[(&str, f64)]) -> RepeatedKey {
    RepeatedKey {
        key: key.to_owned(),
        version: version.map(str::to_owned),
        repeated: 3,
        determined,
        constant: constant
            .iter()
            .map(|(name, share)| ((*name).to_owned(), *share))
            .collect(),
    }
}

/// Orders of which the columns named like keys are not unique.
fn orders(repeats: Vec<RepeatedKey>) -> FolderFacts {
    let mut facts = folder(
        "shop/orders/",
        10,
        vec![
            text("id", &["o1", "o2"]),
            text("user_id", &["u1"]),
            at("created_at"),
            at("updated_at"),
            column("amount", ColumnShape::Float, &["9.99"]),
        ],
    );
    facts.repeats = repeats;
    facts
}

#[test]
fn what_is_asked_of_rows_are_keys_with_what_may_order_their_versions() {
    let asked: Vec<(String, Option<String>)> = key_questions(&orders(Vec::new()))
        .into_iter()
        .map(|question| (question.key, question.version))
        .collect();
    let both = |key: &str| {
        [None, Some("updated_at"), Some("created_at")]
            .map(|version| (key.to_owned(), version.map(str::to_owned)))
    };
    assert_eq!(asked, [both("id"), both("user_id")].concat());
}

#[test]
fn a_key_whose_rows_are_versions_is_kept_with_what_orders_them() {
    let source = |repeats| propose(&[orders(repeats)], NOW).sources.remove(0).config;
    let sql =
        |written: &Option<crate::config::Expression>| written.as_ref().map(|written| written.sql.clone());
    let versions = source(vec![
        repeated("id", None, false, &[]),
        repeated(
            "id",
            Some("updated_at"),
            true,
            &[("created_at", 1.0), ("amount", 0.5)],
        ),
    ]);
    assert_eq!(sql(&versions.record_key).as_deref(), Some("id"));
    assert_eq!(sql(&versions.updated_at).as_deref(), Some("updated_at"));
    // Rows that landed twice.
    let again = source(vec![repeated("id", None, true, &[])]);
    assert_eq!(sql(&again.record_key).as_deref(), Some("id"));
    // Rows that came to be at other times are other rows, whatever orders them.
    let others = source(vec![repeated(
        "id",
        Some("updated_at"),
        true,
        &[("created_at", 0.2)],
    )]);
    assert_eq!(sql(&others.record_key), None);
    // The same person again is another order.
    let persons = source(vec![repeated(
        "user_id",
        Some("updated_at"),
        true,
        &[("created_at", 1.0)],
    )]);
    assert_eq!(sql(&persons.record_key), None);
}

#[test]
fn a_persons_id_is_no_key_of_what_the_person_did() {
    let proposal = propose(
        &[folder(
            "shop/orders/",
            2,
            vec![
                id("customer_id"),
                at("ordered_at"),
                column("amount", ColumnShape::Float, &["9.99"]),
            ],
        )],
        NOW,
    );
    assert_eq!(proposal.sources[0].config.record_key, None);
}

#[test]
fn moments_are_known_by_the_ending_of_their_name() {
    let email = || text("email", &["a@example.org"]);
    check(
        folder(
            "consents/",
            10,
            vec![
                email(),
                at("at"),
                text("purpose", &["ads"]),
                column("granted", ColumnShape::Bool, &[]),
            ],
        ),
        Kind::Consent,
        None,
        Some("at"),
        ["email=email", "", "purpose=purpose, granted=granted"],
    );
    check(
        folder(
            "desk/",
            10,
            vec![
                id("ticket_id"),
                email(),
                text("phone", &["+49 30 1234567"]),
                at("closed_at").nulls(0.2),
                at("opened_at"),
                text("topic", &["delivery"]),
                text("direction", &["inbound"]),
            ],
        ),
        Kind::Interaction,
        Some("ticket_id"),
        Some("opened_at"),
        ["email=email, phone=phone", "", "type=topic, direction=direction"],
    );
    // What is to come is not when it happened.
    let proposal = propose(
        &[folder(
            "members/",
            10,
            vec![id("id"), email(), text("first_name", &["Ada"]), at("expires_at")],
        )],
        NOW,
    );
    assert_eq!(
        proposal.sources[0]
            .config
            .time
            .as_ref()
            .map(|time| time.sql.as_str()),
        SINCE_EVER
    );
}

#[test]
fn files_of_systems_that_are_widely_used_are_known() {
    // Shopify's orders.
    check(
        folder(
            "shopify/orders/",
            10,
            vec![
                column("id", ColumnShape::Int, &["450789469"]).unique(),
                text("email", &["a@example.org"]),
                column("customer_id", ColumnShape::Int, &["207119551"]),
                at("created_at"),
                at("updated_at"),
                at("cancelled_at").nulls(0.9),
                text("total_price", &["199.65"]),
                text("total_discounts", &["0.00"]),
                text("currency", &["USD"]),
                text("financial_status", &["paid", "refunded"]),
            ],
        ),
        Kind::Order,
        Some("id"),
        Some("created_at"),
        [
            "user_id=customer_id, email=email",
            "",
            "amount=CAST(total_price AS DECIMAL(18,4)), currency=currency, status=financial_status, \
             discount=CAST(total_discounts AS DECIMAL(18,4))",
        ],
    );
    // Stripe's charges: seconds, cents in "amount" that nothing tells from units.
    check(
        folder(
            "stripe/charges/",
            10,
            vec![
                id("id"),
                text("customer", &["cus_9s6XKzkNRiz8i3"]),
                column("created", ColumnShape::Int, &["1767225600"]),
                column("amount", ColumnShape::Int, &["1999"]),
                text("currency", &["usd"]),
                text("status", &["succeeded"]),
            ],
        ),
        Kind::Order,
        Some("id"),
        Some("to_timestamp(created)"),
        [
            "user_id=customer",
            "",
            "amount=amount, currency=currency, status=status",
        ],
    );
    // Segment's tracks.
    check(
        folder(
            "segment/tracks/",
            10,
            vec![
                id("message_id"),
                text("anonymous_id", &["507f191e"]),
                text("user_id", &["97980cfea0067"]),
                text("event", &["Product Viewed"]),
                at("original_timestamp"),
                at("received_at"),
                at("sent_at"),
            ],
        ),
        Kind::Event,
        Some("message_id"),
        Some("original_timestamp"),
        ["user_id=user_id, anonymous_id=anonymous_id", "", "name=event"],
    );
    // HubSpot's contacts.
    check(
        folder(
            "hubspot/contacts/",
            10,
            vec![
                column("contact_id", ColumnShape::Int, &["51"]).unique(),
                text("email", &["a@example.org"]),
                text("firstname", &["Ada"]),
                text("lastname", &["Lovelace"]),
                at("createdate"),
                at("lastmodifieddate"),
            ],
        ),
        Kind::Profile,
        Some("contact_id"),
        Some("lastmodifieddate"),
        [
            "crm_id=contact_id, email=email",
            "first_name=firstname, last_name=lastname",
            "",
        ],
    );
    // Zendesk's tickets.
    check(
        folder(
            "zendesk/tickets/",
            10,
            vec![
                column("id", ColumnShape::Int, &["35436"]).unique(),
                text("requester_email", &["a@example.org"]),
                at("created_at"),
                at("updated_at"),
                text("status", &["open", "solved"]),
                text("subject", &["Help"]),
            ],
        ),
        Kind::Interaction,
        Some("id"),
        Some("created_at"),
        ["email=requester_email", "", "outcome=status"],
    );
}

#[test]
fn times_without_a_zone_say_so() {
    let facts = folder(
        "crm/contacts/",
        2,
        vec![
            id("contact_id"),
            text("email", &["a@example.org"]),
            text("first_name", &["Ada"]),
            column("modified_at", ColumnShape::WallClock, &[]),
        ],
    );
    let text = propose(&[facts], NOW).to_toml("./lake", &[]);
    assert!(
        text.contains("# times without a zone are read in the zone of [time]"),
        "{text}"
    );
}

#[test]
fn the_currency_without_rates_is_the_one_of_reports() {
    let sales = folder(
        "orders/",
        2,
        vec![
            id("order_id"),
            text("email", &["a@example.org"]),
            at("ordered_at"),
            column("amount", ColumnShape::Float, &["9.99"]),
            text("currency", &["EUR", "usd", "CHF"]),
            text("status", &["paid", "draft", "Cart"]),
        ],
    );
    let rates = |codes: &[&str]| {
        let day = column("date", ColumnShape::Date, &[]);
        let rate = column("rate", ColumnShape::Float, &["0.9"]);
        folder("fx/", 2, vec![day, text("currency", codes), rate])
    };
    let proposal = propose(&[sales.clone(), rates(&["USD", "CHF"])], NOW);
    assert_eq!(proposal.currency.as_deref(), Some("EUR"));
    let config = read_back(&proposal);
    assert_eq!(
        config.sources[0]
            .filter
            .as_ref()
            .map(|filter| filter.sql.as_str()),
        Some("status IS DISTINCT FROM 'draft' AND status IS DISTINCT FROM 'Cart'")
    );
    assert_eq!(propose(&[sales, rates(&["USD"])], NOW).currency, None);
}

/// The kind, record key and notes that are proposed for one folder.
fn proposed(facts: FolderFacts) -> (Kind, Option<String>, Vec<String>) {
    let mut proposal = propose(&[facts], NOW);
    read_back(&proposal);
    let source = proposal.sources.remove(0).config;
    let money = |note: &String| !note.starts_with("No column says in which currency");
    let notes = proposal.notes.into_iter().filter(money).collect();
    (source.kind, source.record_key.map(|key| key.sql), notes)
}

#[test]
fn purchases_of_nobody_are_no_costs_and_what_may_be_either_is_told() {
    let sales = |path: &str, more: Vec<Column>| {
        let mut columns = vec![
            column("amount", ColumnShape::Float, &["9.99"]),
            at("ordered_at"),
            text("channel", &["web", "store"]),
        ];
        columns.extend(more);
        folder(path, 10, columns)
    };
    let nobody =
        "sales has no column that points to a person: its rows are served, and belong to no customer.";
    assert_eq!(
        proposed(sales("sales/", vec![id("order_id")])),
        (Kind::Order, Some("order_id".to_owned()), vec![nobody.to_owned()])
    );
    let close = |name: &str, why: &str| {
        vec![format!(
            "{name} is taken for money spent on channels, which counts as costs, although {why}: where each row is a \
             purchase write kind = \"order\" with time, identifiers = {{}}, amount and channel."
        )]
    };
    for (path, more, notes) in [
        // An advertisement that is billed by the order has many rows of one.
        (
            "shop/",
            vec![text("order_id", &["o1"])],
            close("shop", "\"order_id\" is called as the id of an order is"),
        ),
        ("shop/", vec![id("id")], close("shop", "\"id\" names each row")),
        (
            "sales/",
            Vec::new(),
            close("sales", "the path speaks of purchases"),
        ),
        ("ads/spend/", vec![id("id")], Vec::new()),
        ("shop/", Vec::new(), Vec::new()),
    ] {
        let (kind, _, said) = proposed(sales(path, more));
        assert_eq!((kind, said), (Kind::Spend, notes), "{path}");
    }
}

#[test]
fn a_table_is_served_with_all_its_columns_and_says_where() {
    let facts = folder(
        "shop/products/",
        3,
        vec![
            id("product_id"),
            text("name", &["Filter"]),
            text("colour", &["red"]),
        ],
    );
    let text = propose(&[facts], NOW).to_toml("./lake", &[]);
    assert!(
        text.contains("# served as public.products, with all its columns\n"),
        "{text}"
    );
    assert!(!text.contains("not mapped"), "{text}");
}

#[test]
fn an_id_of_addresses_is_an_address_unless_another_column_has_them() {
    let id = || text("user_id", &["a@example.org"]);
    let check = |columns, identifiers: &str| {
        let tickets = folder("helpdesk/", 10, columns);
        check(
            tickets,
            Kind::Interaction,
            None,
            Some("created_at"),
            [identifiers, "", ""],
        );
    };
    check(vec![id(), at("created_at")], "email=user_id");
    let email = text("email", &["x@example.org"]);
    check(
        vec![id(), email, at("created_at")],
        "user_id=user_id, email=email",
    );
}

#[test]
fn rows_of_several_files_that_may_be_the_same_again_are_told() {
    let told = |files| {
        let columns = vec![
            text("order_id", &["o1", "o2"]),
            text("email", &["a@example.org"]),
            column("total", ColumnShape::Float, &["10"]),
            at("created_at"),
        ];
        let mut orders = folder("orders/", 200, columns);
        orders.files = files;
        propose(&[orders], NOW).notes
    };
    let note = "orders: \"order_id\" is not unique, and every row counts: where each file is an export of the same rows, write record_key = \"order_id\".";
    assert!(told(12).contains(&note.to_owned()), "{:?}", told(12));
    assert!(!told(1).contains(&note.to_owned()));
}
