//! Tests of `read`.

use std::collections::BTreeSet;

use super::*;
use crate::config::{
    AccessMethod, Authentication, Bound, ConnectionKind, Expression, Normalise, Spot, SurvivorshipRule,
    Window, registry::SECTIONS,
};
use crate::error::{ErrorClass, UserError};
use crate::kind::Kind;

mod messages;

const DESIGN: &str = r#"[lake]
url = "./lake"
refresh = "10s"

[time]
zone = "Europe/Berlin"

[money]
currency = "EUR"

[[source]]
name = "crm_contacts"
kind = "profile"
path = "crm/contacts/"
record_key = "contact_id"
time = "modified_at"
identifiers = { email = "email", phone = "phone", crm_id = "contact_id" }
traits = { first_name = "fname", last_name = "lname", birth_date = "dob", city = "city", country = "upper(country)" }

[[source]]
name = "shop_orders"
kind = "order"
path = "shop/orders/"
record_key = "id"
time = "created_at"
updated_at = "updated_at"
identifiers = { email = "customer_email", user_id = "user_id" }
columns = { amount = "total_cents / 100.0", currency = "currency", status = "state", channel = "utm_source" }
where = "state <> 'draft'"

[identity]
blocked = ["null", "none"]

[[identity.identifier]]
type = "user_id"
strong = true
limit = 1
[[identity.identifier]]
type = "email"
normalise = "email_gmail"
limit = 5
[[identity.identifier]]
type = "phone"
normalise = "phone:DE"
[[identity.identifier]]
type = "anonymous_id"
max_customers = 1

[identity.survivorship]
default = "most_frequent"
first_name = { rule = "source_priority", order = ["crm_contacts", "shop_orders"] }
city = "longest"

[lifecycle]
active = { gap_multiple = 2.0, min = "30 days", max = "150 days" }
lapse = "180 days"

[lifecycle.facts]
referral = "events where name = 'referral_sent'"
closing = "interactions WHERE type = 'closed'"
demo = "events"

[[lifecycle.stage]]
name = "loyalty"
orders = { at_least = 4 }
orders_within = { days = 365, at_least = 3, at_most = 20 }
silence = { at_most = "active" }
any = [{ nps_latest = { days = 365, at_least = 9 } }, { mrr = { more_than = 0 }, subscription = "active" }]
[[lifecycle.stage]]
name = "back"
returned_within = { days = 30 }
demo = { days = 7, at_least = 1 }
[[lifecycle.stage]]
name = "other"

[[segment]]
name = "vip_at_risk"
description = "call them"
where = "lifecycle_stage = 'at_risk' AND rfm_monetary = 5"

[[metric]]
name = "arpu"
sql = "sum(net_revenue) / count(*)"
unit = "EUR"
description = "average revenue per user"

[server]
listen = "0.0.0.0:5433"
unix_socket = "run"
tls_certificate = "server.pem"
tls_key = "/etc/key.pem"
max_connections = 50
reserved_connections = 2
memory = "8GiB"
statement_memory = "1GB"
statement_timeout = "60s"

[[server.access]]
connection = "hostssl"
address = "10.0.0.0/8"
roles = ["admin"]
method = "scram-sha-256"

[[role]]
name = "admin"
owner = true
password = "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92$FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8=:qxJ1SbmSAi5EcS0J5Ck/cKAm/+Ixa+Kwp63f4OHDgzo="
statement_memory = "2GB"
statement_timeout = "0"
"#;

fn nothing(_: &str) -> Option<String> {
    None
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("/base"), &nothing)
}

/// An expression in a line of the design.
fn sql(text: &str, line: usize) -> Expression {
    let written = DESIGN.lines().nth(line - 1).expect("a line");
    let before = written.find(&format!("\"{text}\"")).expect("the text is there");
    Expression {
        sql: text.to_owned(),
        at: Spot {
            line,
            column: before + 1,
        },
    }
}

fn pair(name: &str, text: &str, line: usize) -> (String, Expression) {
    (name.to_owned(), sql(text, line))
}

