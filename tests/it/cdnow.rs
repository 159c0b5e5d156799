//! A web shop's purchases of 1997 and 1998, against the figures that its publishers gave.

use std::fs;
use std::path::Path;

use perennial_testkit::environment::{skipped, variable};
use perennial_testkit::{TestLake, TestServer};

use crate::support::{connect, lines, one};

pub(crate) const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[time]
as_of = "1998-07-01T00:00:00Z"
[money]
currency = "USD"
[[source]]
name = "purchases"
kind = "order"
path = "purchases/"
time = "purchased_on"
identifiers = { user_id = "customer_id" }
columns = { amount = "amount" }
[server]
authentication = "trust"
"#;

/// The file of the purchases; nothing where the data sets are not on this machine.
pub(crate) fn file() -> Option<Vec<u8>> {
    let Some(folder) = variable("PERENNIAL_TEST_DATA") else {
        skipped("PERENNIAL_TEST_DATA is not set");
        return None;
    };
    Some(fs::read(Path::new(&folder).join("cdnow_master.parquet")).unwrap())
}

fn purchases() -> Option<TestServer> {
    let file = file()?;
    Some(TestServer::start(TestLake::of(
        CONFIG,
        &[("purchases/1.parquet", &file)],
    )))
}

#[tokio::test]
async fn the_published_figures_come_out() {
    let Some(server) = purchases() else { return };
    let client = connect(&server).await;
    // Fader and Hardie: 23,570 people bought first in the first quarter of 1997, and 69,659 times until June 1998.
    assert_eq!(one(&client, "SELECT count(*) FROM customers").await, "23570");
    assert_eq!(
        one(&client, "SELECT count(*), sum(amount) FROM orders").await,
        "69659|2500315.6300"
    );
    assert_eq!(
        one(
            &client,
            "SELECT sum(gross_revenue), sum(net_revenue) FROM customer_360"
        )
        .await,
        "2500315.6300|2500315.6300"
    );
    // The cohorts of January, February and March.
    assert_eq!(
        lines(&client, "SELECT date_trunc('month', first_order_at)::date, count(*) FROM customer_360 GROUP BY 1 ORDER BY 1").await,
        ["1997-01-01|7846", "1997-02-01|8476", "1997-03-01|7248"]
    );
    assert_eq!(
        one(&client, "SELECT rows_landed, rows_unified, rows_superseded, rows_filtered, rows_rejected FROM perennial.files").await,
        "69659|69659|0|0|0"
    );
}
