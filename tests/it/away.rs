//! A lake that goes away while it is served, as a disk that is not mounted, and comes back.

use std::fs;

use perennial_testkit::{TestLake, TestServer};

use crate::runs::{config, orders};
use crate::support::{code, connect, one, told};

#[tokio::test]
async fn a_statement_says_that_the_lake_is_away_and_answers_when_it_is_back() {
    let two = orders(&[
        ("1", "ann@example.org", "paid", "EUR", 0),
        ("2", "bob@example.org", "paid", "EUR", 1),
    ]);
    let server = TestServer::start(TestLake::of(&config("", ""), &[("orders/a.parquet", &two)]));
    let client = connect(&server).await;
    let (lake, away) = (server.lake().root(), server.lake().folder().join("away"));
    let queries = [
        ("SELECT sum(amount) FROM orders", "20.0000"),
        ("SELECT sum(id::int) FROM raw.shop", "3"),
        (
            "SELECT orders FROM customer_360 WHERE customer_id = (SELECT min(customer_id) FROM customers)",
            "1",
        ),
    ];
    let fails = async |sql: &str, state: &str, parts: [&str; 2]| {
        let error = client.simple_query(sql).await.unwrap_err();
        assert_eq!(code(&error), state, "{sql}\n{}", told(&error));
        for part in parts {
            assert!(told(&error).contains(part), "{sql}\n{}", told(&error));
        }
    };
    fs::rename(&lake, &away).unwrap();
    for (sql, _) in queries {
        fails(
            sql,
            "58030",
            ["the folder of the lake is not there", "Mount its disk"],
        )
        .await;
    }
    // The folder over which it is mounted.
    fs::create_dir(&lake).unwrap();
    for (sql, _) in queries {
        fails(sql, "58030", ["the lake is not in its folder", "Mount its disk"]).await;
    }
    fs::remove_dir(&lake).unwrap();
    fs::rename(&away, &lake).unwrap();
    for (sql, answer) in queries {
        assert_eq!(one(&client, sql).await, answer, "{sql}");
    }
    // One file is somebody's to remove.
    server.lake().remove("orders/a.parquet");
    let gone = [
        "file \"orders/a.parquet\" is no longer there",
        "Run the statement again",
    ];
    fails("SELECT count(DISTINCT id) FROM raw.shop", "58P01", gone).await;
}