#[test]
fn the_configuration_of_the_design_is_read() {
    let config = parse(DESIGN).expect("the design is valid");
    assert_eq!(config.base, Path::new("/base"));
    assert_eq!(
        config.lake,
        LakeConfig {
            url: "./lake".to_owned(),
            refresh: Some(Duration::from_secs(10)),
            keep_snapshots: 3,
            keep_for: Duration::from_secs(3_600),
        }
    );
    assert_eq!(config.zone, chrono_tz::Europe::Berlin);
    let [crm, shop] = config.sources.as_slice() else {
        panic!("two sources")
    };
    assert_eq!(
        (crm.kind, crm.at.line, crm.schema.as_str()),
        (Kind::Profile, 11, "public")
    );
    assert_eq!(crm.time, Some(sql("modified_at", 16)));
    let identifiers = [
        pair("email", "email", 17),
        pair("phone", "phone", 17),
        pair("crm_id", "contact_id", 17),
    ];
    assert_eq!(crm.identifiers, identifiers);
    let traits: Vec<&str> = crm.traits.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        traits,
        ["first_name", "last_name", "birth_date", "city", "country"]
    );
    assert_eq!(shop.column("amount"), Some(&sql("total_cents / 100.0", 28)));
    assert_eq!(shop.filter, Some(sql("state <> 'draft'", 29)));
    assert_eq!(
        (shop.max_bad_rows, shop.updated_at.clone()),
        (0.01, Some(sql("updated_at", 26)))
    );

    let types: Vec<_> = config
        .identity
        .identifiers
        .iter()
        .map(|identifier| {
            (
                identifier.name.as_str(),
                identifier.strong,
                identifier.limit,
                identifier.max_customers,
            )
        })
        .collect();
    let expected = [
        ("user_id", true, Some(1), None),
        ("email", true, Some(5), None),
        ("phone", true, None, None),
        ("anonymous_id", false, None, Some(1)),
        ("crm_id", true, None, None),
    ];
    assert_eq!(types, expected);
    let normalise: Vec<_> = config
        .identity
        .identifiers
        .iter()
        .map(|identifier| &identifier.normalise)
        .collect();
    let phone = Normalise::Phone("DE".to_owned());
    let text = &Normalise::Text;
    assert_eq!(normalise, [text, &Normalise::EmailGmail, &phone, text, text]);
    assert_eq!(config.identity.default_rule, SurvivorshipRule::MostFrequent);
    let order = vec!["crm_contacts".to_owned(), "shop_orders".to_owned()];
    let rules = [
        ("first_name".to_owned(), SurvivorshipRule::SourcePriority(order)),
        ("city".to_owned(), SurvivorshipRule::Longest),
    ];
    assert_eq!(config.identity.trait_rules, rules);

    let day = Duration::from_secs(86_400);
    let active = Window::Adaptive {
        gap_multiple: 2.0,
        min: day * 30,
        max: day * 150,
    };
    assert_eq!(
        (config.lifecycle.active, config.lifecycle.lapse),
        (active, Window::Fixed(day * 180))
    );
    let facts: Vec<_> = config
        .lifecycle
        .facts
        .iter()
        .map(|fact| {
            (
                fact.name.as_str(),
                fact.relation.as_str(),
                fact.predicate.sql.as_str(),
            )
        })
        .collect();
    let expected = [
        ("referral", "events", "name = 'referral_sent'"),
        ("closing", "interactions", "type = 'closed'"),
        ("demo", "events", "true"),
    ];
    assert_eq!(facts, expected);
    let [loyalty, back, other] = config.lifecycle.stages.as_slice() else {
        panic!("three stages")
    };
    let [orders, within, silence] = loyalty.conditions.as_slice() else {
        panic!("three conditions")
    };
    assert_eq!(orders.at_least, Some(Bound::Number(4.0)));
    assert_eq!(
        (within.days, within.at_most.clone()),
        (Some(365.0), Some(Bound::Number(20.0)))
    );
    assert_eq!(silence.at_most, Some(Bound::Word("active".to_owned())));
    assert_eq!(loyalty.any.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(back.conditions.len(), 2);
    assert!(other.conditions.is_empty() && other.any.is_empty());

    assert_eq!(
        config.segments[0].filter.sql,
        "lifecycle_stage = 'at_risk' AND rfm_monetary = 5"
    );
    assert_eq!(config.metrics[0].name, "arpu");
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:5433");
    assert_eq!(
        config.server.tls_certificate.as_deref(),
        Some(Path::new("/base/server.pem"))
    );
    assert_eq!(config.server.tls_key.as_deref(), Some(Path::new("/etc/key.pem")));
    assert_eq!(config.server.memory, Some(8 << 30));
    assert_eq!(config.server.authentication, Authentication::ScramSha256);
    assert_eq!(config.server.spill_limit, 20_000_000_000);
    let [rule] = config.server.access.as_slice() else {
        panic!("one rule")
    };
    assert_eq!(
        (rule.connection, rule.method, rule.at.line),
        (ConnectionKind::HostSsl, AccessMethod::ScramSha256, 98)
    );
    assert_eq!(rule.roles, Some(vec!["admin".to_owned()]));
    assert!(config.roles[0].owner && config.roles[0].password.is_some());
}

