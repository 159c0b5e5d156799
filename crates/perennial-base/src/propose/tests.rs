//! Tests of `propose`.

use std::path::Path;

use super::*;
use crate::config::{Config, Normalise, Spot};
use crate::kind::Kind;

mod reasons;
mod systems;

/// 2026-07-01, in microseconds since 1970.
const NOW: i64 = 1_782_864_000_000_000;

pub(super) struct Column(pub(super) ColumnFacts);

pub(super) fn column(name: &str, shape: ColumnShape, samples: &[&str]) -> Column {
    Column(ColumnFacts {
        name: name.to_owned(),
        shape,
        distinct_ratio: None,
        null_ratio: 0.0,
        unique_over_all_rows: Some(false),
        samples: samples.iter().map(|text| (*text).to_owned()).collect(),
        min: None,
        max: None,
    })
}

fn text(name: &str, samples: &[&str]) -> Column {
    column(name, ColumnShape::Text, samples)
}

impl Column {
    fn unique(mut self) -> Self {
        self.0.unique_over_all_rows = Some(true);
        self
    }

    fn nulls(mut self, ratio: f64) -> Self {
        self.0.null_ratio = ratio;
        self
    }

    fn range(mut self, min: &str, max: &str) -> Self {
        (self.0.min, self.0.max) = (Some(min.to_owned()), Some(max.to_owned()));
        self
    }
}

fn folder(path: &str, rows: u64, columns: Vec<Column>) -> FolderFacts {
    let columns = columns.into_iter().map(|column| column.0).collect();
    FolderFacts {
        path: path.to_owned(),
        files: 1,
        rows,
        columns,
        partitions: Vec::new(),
        unlike: Vec::new(),
        repeats: Vec::new(),
    }
}

/// The research set of CDNOW, as it lies in the file.
fn cdnow(path: &str, rows: u64, customers: &str, last: &str) -> FolderFacts {
    folder(
        path,
        rows,
        vec![
            column("customer_id", ColumnShape::Int, &["1", "2", "2", "3"]).range("1", customers),
            column("purchased_on", ColumnShape::Date, &["1997-01-01", "1997-01-12"])
                .range("1997-01-01", "1998-06-30"),
            column("cds", ColumnShape::Int, &["1", "1", "5", "2"]).range("1", "99"),
            column("amount", ColumnShape::Float, &["11.77", "12.0", "77.0", "20.76"]).range("0", last),
        ],
    )
}

fn febrl(path: &str, rows: u64) -> FolderFacts {
    folder(
        path,
        rows,
        vec![
            text("rec_id", &["rec-1496-org", "rec-552-dup-3", "rec-988-dup-1"]).unique(),
            text("given_name", &["mitchell", "harley", "madeline"]).nulls(0.03),
            text("surname", &["green", "mccarthy", "mason"]).nulls(0.02),
            text("street_number", &["7", "177", "54"]).nulls(0.05),
            text("address_1", &["wallaby place", "pridhamstreet"]).nulls(0.03),
            text("address_2", &["delmar", "milton"]).nulls(0.14),
            text("suburb", &["cleveland", "marsden"]).nulls(0.02),
            text("postcode", &["2119", "3165", "4881"]),
            text("state", &["sa", "nsw", "nsw"]).nulls(0.02),
            text("date_of_birth", &["19560409", "19080419", "19081128"]).nulls(0.03),
            text("soc_sec_id", &["1804974", "6089216", "2185997"]),
        ],
    )
}

fn fake_1000() -> FolderFacts {
    folder(
        "fake_1000.parquet",
        1_000,
        vec![
            column("unique_id", ColumnShape::Int, &["0", "1", "2", "3"]).unique(),
            text("first_name", &["Robert", "Robert", "Rob"]),
            text("surname", &["Alan", "Allen", "Allen"]),
            column("dob", ColumnShape::Date, &["1971-06-24", "1971-05-24"]).range("1970-04-11", "2031-02-20"),
            text("city", &["", "", "London", "Lonon"]),
            text("email", &["robert255@smith.net", "roberta25@smith.net", ""]),
            column("cluster", ColumnShape::Int, &["0", "0", "0", "0"]),
        ],
    )
}

