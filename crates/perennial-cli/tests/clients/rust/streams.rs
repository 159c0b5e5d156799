//! Rows on their way: portals, statements side by side, copies.

use std::pin::pin;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt, join};
use tokio_postgres::binary_copy::BinaryCopyOutStream;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Error};

use super::connect;
use super::sessions::{state, value};
use super::transcript::Transcript;
use super::values::all;

pub(super) async fn exercise(transcript: &mut Transcript, config: &Config) -> Result<(), Error> {
    portals(transcript, &mut connect(config).await?).await?;
    side_by_side(transcript, &connect(config).await?).await;
    copies(transcript, &connect(config).await?).await;
    Ok(())
}

async fn portals(transcript: &mut Transcript, client: &mut Client) -> Result<(), Error> {
    transcript.part("portals");
    let transaction = client.transaction().await?;
    let statement = transaction
        .prepare("SELECT x::int, 'row ' || x FROM generate_series(1, $1::int) AS t (x)")
        .await?;
    let portal = transaction.bind(&statement, &[&7_i32]).await?;
    let other = transaction
        .bind(
            "SELECT order_id FROM orders WHERE channel = $1 ORDER BY 1",
            &[&"email"],
        )
        .await?;
    for (name, portal, rows) in [
        ("three", &portal, 3),
        ("one of another", &other, 1),
        ("three more", &portal, 3),
        ("two more of the other", &other, 2),
        ("the rest", &portal, 0),
        ("behind the end", &portal, 3),
    ] {
        transcript.check(name, all(transaction.query_portal(portal, rows).await));
    }
    transcript.check(
        "as a stream",
        match transaction
            .query_portal_raw(&transaction.bind(&statement, &[&3_i32]).await?, 2)
            .await
        {
            Ok(rows) => all(rows.try_collect::<Vec<_>>().await),
            Err(error) => Err(error),
        },
    );
    transcript.check(
        "an error among the rows",
        Ok({
            let portal = transaction
                .bind("SELECT 6 / (3 - x) FROM generate_series(1, 5) AS t (x)", &[])
                .await?;
            [
                state(all(transaction.query_portal(&portal, 2).await)),
                state(all(transaction.query_portal(&portal, 2).await)),
                state(all(transaction.query_portal(&portal, 2).await)),
            ]
        }),
    );
    transaction.rollback().await?;
    let mut told = Vec::new();
    let rows = client
        .query_raw("SELECT x::int FROM generate_series(1, $1::int) AS t (x)", [5_i32])
        .await?;
    let mut rows = pin!(rows);
    while let Some(row) = rows.next().await {
        told.push(row?.try_get::<_, i32>(0)?);
    }
    transcript.check("rows as they come", Ok((told, rows.rows_affected())));
    Ok(())
}

async fn side_by_side(transcript: &mut Transcript, client: &Client) {
    transcript.part("statements side by side");
    let (one, other, third) = join!(
        value(client, "SELECT 1"),
        value(client, "SELECT count(*) FROM orders"),
        value(client, "SELECT 'x'")
    );
    transcript.check("three at once", Ok([one, other, third]));
    let twenty: Vec<String> = (0..20).map(|n| format!("SELECT {n} + 1")).collect();
    transcript.check(
        "twenty",
        Ok(join_all(twenty.iter().map(|query| value(client, query))).await),
    );
    transcript.check(
        "an error between them",
        Ok(
            join_all(["SELECT 1", "SELECT 1 / 0", "SELEC", "SELECT 2"].map(|query| value(client, query)))
                .await,
        ),
    );
    let statement = client.prepare("SELECT $1::int * 2").await;
    if let Ok(statement) = statement {
        let asked = (0..5).map(|n| async move { client.query_one(&statement_of(&n), &[]).await.map(drop) });
        transcript.check(
            "of texts",
            Ok(join_all(asked).await.into_iter().map(state).collect::<Vec<_>>()),
        );
        let numbers: Vec<i32> = (0..10).collect();
        let asked = numbers.iter().map(|n| {
            let statement = statement.clone();
            async move {
                client
                    .query_one(&statement, &[n])
                    .await
                    .and_then(|row| row.try_get::<_, i32>(0))
            }
        });
        transcript.check(
            "of one prepared statement",
            Ok(join_all(asked).await.into_iter().map(state).collect::<Vec<_>>()),
        );
    }
    let (large, small) = join!(
        client.query("SELECT * FROM events", &[]),
        value(client, "SELECT 1")
    );
    transcript.check(
        "a large one in front",
        Ok((large.map(|rows| rows.len() > 1000).unwrap_or_default(), small)),
    );
}

fn statement_of(n: &i32) -> String {
    format!("SELECT {n}")
}

async fn copies(transcript: &mut Transcript, client: &Client) {
    transcript.part("COPY");
    let query = "COPY (SELECT order_id, amount::float8, time, paid, campaign FROM orders WHERE channel = 'email' ORDER BY order_id LIMIT 3) TO STDOUT";
    for options in [
        "",
        " (FORMAT csv, HEADER)",
        " (FORMAT csv, DELIMITER ';', NULL '-', FORCE_QUOTE *)",
        " (FORMAT binary)",
    ] {
        transcript.check(
            &format!("copy_out{options}"),
            copied(client, &format!("{query}{options}"))
                .await
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        );
    }
    let types = [
        Type::TEXT,
        Type::FLOAT8,
        Type::TIMESTAMPTZ,
        Type::BOOL,
        Type::TEXT,
    ];
    let told = match client.copy_out(&format!("{query} (FORMAT binary)")).await {
        Ok(stream) => {
            let rows: Result<Vec<_>, _> = BinaryCopyOutStream::new(stream, &types).try_collect().await;
            rows.and_then(|rows| {
                rows.iter()
                    .map(|row| {
                        Ok((
                            row.try_get::<String>(0)?,
                            row.try_get::<f64>(1)?,
                            row.try_get::<chrono::DateTime<chrono::Utc>>(2)?,
                            row.try_get::<bool>(3)?,
                            row.try_get::<Option<String>>(4)?,
                        ))
                    })
                    .collect::<Result<Vec<_>, Error>>()
            })
        }
        Err(error) => Err(error),
    };
    transcript.check("rows in binary", told);
    transcript.check(
        "columns of a table",
        copied(client, "COPY segments (segment) TO STDOUT")
            .await
            .map(|bytes| {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            }),
    );
    transcript.refused(
        "copy of no table",
        copied(client, "COPY (SELECT * FROM nothing) TO STDOUT").await,
    );
    transcript.refused(
        "copy with an error among the rows",
        copied(
            client,
            "COPY (SELECT 1 / (500 - x) FROM generate_series(1, 1000) AS t(x)) TO STDOUT",
        )
        .await,
    );
    transcript.check("after copies", Ok(value(client, "SELECT 1").await));
}

/// All that a copy gives.
pub(super) async fn copied(client: &Client, query: &str) -> Result<Vec<u8>, Error> {
    let stream = client.copy_out(query).await?;
    stream
        .try_fold(Vec::new(), |mut all, bytes| async move {
            all.extend_from_slice(&bytes);
            Ok(all)
        })
        .await
}