#[test]
fn what_is_not_written_has_the_documented_default() {
    let config = parse("lake.url = 's3://bucket/prefix'").expect("an URL is enough");
    assert_eq!(config.zone, Tz::UTC);
    assert_eq!(config.currency, "EUR");
    assert_eq!(config.lake.refresh, Some(Duration::from_secs(10)));
    assert_eq!(config.lifecycle.preset, "default");
    assert_eq!(
        config.lifecycle.active,
        Window::Fixed(Duration::from_secs(90 * 86_400))
    );
    assert_eq!(
        config.lifecycle.unpaid_statuses,
        ["cancelled", "canceled", "failed", "draft", "pending"]
    );
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:5433");
    assert_eq!(config.server.authentication, Authentication::LocalUser);
    assert_eq!(config.server.unix_socket.as_deref(), Some(Path::new("/tmp")));
    assert_eq!(
        (config.server.max_connections, config.server.reserved_connections),
        (100, 3)
    );
    assert_eq!(config.server.login_timeout, Duration::from_secs(60));
    assert!(config.server.statement_timeout.is_zero());
    let trust =
        parse("lake.url = 'x'\nlake.refresh = 'off'\nserver.authentication = 'trust'").expect("valid");
    assert_eq!(
        (trust.server.authentication, trust.lake.refresh),
        (Authentication::Trust, None)
    );
}

/// The registry and the reader know the same keys.
#[test]
fn every_registered_key_is_read_and_every_read_key_is_registered() {
    let text = DESIGN.replace("city = \"longest\"", "city = { rule = \"longest\" }");
    let mut reader = Reader::default();
    let entries = document::parse(&text).expect("TOML");
    read(&mut reader, &entries, Path::new("/base"));
    let registered: BTreeSet<_> = SECTIONS
        .iter()
        .flat_map(|section| section.keys.iter().map(|key| (section.path, key.name)))
        .collect();
    assert_eq!(reader.asked, registered);
}

#[test]
fn the_hash_is_that_of_what_a_run_computes() {
    let hash = |text: &str| parse(text).expect("valid").hash;
    let first = hash(DESIGN);
    assert_eq!(first.len(), 32);
    assert_eq!(
        first,
        hash(&format!("# a comment\n\n{DESIGN}")),
        "places do not count"
    );
    for (from, to) in [
        ("\"60s\"", "\"61s\""),
        ("\"10s\"", "\"off\""),
        ("\"admin\"", "\"root\""),
    ] {
        assert_eq!(first, hash(&DESIGN.replace(from, to)), "{from} does not count");
    }
    for (from, to) in [
        ("\"./lake\"", "\"./lake2\""),
        ("upper(country)", "lower(country)"),
        ("\"180 days\"", "\"181 days\""),
        ("Europe/Berlin", "Europe/Paris"),
        ("days = 365, at_least = 3", "days = 366, at_least = 3"),
        ("limit = 5", "limit = 6"),
        ("at_risk' AND", "at_risk' OR"),
    ] {
        assert_ne!(first, hash(&DESIGN.replace(from, to)), "{from} counts");
    }
}

#[test]
fn the_environment_overrides_scalar_keys() {
    let set = |pairs: &'static [(&str, &str)]| {
        let environment = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Config::parse(DESIGN, Path::new("."), &environment)
    };
    let config = set(&[
        ("PERENNIAL__SERVER__LISTEN", "127.0.0.1:6000"),
        ("PERENNIAL__SERVER__MAX_CONNECTIONS", "7"),
        ("PERENNIAL__TIME__ZONE", "UTC"),
        ("PERENNIAL__IDENTITY__SURVIVORSHIP__DEFAULT", "first"),
    ])
    .expect("valid");
    assert_eq!(
        (config.server.listen.port(), config.server.max_connections),
        (6000, 7)
    );
    assert_eq!(
        (config.zone, config.identity.default_rule),
        (Tz::UTC, SurvivorshipRule::First)
    );
    let errors = set(&[("PERENNIAL__SERVER__MAX_CONNECTIONS", "many")]).expect_err("not a number");
    assert_eq!(
        errors.to_string(),
        "environment variable PERENNIAL__SERVER__MAX_CONNECTIONS: \"max_connections\" in [server] must be a whole \
         number, not a text\n  hint: write the digits without quotes"
    );
    let unknown = environment::unknown(
        ["PERENNIAL__SERVER__LISTN", "PERENNIAL_TEST_DATA", "HOME"]
            .into_iter()
            .map(str::to_owned),
    );
    let hints: Vec<_> = unknown.iter().filter_map(|entry| entry.problem.hint()).collect();
    assert_eq!(hints, ["did you mean \"PERENNIAL__SERVER__LISTEN\"?"]);
}

#[test]
fn all_problems_are_collected_up_to_a_bound() {
    let segments = "[[segment]]\nname = \"\"\nwhere = \"\"\n".repeat(40);
    let errors = parse(&format!("[lake]\nurl = \"x\"\n{segments}")).expect_err("80 problems");
    assert_eq!(
        (errors.problems.len(), errors.left_out, errors.class()),
        (50, 30, ErrorClass::InvalidArgument)
    );
    assert!(errors.to_string().ends_with("\nand 30 more problems"));
}

#[test]
fn a_file_that_is_not_there_is_named_with_the_way_out() {
    let errors = Config::load(Path::new("/nonexistent/perennial.toml")).expect_err("no file");
    assert_eq!(
        errors.to_string(),
        "/nonexistent/perennial.toml: cannot read the configuration: no such file\n  \
         hint: `perennial init <folder or URL>` writes one; --config names another place"
    );
}