/// The proposal as a configuration that the reader accepts, which must say what the proposal says.
#[track_caller]
fn read_back(proposal: &Proposal) -> Config {
    let text = proposal.to_toml("./lake", &[]);
    let config = Config::parse(&text, Path::new("."), &|_| None)
        .unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"));
    assert_eq!(config.sources.len(), proposal.sources.len());
    let sql = |pairs: &[(String, crate::config::Expression)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, expression)| (name.clone(), expression.sql.clone()))
            .collect()
    };
    for (read, proposed) in config.sources.iter().zip(&proposal.sources) {
        let proposed = &proposed.config;
        assert_eq!(
            (&read.name, read.kind, &read.path),
            (&proposed.name, proposed.kind, &proposed.path)
        );
        assert_eq!(sql(&read.identifiers), sql(&proposed.identifiers));
        assert_eq!(sql(&read.traits), sql(&proposed.traits));
        assert_eq!(sql(&read.columns), sql(&proposed.columns));
        let key = |source: &SourceConfig| source.record_key.as_ref().map(|key| key.sql.clone());
        assert_eq!(key(read), key(proposed));
    }
    // A proposal is at no place of a file yet.
    let unplaced = |read: &IdentifierConfig| IdentifierConfig {
        at: Spot::default(),
        named_at: Spot::default(),
        ..read.clone()
    };
    let read: Vec<IdentifierConfig> = config.identity.identifiers.iter().map(unplaced).collect();
    let proposed: Vec<IdentifierConfig> = proposal.identifiers.iter().map(|(of, _)| of.clone()).collect();
    assert_eq!(read, proposed);
    config
}

