//! Who is whose, case by case.

use super::world::{rows, rules, run};
use crate::*;

/// Checks the customers of these records, and the warnings and conflicts as texts.
#[track_caller]
fn check(rule: &str, records: &str, customers: &str, complaints: &[&str]) {
    let rules = rules(rule);
    let run = run(&rules, &rows(&rules, records), None, 1);
    assert_eq!(run.groups(), customers);
    let name = |identifier_type: usize| &rules.identifiers()[identifier_type].name;
    let customer = |number: Option<u32>| {
        let of_number = |id: &CustomerId| {
            number.is_some_and(|number| run.resolution.customers()[number as usize].id == *id)
        };
        let records = run
            .customer_of
            .iter()
            .filter(|(_, id)| id.as_ref().is_some_and(of_number));
        records
            .map(|((_, key), _)| key.as_str())
            .min()
            .unwrap_or("nobody")
    };
    let warnings = run
        .resolution
        .warnings()
        .iter()
        .map(|warning| match warning.kind {
            WarningKind::OverMaxCustomers {
                customers,
                max_customers,
            } => {
                let value = warning.value.as_deref().unwrap_or_default();
                format!(
                    "{}={value} {customers} > {max_customers}, {} records",
                    name(warning.identifier_type),
                    warning.records
                )
            }
            kind => panic!("no values are blocked here: {kind:?}"),
        });
    let conflicts = run.resolution.conflicts().map(|conflict| {
        format!(
            "{} of {} not with {}={} of {}: {} > {}",
            conflict.record.key,
            customer(conflict.record_customer),
            name(conflict.identifier_type),
            conflict.value,
            customer(conflict.value_customer),
            conflict.limited_type.map_or("a word", |of_type| name(of_type)),
            conflict.limit.unwrap_or_default()
        )
    });
    assert_eq!(warnings.chain(conflicts).collect::<Vec<_>>(), complaints);
}

#[test]
fn shared_identifiers_join_across_sources_and_chains() {
    let records = "
        crm a @1 user=u1 email=x
        shop b @2 email=x phone=p
        web c @3 phone=p
        web d @4 device=d";
    check("user, email, phone, device", records, "a b c, d", &[]);
}

#[test]
fn persons_without_identifiers_are_each_somebody_and_facts_are_nobodys() {
    let records = "
        crm a @1
        crm b @1
        web c @1";
    check("user", records, "a, b", &[]);
}

#[test]
fn a_limit_keeps_families_with_one_phone_apart() {
    // Three accounts share a phone; a customer has one user id. The earliest has the phone.
    let records = "
        crm a @3 user=u1 phone=p
        crm b @1 user=u2 phone=p
        crm c @2 user=u3 phone=p
        web d @4 phone=p";
    let complaints = [
        "c of c not with phone=p of b: user > 1",
        "a of a not with phone=p of b: user > 1",
    ];
    check("user limit=1, phone", records, "a, b d, c", &complaints);
}

#[test]
fn a_value_over_the_limit_stays_with_those_who_brought_it() {
    let records = "
        crm a @1 user=u1 email=x
        crm b @2 user=u1 email=y
        shop c @3 email=y
        shop d @4 user=u1 email=z";
    // y finds its place with c; z is nobody's, because no other record has it.
    let complaints = [
        "b of a not with email=y of c: email > 1",
        "d of a not with email=z of nobody: email > 1",
    ];
    check("user, email limit=1", records, "a b d, c", &complaints);
}

#[test]
fn a_shared_device_identifies_nobody() {
    let records = "
        crm a @1 user=u1
        crm b @1 user=u2
        web c @2 user=u1 device=d
        web e @3 device=d
        web f @4 user=u2 device=d";
    check(
        "user, device max=1",
        records,
        "a c, b f",
        &["device=d 2 > 1, 3 records"],
    );
    check("user, device max=2", records, "a b c e f", &[]);
    // Without the second person the same device brings its anonymous visits to the first: the bound withdraws joins.
    check(
        "user, device max=1",
        records.split("web f").next().unwrap(),
        "a c e, b",
        &[],
    );
}

#[test]
fn visitors_without_stronger_identifiers_are_one_customer_and_persons_are_many() {
    check(
        "user, device max=1",
        "web a @1 device=d\nshop b @2 device=d",
        "a b",
        &[],
    );
    check(
        "user, device max=1",
        "crm a @1 device=d\nweb b @2 device=d",
        "a b",
        &[],
    );
    // Two profiles are two customers by themselves; neither is lost when the device joins them to nobody.
    let records = "crm a @1 device=d\ncrm b @2 device=d\nweb c @3 device=d";
    check(
        "user, device max=1",
        records,
        "a, b",
        &["device=d 2 > 1, 3 records"],
    );
}

