//! Whom a value names, and what is joined with it: what is looked up is what the landed orders say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::layout::CONFIG;
use crate::support::{connect, execute, lines, one, parquet};

/// An order: its key, and the address and the number of who placed it.
#[derive(Debug, Clone)]
struct Order(String, Option<String>, Option<String>);

fn config() -> String {
    CONFIG.replace(
        "{ email = \"email\" }",
        "{ email = \"email\", user_id = \"user\" }",
    )
}

fn file(orders: &[Order], day: i64) -> Vec<u8> {
    let texts = |of: &dyn Fn(&Order) -> Option<String>| -> ArrayRef {
        Arc::new(orders.iter().map(of).collect::<StringArray>())
    };
    let times = (0..orders.len() as i64).map(|row| 1_767_225_600_000_000 + day * 86_400_000_000 + row);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 5] = [
        ("id", texts(&|order| Some(order.0.clone()))),
        ("email", texts(&|order| order.1.clone())),
        ("user", texts(&|order| order.2.clone())),
        ("amount", Arc::new(Float64Array::from(vec![1.0; orders.len()]))),
        ("at", Arc::new(times)),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// The keys of the orders of everybody whom a value names, by joining orders until nothing joins any more.
fn named(orders: &[Order], value: &str) -> BTreeSet<String> {
    let texts = |order: &Order| {
        let email = order.1.clone().map(|text| ("email", text));
        let user = order.2.clone().map(|text| ("user", text));
        email.into_iter().chain(user).collect::<BTreeSet<_>>()
    };
    let mut found = BTreeSet::new();
    for kind in ["email", "user"] {
        let mut known = BTreeSet::from([(kind, value.to_owned())]);
        loop {
            let before = known.len();
            for order in orders {
                let of_order = texts(order);
                if of_order.intersection(&known).next().is_some() {
                    found.insert(order.0.clone());
                    known.extend(of_order);
                }
            }
            if known.len() == before {
                break;
            }
        }
    }
    found
}

/// Two orders of each of `people`, by two addresses; every third gives a number with both. Some orders are nobody's, and a
/// number reads like somebody else's address.
fn shop(people: usize) -> Vec<Order> {
    let mut orders = Vec::new();
    for person in 0..people {
        let number = (person % 3 == 0).then(|| format!("u{person}"));
        let first = Some(format!("p{person}@example.org"));
        let (second, known) = match person % 10 {
            9 => (None, None),
            _ => (Some(format!("q{person}@example.org")), number.clone()),
        };
        orders.push(Order(format!("o{person:04}a"), first, number));
        orders.push(Order(format!("o{person:04}b"), second, known));
    }
    let alike = Some("p5@example.org".to_owned());
    orders.push(Order("x".to_owned(), Some("x@example.org".to_owned()), alike));
    orders
}

const JOINED: [&str; 7] = [
    "SELECT o.order_id FROM identities i JOIN orders o ON o.customer_id = i.customer_id WHERE i.value = $1",
    "SELECT o.order_id FROM orders o JOIN identities i USING (customer_id) WHERE i.value = $1",
    "SELECT o.order_id FROM identities i LEFT JOIN orders o ON o.customer_id = i.customer_id WHERE i.value = $1",
    "SELECT order_id FROM orders WHERE customer_id IN (SELECT customer_id FROM identities WHERE value = $1)",
    "SELECT order_id FROM orders o WHERE EXISTS (SELECT 1 FROM identities i WHERE i.customer_id = o.customer_id AND i.value = $1)",
    "SELECT o.order_id FROM customer_360 c JOIN orders o ON o.customer_id = c.customer_id \
     JOIN identities i ON i.customer_id = c.customer_id WHERE i.value = $1",
    "SELECT o.order_id FROM identities i JOIN customer_360 c USING (customer_id) JOIN orders o USING (customer_id) \
     WHERE i.value IN ($1, 'nobody@example.org') AND c.orders > 0",
];

async fn asked(client: &Client, statement: &tokio_postgres::Statement, value: Option<&str>) -> Vec<String> {
    let values: [&(dyn ToSql + Sync); 1] = [&value];
    let rows = client.query(statement, &values).await.unwrap();
    let mut keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn whom_a_value_names_is_looked_up_with_what_is_joined_by_it() {
    const PEOPLE: usize = 3_000;
    let orders = shop(PEOPLE);
    let server = TestServer::start(TestLake::of(
        &config(),
        &[("orders/a.parquet", &file(&orders, 0))],
    ));
    let client = connect(&server).await;
    let mut values: Vec<String> = [
        "p5@example.org",
        "x@example.org",
        "u0",
        "u2997",
        "u1",
        "",
        "q9@example.org",
        "zz",
    ]
    .map(str::to_owned)
    .to_vec();
    for person in (0..PEOPLE).step_by(277) {
        values.push(format!("p{person}@example.org"));
        values.push(format!("q{person}@example.org"));
    }
    for sql in JOINED {
        let statement = client.prepare(sql).await.unwrap();
        for value in &values {
            let expected: Vec<String> = named(&orders, value).into_iter().collect();
            let literal = sql.replace("$1", &format!("'{value}'"));
            let mut found = lines(&client, &literal).await;
            found.sort();
            assert_eq!(found, expected, "{literal}");
            assert_eq!(
                asked(&client, &statement, Some(value)).await,
                expected,
                "{value}: {sql}"
            );
        }
        assert!(asked(&client, &statement, None).await.is_empty(), "{sql}");
        let plan = lines(
            &client,
            &format!("EXPLAIN {}", sql.replace("$1", "'p5@example.org'")),
        )
        .await;
        let plan = plan.join("\n");
        assert!(plan.contains("LookUpJoinExec"), "{plan}");
        assert!(plan.contains("KeyScan: customer_id of an index"), "{plan}");
        assert!(!plan.contains("DataSourceExec"), "{plan}");
    }

    // Several values, and several customers at once.
    let list: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
    let sql = format!(
        "SELECT DISTINCT o.order_id FROM identities i JOIN orders o USING (customer_id) WHERE i.value IN ({}) ORDER BY 1",
        list.join(", ")
    );
    let expected: BTreeSet<_> = values.iter().flat_map(|value| named(&orders, value)).collect();
    assert_eq!(
        lines(&client, &sql).await,
        expected.into_iter().collect::<Vec<_>>()
    );
    let plan = lines(&client, &format!("EXPLAIN {sql}")).await.join("\n");
    assert!(!plan.contains("DataSourceExec"), "{plan}");

    // Groups by the key.
    let sql = "SELECT count(*) || ' ' || sum(t.placed) FROM identities i \
               JOIN (SELECT customer_id, count(*) AS placed FROM orders GROUP BY customer_id) t USING (customer_id) \
               WHERE i.value = 'p6@example.org'";
    assert_eq!(one(&client, sql).await, "1 2");
    let plan = lines(&client, &format!("EXPLAIN {sql}")).await.join("\n");
    assert!(!plan.contains("DataSourceExec"), "{plan}");

    // One row that becomes as many as a list has is not few.
    let sql = "SELECT count(*) FROM unnest(ARRAY['a', 'b']) u(id) JOIN orders o ON o.customer_id = u.id";
    assert_eq!(one(&client, sql).await, "0");
    let plan = lines(&client, &format!("EXPLAIN {sql}")).await.join("\n");
    assert!(!plan.contains("LookUpJoinExec"), "{plan}");

    // What matches nothing is left out where it has to be, and nowhere else.
    let of_one = "(SELECT customer_id FROM identities WHERE value = 'p6@example.org') i";
    let all = orders.len();
    for (join, expected) in [
        ("JOIN", 2),
        ("LEFT JOIN", 2),
        ("RIGHT JOIN", all),
        ("FULL JOIN", all),
    ] {
        let sql = format!("SELECT count(*) FROM {of_one} {join} orders o ON o.customer_id = i.customer_id");
        assert_eq!(one(&client, &sql).await, expected.to_string(), "{join}");
    }
    let without = "SELECT count(*) FROM orders o WHERE NOT EXISTS \
                   (SELECT 1 FROM identities i WHERE i.customer_id = o.customer_id AND i.value = 'p6@example.org')";
    assert_eq!(one(&client, without).await, (all - 2).to_string());
    let nobody = "SELECT count(*) FROM (SELECT customer_id FROM orders WHERE order_id = 'o0009b') n \
                  JOIN orders o ON o.customer_id IS NOT DISTINCT FROM n.customer_id";
    assert_eq!(one(&client, nobody).await, (PEOPLE / 10).to_string());
}

#[tokio::test]
async fn whom_a_value_names_is_right_after_every_run() {
    let mut orders = shop(300);
    let server = TestServer::start(TestLake::of(
        &config(),
        &[("orders/a.parquet", &file(&orders, 0))],
    ));
    let client = connect(&server).await;
    let sql = "SELECT o.order_id FROM identities i JOIN orders o USING (customer_id) WHERE i.value = $1";
    let statement = client.prepare(sql).await.unwrap();
    let mut at: BTreeMap<u64, Vec<Order>> = BTreeMap::from([(1, orders.clone())]);
    // More runs than a table has files beside those of the first: they are merged.
    for run in 1..=10_u64 {
        let (person, other) = (run * 7, run * 7 + 1);
        let number = Some(format!("n{run}"));
        let fresh = vec![
            Order(
                format!("r{run:02}a"),
                Some(format!("p{person}@example.org")),
                number.clone(),
            ),
            Order(
                format!("r{run:02}b"),
                Some(format!("p{other}@example.org")),
                number,
            ),
            Order(format!("r{run:02}c"), Some(format!("new{run}@example.org")), None),
        ];
        let name = format!("orders/r{run:02}.parquet");
        server.lake().land(&name, &file(&fresh, run as i64));
        orders.extend(fresh);
        let report = server.look().await;
        assert_eq!(report.snapshot, Some(run + 1));
        at.insert(run + 1, orders.clone());
        for value in [
            format!("p{person}@example.org"),
            format!("p{other}@example.org"),
            format!("q{person}@example.org"),
            format!("n{run}"),
            format!("new{run}@example.org"),
            format!("new{}@example.org", run - 1),
            "p5@example.org".to_owned(),
            "u0".to_owned(),
            "n13".to_owned(),
        ] {
            let expected: Vec<String> = named(&orders, &value).into_iter().collect();
            assert_eq!(
                asked(&client, &statement, Some(&value)).await,
                expected,
                "{run}: {value}"
            );
            let count = format!("SELECT count(*) FROM identities WHERE value = '{value}'");
            let scanned = format!("SELECT count(*) FROM identities WHERE value || '' = '{value}'");
            assert_eq!(
                one(&client, &count).await,
                one(&client, &scanned).await,
                "{run}: {value}"
            );
        }
    }
    let manifest = server.lake().manifest();
    let index = &manifest.tables["internal.values"];
    assert!(index.files.iter().filter(|file| file.delta).count() <= 8);
    assert_eq!(index.rows(), manifest.tables["public.identities"].rows());

    // What an older snapshot knew, and what was known of a moment.
    execute(&client, "SET perennial.snapshot = 3").await;
    let known = &at[&3];
    for value in [
        "p14@example.org",
        "p15@example.org",
        "p21@example.org",
        "n2",
        "n3",
    ] {
        let expected: Vec<String> = named(known, value).into_iter().collect();
        assert_eq!(asked(&client, &statement, Some(value)).await, expected, "{value}");
    }
    execute(&client, "RESET perennial.snapshot").await;
    execute(&client, "SET perennial.as_of = '2026-01-05T12:00:00Z'").await;
    let seen = |value: &str| format!("SELECT count(*) FROM identities WHERE value = '{value}'");
    for (value, expected) in [
        ("n4", "1"),
        ("n5", "0"),
        ("new4@example.org", "1"),
        ("new5@example.org", "0"),
    ] {
        assert_eq!(one(&client, &seen(value)).await, expected, "{value}");
    }
}