/// One folder becomes a source of this kind, with this key, time, identifiers, traits and columns, each pair written
/// as `name=sql` and joined by `, `.
#[track_caller]
fn check(
    facts: FolderFacts,
    kind: Kind,
    key: Option<&str>,
    time: Option<&str>,
    pairs: [&str; 3],
) -> Proposal {
    let proposal = propose(&[facts], NOW);
    let config = read_back(&proposal);
    let source = &config.sources[0];
    let joined = |list: &[(String, crate::config::Expression)]| {
        list.iter()
            .map(|(name, sql)| format!("{name}={}", sql.sql))
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(source.kind, kind);
    assert_eq!(
        source.record_key.as_ref().map(|key| key.sql.as_str()),
        key,
        "record_key"
    );
    assert_eq!(source.time.as_ref().map(|time| time.sql.as_str()), time, "time");
    assert_eq!(
        [
            joined(&source.identifiers),
            joined(&source.traits),
            joined(&source.columns)
        ],
        pairs
    );
    proposal
}

const SINCE_EVER: Option<&str> = Some("TIMESTAMP '1970-01-01 00:00:00'");

#[test]
fn cdnow_is_orders_without_a_key() {
    for (path, rows, customers, last) in [
        ("cdnow_master.parquet", 69_659, "23570", "1286.01"),
        ("cdnow_sample.parquet", 6_919, "2357", "506.97"),
    ] {
        let proposal = check(
            cdnow(path, rows, customers, last),
            Kind::Order,
            None,
            Some("purchased_on"),
            ["user_id=customer_id", "", "amount=amount"],
        );
        assert_eq!(proposal.currency, None);
        assert_eq!(proposal.sources[0].unmapped, ["cds"]);
        assert_eq!(
            proposal.notes,
            [
                format!(
                    "No column says in which currency the amounts of {} are; set [money] currency.",
                    path.trim_end_matches(".parquet")
                ),
                "Nothing has happened since 1998-06-30: by the clock every customer has lapsed; to describe the end of \
                 the data instead, set [time] as_of = \"1998-07-01T00:00:00Z\"."
                    .to_owned()
            ]
        );
        let text = proposal.to_toml("./lake", &[]);
        for line in [
            "# an amount (\"amount\"), a time (\"purchased_on\") and a person (\"customer_id\") on each row\nkind = \"order\"\n",
            "# no record_key: no column is named like a key of the rows: every row counts as its own fact\n",
            "# user_id: called user_id, because customer_id is the person that Perennial resolves\nidentifiers = { user_id = \"customer_id\" }\n",
            "# currency = \"EUR\"\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}

#[test]
fn febrl_is_profiles_joined_by_a_national_number() {
    for (path, rows) in [
        ("febrl1.parquet", 1_000),
        ("febrl2.parquet", 5_000),
        ("febrl3.parquet", 5_000),
    ] {
        check(
            febrl(path, rows),
            Kind::Profile,
            Some("rec_id"),
            SINCE_EVER,
            [
                "national_id=soc_sec_id",
                "first_name=given_name, last_name=surname, street_number=street_number, street=address_1, \
                 address_line_2=address_2, city=suburb, postcode=postcode, state=state, birth_date=CAST(date_of_birth AS DATE)",
                "",
            ],
        );
    }
}

#[test]
fn a_profile_without_any_identifier_says_so() {
    let mut facts = febrl("people/", 1_000);
    facts.columns.retain(|column| column.name != "soc_sec_id");
    let proposal = propose(&[facts], NOW);
    let config = read_back(&proposal);
    assert!(config.sources[0].identifiers.is_empty());
    assert_eq!(
        proposal.notes,
        ["people has no identifier that another row or source could share: none of its rows will be joined."]
    );
}

#[test]
fn fake_1000_is_profiles_joined_by_email() {
    let proposal = check(
        fake_1000(),
        Kind::Profile,
        Some("unique_id"),
        SINCE_EVER,
        [
            "email=email",
            "first_name=first_name, last_name=surname, birth_date=dob, city=city",
            "",
        ],
    );
    assert_eq!(proposal.sources[0].unmapped, ["cluster"]);
    let (email, _) = &proposal.identifiers[0];
    assert_eq!((&email.normalise, email.limit), (&Normalise::Email, Some(5)));
}

#[test]
fn every_kind_is_recognised() {
    let time = || column("created_at", ColumnShape::Timestamp, &[]);
    let email = || text("email", &["a@example.org"]);
    let day = || column("date", ColumnShape::Date, &[]);
    check(
        folder(
            "shop/orders/",
            10,
            vec![
                text("id", &["o1"]).unique(),
                text("customerEmail", &["a@example.org"]),
                text("userId", &["u1"]),
                time(),
                column("updated_at", ColumnShape::Timestamp, &[]),
                column("total_cents", ColumnShape::Int, &["1999"]),
                text("currency", &["USD"]),
                text("state", &["paid"]),
                text("utm_source", &["ads"]),
            ],
        ),
        Kind::Order,
        Some("id"),
        Some("created_at"),
        [
            "user_id=\"userId\", email=\"customerEmail\"",
            "",
            "amount=total_cents / 100.0, currency=currency, status=state, channel=utm_source",
        ],
    );
    check(
        folder(
            "web/events/",
            10,
            vec![
                text("anonymous_id", &["x"]),
                text("event", &["page_view"]),
                text("ts", &["2026-01-31T10:00:00Z"]),
            ],
        ),
        Kind::Event,
        None,
        Some("ts"),
        ["anonymous_id=anonymous_id", "", "name=event"],
    );
    check(
        folder(
            "shop/items/",
            10,
            vec![
                text("order_id", &["o1"]),
                text("sku", &["p1"]),
                column("qty", ColumnShape::Int, &["2"]),
                column("amount", ColumnShape::Decimal, &["9.98"]),
            ],
        ),
        Kind::OrderItem,
        None,
        None,
        [
            "",
            "",
            "order_id=order_id, product_id=sku, quantity=qty, unit_price=amount / nullif(qty, 0)",
        ],
    );
    check(
        folder(
            "shop/refunds/",
            10,
            vec![
                text("refund_id", &["r1"]).unique(),
                text("order_id", &["o1"]).unique(),
                column("refunded_at", ColumnShape::Int, &["1767225600"]),
                text("amount", &["9.99"]),
            ],
        ),
        Kind::Refund,
        Some("refund_id"),
        Some("to_timestamp(refunded_at)"),
        ["", "", "order_id=order_id, amount=CAST(amount AS DECIMAL(18,4))"],
    );
    check(
        folder(
            "billing/changes/",
            10,
            vec![
                text("subscription_id", &["s1"]),
                email(),
                text("plan", &["pro"]),
                column("mrr", ColumnShape::Float, &["49"]),
                column("changed_at", ColumnShape::Timestamp, &[]),
            ],
        ),
        Kind::Subscription,
        Some("subscription_id"),
        Some("changed_at"),
        ["email=email", "", "plan=plan, mrr=mrr"],
    );
    check(
        folder(
            "csat/",
            10,
            vec![
                email(),
                column("score", ColumnShape::Int, &["4"]).range("1", "5"),
                column("answered_at", ColumnShape::Timestamp, &[]),
            ],
        ),
        Kind::Survey,
        None,
        Some("answered_at"),
        ["email=email", "", "survey='csat', score=score"],
    );
    check(
        folder(
            "helpdesk/",
            10,
            vec![
                email(),
                time(),
                text("channel", &["phone"]),
                text("direction", &["inbound"]),
            ],
        ),
        Kind::Interaction,
        None,
        Some("created_at"),
        ["email=email", "", "channel=channel, direction=direction"],
    );
    for (granted, sql) in [
        (column("granted", ColumnShape::Bool, &[]), "granted"),
        (text("granted", &["yes", "NO"]), "CAST(granted AS BOOLEAN)"),
        (
            column("granted", ColumnShape::Int, &["0", "1"]),
            "CAST(granted AS BOOLEAN)",
        ),
    ] {
        check(
            folder(
                "consent/",
                10,
                vec![email(), time(), text("purpose", &["ads"]), granted],
            ),
            Kind::Consent,
            None,
            Some("created_at"),
            ["email=email", "", &format!("purpose=purpose, granted={sql}")],
        );
    }
    check(
        folder(
            "ads/",
            10,
            vec![
                day(),
                text("channel", &["search"]),
                column("cost", ColumnShape::Float, &["10"]),
            ],
        ),
        Kind::Spend,
        None,
        None,
        ["", "", "date=date, channel=channel, amount=cost"],
    );
    check(
        folder(
            "fx/",
            10,
            vec![
                day(),
                text("currency", &["USD"]),
                column("rate", ColumnShape::Float, &["0.9"]),
            ],
        ),
        Kind::FxRate,
        None,
        None,
        ["", "", "date=date, currency=currency, rate=rate"],
    );
    check(
        folder(
            "desk/",
            2,
            vec![
                text("id", &["t1", "t2"]).unique(),
                text("source_a", &["crm"]),
                text("record_a", &["1"]),
                text("source_b", &["shop"]),
                text("record_b", &["7"]),
                text("verdict", &["same", "different"]),
                column("decided_at", ColumnShape::Timestamp, &["2026-01-01T10:00:00"]),
            ],
        ),
        Kind::IdentityOverride,
        Some("id"),
        Some("decided_at"),
        [
            "",
            "",
            "source_a=source_a, record_a=record_a, source_b=source_b, record_b=record_b, verdict=verdict",
        ],
    );
    check(
        folder(
            "orders/",
            3,
            vec![text("sku", &["p1"]).unique(), text("colour", &["red"])],
        ),
        Kind::Table,
        None,
        None,
        ["", "", ""],
    );
    check(
        folder(
            "Kunden/",
            3,
            vec![
                column("Kunden-Nr.", ColumnShape::Int, &["1"]).unique(),
                text("Vorname", &["Ada"]),
                text("Geburtsdatum", &["1990-01-01"]),
                text("PLZ", &["10115"]),
                column("geändert_am", ColumnShape::Timestamp, &[]),
            ],
        ),
        Kind::Profile,
        Some("\"Kunden-Nr.\""),
        Some("\"geändert_am\""),
        [
            "user_id=\"Kunden-Nr.\"",
            "first_name=\"Vorname\", birth_date=CAST(\"Geburtsdatum\" AS DATE), postcode=\"PLZ\"",
            "",
        ],
    );
}

#[test]
fn a_lake_of_several_systems_is_joined_where_it_can_be() {
    let people = folder(
        "shop/customers/",
        5,
        vec![
            column("id", ColumnShape::Int, &["1"]).unique(),
            text("email", &["a@example.org"]),
            text("phone", &["+49 30 1234567"]),
            column("updated_at", ColumnShape::Timestamp, &[]),
        ],
    );
    let orders = cdnow("shop/orders/", 10, "5", "10");
    let crm = folder(
        "crm/leads/",
        5,
        vec![
            text("lead_id", &["l1"]).unique(),
            text("full_name", &["Ada"]),
            column("birthday", ColumnShape::Date, &[]),
        ],
    );
    let proposal = propose(&[people, orders, crm], NOW);
    let config = read_back(&proposal);
    assert_eq!(config.sources[0].identifiers[0].0, "user_id");
    let types: Vec<&str> = config
        .identity
        .identifiers
        .iter()
        .map(|identifier| identifier.name.as_str())
        .collect();
    assert_eq!(types, ["user_id", "crm_id", "email", "phone"]);
    assert_eq!(
        config.identity.identifiers[3].normalise,
        Normalise::Phone("DE".to_owned())
    );
    assert!(
        proposal.notes.contains(
            &"leads shares no identifier type with another source: its customers stay apart from theirs."
                .to_owned()
        )
    );
}

#[test]
fn hostile_names_make_a_valid_file() {
    let nasty = "x\"; [role]\nname = 'y";
    let facts = folder(
        &format!("a/{nasty}/*.parquet"),
        1,
        vec![
            text("email", &["a@example.org"]),
            text("e-mail", &["a@example.org"]),
            text(nasty, &["1"]).unique(),
            column("amount", ColumnShape::Float, &["1"]),
            column("order", ColumnShape::Timestamp, &[]),
        ],
    );
    let proposal = propose(&[facts.clone(), facts, folder("", 0, Vec::new())], NOW);
    let config = read_back(&proposal);
    assert!(config.roles.is_empty());
}

#[test]
fn a_key_that_was_not_checked_is_not_proposed() {
    let mut facts = fake_1000();
    facts.columns[0].unique_over_all_rows = None;
    let proposal = propose(&[facts], NOW);
    assert_eq!(proposal.sources[0].config.record_key, None);
}