#[test]
fn versions_of_a_record_are_one_record() {
    let records = "
        crm a @1 email=x | email=y
        shop b @2 email=x
        shop c @3 email=y
        shop d @4 email=z";
    check("email", records, "a b c, d", &[]);
    check(
        "email limit=1",
        records,
        "a b, c, d",
        &["a of a not with email=y of c: email > 1"],
    );
    // Versions do not join strangers by way of a shared device.
    let records = "
        web a @1 device=d | device=d user=u1
        web b @1 device=d | device=d user=u2
        web c @2 device=d";
    check(
        "user, device max=1",
        records,
        "a, b",
        &["device=d 2 > 1, 3 records"],
    );
}

#[test]
fn ties_of_time_go_by_value_then_by_source_name_then_by_key() {
    let complaint = |record: &str, email: &str| {
        format!("{record} of {record} not with email={email} of nobody: email > 1")
    };
    check(
        "email limit=1",
        "crm a @1 email=y email=x",
        "a",
        &[&complaint("a", "y")],
    );
    // app comes before crm by name.
    let complaint = "a of a not with phone=p of b: user > 1";
    check(
        "user limit=1, phone",
        "crm a @1 user=u1 phone=p\napp b @1 user=u2 phone=p",
        "a, b",
        &[complaint],
    );
    let complaint = "b of b not with phone=p of a: user > 1";
    check(
        "user limit=1, phone",
        "crm b @1 user=u2 phone=p\ncrm a @1 user=u1 phone=p",
        "a, b",
        &[complaint],
    );
}

#[test]
fn stronger_identifiers_come_first_whatever_their_time() {
    let records = "
        web a @1 user=u1 phone=p
        web b @0 user=u2 phone=q
        web c @9 user=u1 email=x
        web d @9 user=u2 email=x";
    // The email is tried before the phones, although its records are the latest.
    check(
        "user limit=1, email, phone",
        records,
        "a c, b d",
        &["d of b not with email=x of a: user > 1"],
    );
}

#[test]
fn customers_know_their_records() {
    let rules = rules("user strong, device");
    let rows = rows(
        &rules,
        "web a @5 device=d\nweb b @3 device=d\nweb c @7 device=d user=u | device=d\ncrm e @9",
    );
    let run = run(&rules, &rows, None, 1);
    let of = |key: &str| {
        run.resolution
            .customers()
            .iter()
            .find(|customer| customer.id == run.id(key))
            .unwrap()
    };
    let visitor = of("a");
    assert_eq!(
        (visitor.first_seen_at, visitor.last_seen_at, visitor.records),
        (3, 8, 3)
    );
    assert_eq!((visitor.identified_at, visitor.identified()), (Some(7), true));
    assert_eq!(visitor.sources.iter().collect::<Vec<_>>(), [0]);
    assert_eq!((of("e").identified(), of("e").records), (false, 1));
    // The founding record names the customer.
    let founding = run
        .resolution
        .ids()
        .iter()
        .find(|published| published.id == visitor.id)
        .unwrap();
    assert_eq!((&*founding.founding_source, founding.founding_at), ("web", 3));
    assert_eq!(founding.founding_hash, record_hash("web", "b"));
    assert_eq!(visitor.id, CustomerId::from_hash(record_hash("web", "b")));
}

#[test]
fn relations_tell_values_and_links() {
    let rules = rules("user, device");
    let records = "
        web a @5 device=d
        web b @3 device=d
        shop c @4 device=d user=u | user=u
        crm e @1 user=u";
    let run = run(&rules, &rows(&rules, records), None, 1);
    let identity = |identifier_type, value, seen: (i64, i64), records, sources: &[u16]| {
        let mut set = SourceSet::default();
        sources.iter().for_each(|source| set.insert(*source));
        let (first_seen_at, last_seen_at) = seen;
        Identity {
            customer: 0,
            identifier_type,
            value: std::borrow::Cow::Borrowed(value),
            first_seen_at,
            last_seen_at,
            records,
            sources: set,
        }
    };
    let expected = [
        identity(0, "u", (1, 5), 2, &[1, 2]),
        identity(1, "d", (3, 5), 3, &[0, 2]),
    ];
    assert_eq!(run.resolution.identities().collect::<Vec<_>>(), expected);
    let links: Vec<_> = run
        .resolution
        .links()
        .map(|link| {
            (
                link.earliest.key.into_owned(),
                link.other.key.into_owned(),
                link.records,
                link.value.into_owned(),
                link.at,
            )
        })
        .collect();
    let link = |earliest: &str, other: &str, value: &str| {
        (earliest.to_owned(), other.to_owned(), 1, value.to_owned(), 4)
    };
    assert_eq!(links, [link("e", "c", "u"), link("b", "c", "d")]);
}

