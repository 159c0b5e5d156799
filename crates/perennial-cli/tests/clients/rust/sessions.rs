//! What goes on in a connection: simple queries, transactions, errors, notices and its end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio_postgres::{AsyncMessage, Client, Config, Error, IsolationLevel, NoTls, SimpleQueryMessage};

use super::connect;
use super::streams::copied;
use super::transcript::{ENDLESS, Transcript, refusal};
use super::values::{all, shown};

pub(super) async fn exercise(transcript: &mut Transcript, config: &Config) -> Result<(), Error> {
    connections(transcript, config).await;
    simple(transcript, &connect(config).await?).await;
    transactions(transcript, &mut connect(config).await?).await?;
    statements(transcript, &connect(config).await?).await?;
    errors(transcript, &connect(config).await?).await;
    notices(transcript, config).await?;
    stopping(transcript, config).await
}

/// What is answered, as a text: an error of the server is its SQLSTATE.
pub(super) fn state<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => error
            .code()
            .map_or_else(|| refusal(&error), |code| code.code().to_owned()),
    }
}

/// The one row of a query.
pub(super) async fn value(client: &Client, query: &str) -> String {
    state(client.query_one(query, &[]).await.and_then(|row| shown(&row)))
}

async fn connections(transcript: &mut Transcript, config: &Config) {
    transcript.part("connections");
    let mut other = config.clone();
    other
        .application_name("board")
        .options("-c TimeZone=Asia/Tokyo -c search_path=raw,public");
    let told = other.connect(NoTls).await.map(|(client, connection)| {
        let reported: Vec<Option<String>> = [
            "TimeZone",
            "application_name",
            "client_encoding",
            "DateStyle",
            "integer_datetimes",
            "standard_conforming_strings",
        ]
        .into_iter()
        .map(|name| connection.parameter(name).map(str::to_owned))
        .collect();
        tokio::spawn(connection);
        (client, reported)
    });
    match told {
        Err(error) => transcript.check("options", Err::<(), _>(error)),
        Ok((client, reported)) => {
            transcript.check("options", Ok(reported));
            transcript.check("their effect", Ok(value(&client, "SELECT current_setting('timezone'), current_schema(), (SELECT count(*) > 0 FROM shop_orders)").await));
            transcript.check("alive", client.check_connection().await);
            transcript.check("closed", Ok(client.is_closed()));
        }
    }
    transcript.refused(
        "no database",
        connect(config.clone().dbname("nothing")).await.map(drop),
    );
    transcript.refused(
        "a setting that is not there",
        connect(config.clone().options("-c nothing=1")).await.map(drop),
    );
}

async fn simple(transcript: &mut Transcript, client: &Client) {
    transcript.part("simple queries");
    for query in [
        "SELECT 1 AS a, NULL, 'x'",
        "SELECT 1; SELECT 2 AS b WHERE false",
        "SET application_name = 'x'; SHOW application_name",
        "",
        ";",
        "-- nothing",
        "SELECT 1; SELECT 1 / 0; SELECT 2",
        "BEGIN; SELECT 1; COMMIT",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT segment, members FROM segments ORDER BY 1",
        "SELECT true, 1.50, now() > '2020-01-01', '{1,2}'::int[]",
        "SELECT FROM segments",
    ] {
        let told = client.simple_query(query).await.map(|messages| {
            messages
                .iter()
                .map(|message| match message {
                    SimpleQueryMessage::RowDescription(columns) => format!(
                        "columns {:?}",
                        columns.iter().map(|column| column.name()).collect::<Vec<_>>()
                    ),
                    SimpleQueryMessage::Row(row) => format!(
                        "row {:?}",
                        (0..row.len()).map(|place| row.get(place)).collect::<Vec<_>>()
                    ),
                    SimpleQueryMessage::CommandComplete(rows) => format!("complete {rows}"),
                    _ => "something else".to_owned(),
                })
                .collect::<Vec<_>>()
        });
        transcript.check(&format!("simple_query {query}"), Ok(state(told)));
    }
    transcript.check(
        "batch_execute",
        client
            .batch_execute("SET timezone = 'UTC'; SELECT 1; SET application_name = 'y'")
            .await,
    );
}