#[test]
fn warnings_name_type_source_and_value() {
    let rules = rules("user, email");
    let mut builder = GraphBuilder::try_new(
        &rules,
        vec![Source::facts("a"), Source::facts("b")],
        PreviousIds::default(),
    )
    .unwrap();
    builder.malformed(1, "no-mail", 0, 3);
    builder.blocked(3, 1, "info@acme.com", 1, 2);
    builder.blocked(3, 1, "info@acme.com", 1, 5);
    let resolution = builder.resolve().unwrap().publish(1, 10).unwrap();
    let warning = |kind, source, value: &str, records| Warning {
        kind,
        identifier_type: 1,
        source: Some(source),
        value: Some(value.to_owned()),
        records,
    };
    let expected = [
        warning(WarningKind::Blocked { entry: 3 }, 1, "info@acme.com", 7),
        warning(WarningKind::Malformed, 0, "no-mail", 3),
    ];
    assert_eq!(resolution.warnings(), expected);
    assert!(resolution.customers().is_empty());
}

#[test]
fn without_identifier_types_every_profile_is_a_customer_and_facts_are_nobody_s() {
    let rules = Rules::try_new(Vec::new(), &[]).unwrap();
    let sources = vec![Source::persons("crm"), Source::facts("shop")];
    let mut builder = GraphBuilder::try_new(&rules, sources, PreviousIds::default()).unwrap();
    let ann = builder.record(0, SetId::EMPTY, 0, "ann").unwrap().unwrap();
    let bob = builder.record(0, SetId::EMPTY, 0, "bob").unwrap().unwrap();
    assert_eq!(builder.record(1, SetId::EMPTY, 0, "1").unwrap(), None);
    let resolution = builder.resolve().unwrap().publish(1, 10).unwrap();
    assert_eq!(resolution.customers().len(), 2);
    assert_ne!(resolution.customer_of(ann), resolution.customer_of(bob));
}

#[test]
fn faulty_rules_and_sources_are_refused() {
    let rule = |name: &str| IdentifierRule::new(name);
    let fails = |identifiers: Vec<IdentifierRule>| Rules::try_new(identifiers, &[]).unwrap_err().to_string();
    assert_eq!(
        fails(vec![rule("a"), rule("a")]),
        "identifier type \"a\" is configured twice"
    );
    assert_eq!(fails(vec![rule(" ")]), "an identifier type has no name");
    assert_eq!(
        fails(vec![rule("a").with_limit(0)]),
        "limit of identifier type \"a\" is 0"
    );
    assert_eq!(
        fails(vec![rule("a").with_max_customers(0)]),
        "max_customers of identifier type \"a\" is 0"
    );
    let many = (0..65).map(|number| rule(&number.to_string())).collect();
    assert_eq!(
        fails(many),
        "65 identifier types are configured, at most 64 can be"
    );

    let rules = rules("user");
    let build = |names: Vec<String>| {
        let sources = names.into_iter().map(Source::facts).collect();
        GraphBuilder::try_new(&rules, sources, PreviousIds::default()).map(|builder| builder.signatures())
    };
    assert!(
        matches!(build(vec!["a".to_owned(), "a".to_owned()]), Err(Error::DuplicateSource { name }) if name == "a")
    );
    assert!(matches!(
        build((0..129).map(|number| number.to_string()).collect()),
        Err(Error::TooManySources { .. })
    ));
    assert!(build((0..128).map(|number| number.to_string()).collect()).is_ok());
}

#[test]
fn indices_that_nobody_handed_out_are_refused() {
    let rules = rules("user");
    let mut builder =
        GraphBuilder::try_new(&rules, vec![Source::facts("a")], PreviousIds::default()).unwrap();
    assert!(matches!(builder.intern(1, "x"), Err(Error::UnknownIndex { .. })));
    assert!(matches!(
        builder.intern(256, "x"),
        Err(Error::UnknownIndex { .. })
    ));
    assert!(matches!(
        builder.set(&[IdentifierId(0)]),
        Err(Error::UnknownIndex { .. })
    ));
    assert!(matches!(
        builder.union(SetId::EMPTY, SetId(1)),
        Err(Error::UnknownIndex { .. })
    ));
    let identifier = builder.intern(0, "x").unwrap();
    let set = builder.set(&[identifier, identifier]).unwrap();
    assert!(matches!(
        builder.record(1, set, 0, "k"),
        Err(Error::UnknownIndex { .. })
    ));
    assert!(builder.record(0, set, 0, "k").unwrap().is_some());
    let resolution = builder.resolve().unwrap().publish(1, 10).unwrap();
    assert_eq!(resolution.customer_of(SignatureId(7)), None);
    assert_eq!(resolution.customer_of_identifier(identifier), Some(0));
}