async fn transactions(transcript: &mut Transcript, client: &mut Client) -> Result<(), Error> {
    transcript.part("transactions and savepoints");
    let mut transaction = client.transaction().await?;
    transaction
        .batch_execute("SET LOCAL timezone = 'Asia/Tokyo'")
        .await?;
    let mut told = Vec::new();
    {
        let mut savepoint = transaction.savepoint("here").await?;
        savepoint.batch_execute("SET LOCAL timezone = 'UTC'").await?;
        let nested = savepoint.transaction().await?;
        told.push(state(nested.query_one("SELECT 1 / 0", &[]).await.map(drop)));
        told.push(state(nested.query_one("SELECT 1", &[]).await.map(drop)));
        nested.rollback().await?;
        told.push(value(savepoint.client(), "SHOW timezone").await);
        // It is rolled back when it is dropped.
    }
    told.push(value(transaction.client(), "SHOW timezone").await);
    let kept = transaction.transaction().await?;
    kept.batch_execute("SET LOCAL timezone = 'UTC'").await?;
    kept.commit().await?;
    told.push(value(transaction.client(), "SHOW timezone").await);
    transaction.commit().await?;
    told.push(value(client, "SELECT current_setting('timezone') = 'UTC'").await);
    transcript.check("savepoints", Ok(told));
    for (name, level) in [
        ("repeatable read", IsolationLevel::RepeatableRead),
        ("serializable", IsolationLevel::Serializable),
    ] {
        let transaction = client
            .build_transaction()
            .isolation_level(level)
            .read_only(true)
            .deferrable(true)
            .start()
            .await?;
        transcript.check(
            name,
            Ok([
                value(transaction.client(), "SHOW transaction_isolation").await,
                value(transaction.client(), "SHOW transaction_read_only").await,
                value(transaction.client(), "SHOW transaction_deferrable").await,
            ]),
        );
    }
    transcript.check(
        "behind one that was dropped",
        Ok(value(client, "SHOW transaction_deferrable").await),
    );
    let transaction = client.build_transaction().read_only(true).start().await?;
    transcript.refused(
        "a table in a transaction that reads",
        transaction
            .batch_execute("CREATE TABLE public.made (x int)")
            .await,
    );
    transcript.refused(
        "in a failed transaction",
        transaction.query("SELECT 1", &[]).await,
    );
    transcript.check("its commit", Ok(state(transaction.commit().await)));
    transcript.check("after it", Ok(value(client, "SELECT 2").await));
    Ok(())
}

async fn statements(transcript: &mut Transcript, client: &Client) -> Result<(), Error> {
    transcript.part("prepared statements that live on");
    let schema = client
        .prepare(
            "SELECT current_schema(), current_setting('timezone'), '2026-07-01 12:00+00'::timestamptz::text",
        )
        .await?;
    let table = client
        .prepare("SELECT count(*) > 0 FROM customers WHERE customer_id > $1")
        .await?;
    for path in ["public", "raw", "perennial, public"] {
        client
            .batch_execute(&format!("SET search_path = {path}; SET timezone = 'Asia/Tokyo'"))
            .await?;
        transcript.check(
            &format!("in {path}"),
            Ok((
                state(all(client.query(&schema, &[]).await)),
                state(all(client.query(&table, &[&""]).await)),
            )),
        );
    }
    client.batch_execute("SET search_path = public").await?;
    transcript.check("many times", {
        let mut told = Vec::new();
        for n in 0..7 {
            told.push(state(all(client.query(&table, &[&n.to_string()]).await)));
        }
        Ok(told)
    });
    transcript.check("kept by the server", Ok(value(client, "SELECT statement, parameter_types::text, from_sql FROM pg_prepared_statements WHERE statement LIKE '%customer_id > $1'").await));
    drop(table);
    transcript.check(
        "dropped ones go",
        Ok(value(
            client,
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%customer_id > $1'",
        )
        .await),
    );
    client.batch_execute("DEALLOCATE ALL").await?;
    transcript.check("deallocated", Ok(state(all(client.query(&schema, &[]).await))));
    Ok(())
}

async fn errors(transcript: &mut Transcript, client: &Client) {
    transcript.part("errors with all their fields");
    for query in [
        "SELEC 1",
        "SELECT * FROM orders WHERE",
        "SELECT * FROM ordrs",
        "SELECT amont FROM orders",
        "SELECT nothing(1)",
        "SELECT 1 / 0",
        "SELECT 'a'::int",
        "SELECT '2026-02-30'::date",
        "SELECT 1::nothing",
        "SELECT channel, amount FROM orders GROUP BY channel",
        "SELECT (SELECT order_id FROM orders)",
        "SELECT 2147483647 + 1",
        "SELECT 12345::numeric(4, 2)",
        "SELECT * FROM orders JOIN customers USING (nothing)",
        "SELECT 1,\n '€',\n nothing",
    ] {
        transcript.refused(&query.replace('\n', " "), client.query(query, &[]).await);
    }
    for (name, query) in [
        ("division", "SELECT 1 / 0"),
        ("column", "SELECT nothing FROM orders"),
    ] {
        let told = client.query(query, &[]).await.map(drop).map_err(|error| {
            error.as_db_error().map(|told| {
                let parsed = told.parsed_severity().map(|severity| format!("{severity:?}"));
                let named = [
                    told.where_(),
                    told.schema(),
                    told.table(),
                    told.column(),
                    told.datatype(),
                    told.constraint(),
                ]
                .map(|field| field.map(str::to_owned));
                (
                    told.severity().to_owned(),
                    parsed,
                    told.code().code().to_owned(),
                    format!("{:?}", told.position()),
                    named,
                )
            })
        });
        transcript.check(&format!("fields of {name}"), Ok(told.err()));
    }
    transcript.refused(
        "a parameter that is no number",
        client.query("SELECT $1::text::int", &[&"a"]).await,
    );
    transcript.refused(
        "division by a parameter",
        client.query("SELECT 1 / $1::int", &[&0_i32]).await,
    );
    transcript.check("after all", Ok(value(client, "SELECT 1").await));
}

async fn notices(transcript: &mut Transcript, config: &Config) -> Result<(), Error> {
    transcript.part("notices");
    let (client, mut connection) = config.connect(NoTls).await?;
    let said = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&said);
    tokio::spawn(poll_fn(move |context| {
        loop {
            match ready!(connection.poll_message(context)) {
                Some(Ok(AsyncMessage::Notice(notice))) => {
                    let told = format!(
                        "{} {} {}",
                        notice.severity(),
                        notice.code().code(),
                        notice.message()
                    );
                    heard.lock().unwrap_or_else(PoisonError::into_inner).push(told);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(()),
            }
        }
    }));
    for query in [
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "BEGIN",
        "COMMIT",
        "SET LOCAL timezone = 'UTC'",
    ] {
        client.batch_execute(query).await?;
    }
    let said = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
    transcript.check("warnings", Ok(said));
    transcript.check(
        "channels",
        client.batch_execute("LISTEN news; UNLISTEN news").await,
    );
    Ok(())
}

async fn stopping(transcript: &mut Transcript, config: &Config) -> Result<(), Error> {
    transcript.part("cancellation and timeouts");
    let client = connect(config).await?;
    let token = client.cancel_token();
    for how in ["query", "simple query", "copy"] {
        let endless = async {
            match how {
                "query" => client.query(ENDLESS, &[]).await.map(drop),
                "simple query" => client.batch_execute(ENDLESS).await,
                _ => copied(&client, &format!("COPY ({ENDLESS}) TO STDOUT"))
                    .await
                    .map(drop),
            }
        };
        let mut endless = pin!(endless);
        // A request is lost on a server that does not run the statement yet.
        let mut again = tokio::time::interval(Duration::from_millis(50));
        let ended = loop {
            tokio::select! {
                ended = &mut endless => break ended,
                _ = again.tick() => token.cancel_query(NoTls).await?,
            }
        };
        transcript.refused(&format!("cancelled, {how}"), ended);
        transcript.check(&format!("after it, {how}"), Ok(value(&client, "SELECT 1").await));
    }
    let impatient = connect(config.clone().options("-c statement_timeout=50")).await?;
    transcript.refused("a timeout", impatient.query(ENDLESS, &[]).await);
    transcript.check("after the timeout", Ok(value(&impatient, "SELECT 1").await));
    let pid: i32 = impatient
        .query_one("SELECT pg_backend_pid()", &[])
        .await?
        .try_get(0)?;
    transcript.check(
        "ended by another",
        Ok(value(&client, &format!("SELECT pg_terminate_backend({pid})")).await),
    );
    let told = impatient
        .query("SELECT 1", &[])
        .await
        .err()
        .is_some_and(|error| error.is_closed() || error.as_db_error().is_some());
    transcript.check("and it is", Ok(told));
    Ok(())
}
