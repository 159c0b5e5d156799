//! Values on their way to the server and back, all in binary, and what is told of statements.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::{Value, json};
use tokio_postgres::types::{FromSql, Json, Kind, ToSql, Type};
use tokio_postgres::{Client, Config, Error, Row};

use super::connect;
use super::transcript::{Transcript, refusal};

pub(super) async fn exercise(transcript: &mut Transcript, config: &Config) -> Result<(), Error> {
    let client = connect(config).await?;
    results(transcript, &client).await;
    parameters(transcript, &client).await;
    inferred(transcript, &client).await;
    described(transcript, &client).await;
    typed(transcript, &client).await;
    Ok(())
}

/// Any value, as the type of Rust shows it that programs read it with.
pub(super) struct Shown(String);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a value cannot be read.
type Unread = Box<dyn StdError + Sync + Send>;

impl<'a> FromSql<'a> for Shown {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Unread> {
        fn shown<'a, T: FromSql<'a> + std::fmt::Debug>(ty: &Type, raw: &'a [u8]) -> Result<String, Unread> {
            Ok(match T::from_sql(ty, raw) {
                Ok(value) => format!("{value:?}"),
                Err(error) => error.to_string(),
            })
        }
        Ok(Self(match *ty {
            Type::BOOL => shown::<bool>(ty, raw)?,
            Type::CHAR => shown::<i8>(ty, raw)?,
            Type::INT2 => shown::<i16>(ty, raw)?,
            Type::INT4 => shown::<i32>(ty, raw)?,
            Type::INT8 => shown::<i64>(ty, raw)?,
            Type::OID => shown::<u32>(ty, raw)?,
            Type::FLOAT4 => shown::<f32>(ty, raw)?,
            Type::FLOAT8 => shown::<f64>(ty, raw)?,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => shown::<&str>(ty, raw)?,
            Type::BYTEA => shown::<&[u8]>(ty, raw)?,
            Type::DATE => shown::<NaiveDate>(ty, raw)?,
            Type::TIME => shown::<NaiveTime>(ty, raw)?,
            Type::TIMESTAMP => shown::<NaiveDateTime>(ty, raw)?,
            Type::TIMESTAMPTZ => shown::<DateTime<Utc>>(ty, raw)?,
            Type::JSON | Type::JSONB => shown::<Value>(ty, raw)?,
            _ => match ty.kind() {
                Kind::Array(_) => shown::<Vec<Option<Self>>>(ty, raw)?,
                Kind::Domain(of) => Self::from_sql(of, raw)?.0,
                _ => format!("{raw:02x?}"),
            },
        }))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The values of a row, each with the name of its type.
type Values = Vec<(String, Option<Shown>)>;

pub(super) fn shown(row: &Row) -> Result<Values, Error> {
    let columns = row.columns().iter().enumerate();
    columns
        .map(|(place, column)| Ok((column.type_().name().to_owned(), row.try_get(place)?)))
        .collect()
}

/// All rows of an answer.
pub(super) fn all(rows: Result<Vec<Row>, Error>) -> Result<Vec<Values>, Error> {
    rows?.iter().map(shown).collect()
}

async fn results(transcript: &mut Transcript, client: &Client) {
    transcript.part("values of every type");
    for value in [
        "true",
        "NULL::bool",
        "7::smallint",
        "-8::int",
        "8000000000",
        "0.1::real",
        "'NaN'::real",
        "0.1::float8",
        "'-Infinity'::float8",
        "12.3400::numeric",
        "-0.05::numeric(10,3)",
        "1e20::numeric",
        "0::numeric",
        "'NaN'::numeric",
        "'a€😀'::text",
        "''::text",
        "'literal'",
        "'x'::varchar(9)",
        "'x'::char(3)",
        "'x'::name",
        "'x'::\"char\"",
        "'\\x0041ff'::bytea",
        "'2026-03-29'::date",
        "'1899-12-31'::date",
        "'infinity'::date",
        "'23:59:59.999999'::time",
        "'2026-03-29 02:30:00.123456'::timestamp",
        "'2026-07-02 03:04:05.678901+02'::timestamptz",
        "'infinity'::timestamptz",
        "'1 mon 2 days 03:04:05.5'::interval",
        "'{\"a\":[1,null]}'::json",
        "'{\"b\":1,\"a\":2.50}'::jsonb",
        "'00000000-0000-0000-0000-000000000007'::uuid",
        "26::oid",
        "'int8'::regtype",
        "'lower(text)'::regprocedure",
        "'10.0.0.1'::inet",
        "ROW(1, 'a', NULL)",
        "'{1,NULL,3}'::int[]",
        "'{}'::bigint[]",
        "'{x,\"y z\",NULL}'::text[]",
        "'{t,f}'::bool[]",
        "'{1.5}'::numeric[]",
        "'{0.1,NaN}'::float8[]",
        "'{2026-03-29}'::date[]",
        "'{2026-07-02 03:04:05+00}'::timestamptz[]",
        "'{\"{}\"}'::jsonb[]",
        "'{a}'::name[]",
        "'{{1,2},{3,4}}'::int[]",
        "ARRAY[1, NULL]",
        "ARRAY['a', NULL]",
        "ARRAY[1.5, 2]",
        "NULL",
        "NULL::int[]",
        "'1 2'::int2vector",
        "current_user",
        "count(*) OVER ()",
        "1 / 2.0",
        "sum(1) OVER ()",
        "avg(1) OVER ()",
        "now() - now()",
        "date '2026-01-02' - date '2026-01-01'",
        "extract(year FROM date '2026-01-02')",
        "sign(-5)",
        "generate_series(1, 1)",
    ] {
        let rows = client.query(&format!("SELECT {value}"), &[]).await;
        transcript.check(&format!("value {value}"), either(all(rows)));
    }
    for (name, query) in [
        (
            "rows of customer_360",
            "SELECT * FROM customer_360 ORDER BY customer_id LIMIT 3",
        ),
        ("rows of orders", "SELECT * FROM orders ORDER BY order_id LIMIT 3"),
        (
            "rows of events",
            "SELECT * FROM events ORDER BY source, record_key LIMIT 3",
        ),
        ("rows of segments", "SELECT * FROM segments ORDER BY segment"),
        (
            "columns of the information schema",
            "SELECT table_name, column_name, is_nullable, ordinal_position FROM information_schema.columns WHERE table_name = 'segments' ORDER BY 4",
        ),
        (
            "a row as a value",
            "SELECT s FROM segments AS s ORDER BY segment LIMIT 1",
        ),
    ] {
        transcript.check(name, either(all(client.query(query, &[]).await)));
    }
}

/// An answer, or the error of the server or the client without its remedies: for values that one of two servers does not have.
fn either<T>(answer: Result<T, Error>) -> Result<Result<T, String>, Error> {
    Ok(answer.map_err(|error| match error.as_db_error() {
        Some(told) => format!("{} {}", told.code().code(), told.message()),
        None => refusal(&error),
    }))
}

async fn parameters(transcript: &mut Transcript, client: &Client) {
    transcript.part("parameters of every type");
    let day = NaiveDate::from_ymd_opt(2026, 3, 29);
    let local = day.and_then(|day| day.and_hms_micro_opt(2, 30, 0, 123_456));
    let moment = local.map(|local| local.and_utc());
    let offset = moment.and_then(|moment| Some(moment.with_timezone(&FixedOffset::east_opt(7200)?)));
    let given: Vec<(&str, &str, Box<dyn ToSql + Sync>)> = vec![
        ("bool", "bool", Box::new(true)),
        ("i8", "\"char\"", Box::new(120_i8)),
        ("i16", "smallint", Box::new(-7_i16)),
        ("i32", "int", Box::new(7_i32)),
        ("i64", "bigint", Box::new(8_000_000_000_i64)),
        ("u32", "oid", Box::new(26_u32)),
        ("f32", "real", Box::new(0.1_f32)),
        ("f64", "float8", Box::new(f64::NAN)),
        ("&str", "text", Box::new("a'b\\€😀")),
        ("String", "varchar(3)", Box::new("abc".to_owned())),
        ("&str", "name", Box::new("x")),
        ("&str", "char(3)", Box::new("x")),
        ("Vec<u8>", "bytea", Box::new(vec![0_u8, 0x41, 0xff])),
        (
            "SystemTime",
            "timestamptz",
            Box::new(SystemTime::UNIX_EPOCH + Duration::from_micros(1_780_000_000_123_456)),
        ),
        (
            "SystemTime",
            "timestamp",
            Box::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000)),
        ),
        ("NaiveDate", "date", Box::new(day)),
        ("NaiveTime", "time", Box::new(local.map(|local| local.time()))),
        ("NaiveDateTime", "timestamp", Box::new(local)),
        ("DateTime<Utc>", "timestamptz", Box::new(moment)),
        ("DateTime<FixedOffset>", "timestamptz", Box::new(offset)),
        ("Value", "json", Box::new(json!({"a": [1, null]}))),
        ("Value", "jsonb", Box::new(json!({"b": 1.5, "a": "€"}))),
        ("Json", "jsonb", Box::new(Json(vec![1, 2]))),
        ("Vec<i32>", "int[]", Box::new(vec![1, 2])),
        ("Vec<Option<i64>>", "bigint[]", Box::new(vec![Some(1_i64), None])),
        ("Vec<&str>", "text[]", Box::new(vec!["x", "y z", "\"", ""])),
        ("Vec<f64>", "float8[]", Box::new(vec![0.1, f64::INFINITY])),
        ("Vec<bool>", "bool[]", Box::new(vec![true, false])),
        ("Vec<Option<NaiveDate>>", "date[]", Box::new(vec![day, None])),
        (
            "Vec<Option<DateTime<Utc>>>",
            "timestamptz[]",
            Box::new(vec![moment, None]),
        ),
        ("Vec<Value>", "jsonb[]", Box::new(vec![json!({}), json!(1)])),
        ("an empty Vec", "text[]", Box::new(Vec::<String>::new())),
    ];
    for (name, to, value) in &given {
        let rows = client
            .query(&format!("SELECT $1::{to}, $1::{to}::text"), &[value.as_ref()])
            .await;
        transcript.check(&format!("parameter {name}, {to}"), either(all(rows)));
    }
    for to in [
        "bool",
        "int",
        "bigint",
        "float8",
        "numeric",
        "text",
        "bytea",
        "date",
        "timestamptz",
        "jsonb",
        "uuid",
        "int[]",
        "text[]",
    ] {
        let rows = client
            .query(&format!("SELECT $1::{to}"), &[&None::<Nothing>])
            .await;
        transcript.check(&format!("parameter nothing, {to}"), either(all(rows)));
    }
    // A type that Rust's does not fit is the client's to refuse, by the type that it is told.
    for (name, query) in [
        ("text for int", "SELECT $1::int"),
        ("text for a column", "SELECT 1 FROM orders WHERE amount > $1"),
        ("text for a limit", "SELECT 1 LIMIT $1"),
    ] {
        transcript.check(name, either(all(client.query(query, &[&"7"]).await)));
    }
    transcript.check(
        "too few",
        either(all(client
            .query("SELECT $1::int + $2::int", &[&1_i32, &2_i32])
            .await)),
    );
}

/// NULL of any type.
#[derive(Debug)]
struct Nothing;

impl ToSql for Nothing {
    fn to_sql(&self, _: &Type, _: &mut bytes::BytesMut) -> Result<tokio_postgres::types::IsNull, Unread> {
        Ok(tokio_postgres::types::IsNull::Yes)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

async fn inferred(transcript: &mut Transcript, client: &Client) {
    transcript.part("types of parameters");
    for query in [
        "SELECT $1",
        "SELECT $1::int + $2",
        "SELECT 1 + $1",
        "SELECT $1 || 'x'",
        "SELECT 1.5 * $1",
        "SELECT 1::bigint + $1",
        "SELECT $1 + interval '1 day'",
        "SELECT now() - $1",
        "SELECT date '2026-01-01' + $1",
        "SELECT $1 = true",
        "SELECT coalesce($1, 1)",
        "SELECT CASE WHEN $1 THEN $2 ELSE 'x' END",
        "SELECT upper($1)",
        "SELECT left($1, $2)",
        "SELECT substring($1 FROM $2 FOR $3)",
        "SELECT round($1, $2)",
        "SELECT date_trunc($1, time) FROM orders",
        "SELECT extract(epoch FROM $1::timestamptz)",
        "SELECT to_char(time, $1) FROM orders",
        "SELECT split_part($1, $2, $3)",
        "SELECT power($1, 2)",
        "SELECT greatest($1, 1.5)",
        "SELECT nullif($1, 'x')",
        "SELECT concat($1::text, $2::int)",
        "SELECT n FROM (VALUES (1::smallint)) AS t (n) WHERE n = $1",
        "SELECT n FROM (VALUES (date '2026-01-01')) AS t (n) WHERE n BETWEEN $1 AND $2",
        "SELECT 1 FROM orders WHERE amount > $1",
        "SELECT 1 FROM orders WHERE amount BETWEEN $1 AND $2",
        "SELECT 1 FROM orders WHERE time >= $1 AND time < $2",
        "SELECT 1 FROM orders WHERE paid = $1",
        "SELECT 1 FROM orders WHERE channel LIKE $1",
        "SELECT 1 FROM orders WHERE channel IN ($1, $2)",
        "SELECT 1 FROM orders WHERE channel = ANY($1)",
        "SELECT 1 FROM orders WHERE NOT channel = ALL($1)",
        "SELECT 1 FROM customer_360 WHERE orders = $1",
        "SELECT 1 FROM customer_360 WHERE orders = ANY($1)",
        "SELECT 1 FROM customer_360 WHERE sources @> $1",
        "SELECT 1 FROM customer_360 WHERE $1 = ANY(sources)",
        "SELECT 1 FROM orders WHERE time::date = $1",
        "SELECT 1 FROM orders WHERE (channel, status) = ($1, $2)",
        "SELECT 1 FROM orders WHERE amount > (SELECT avg(amount) FROM orders WHERE paid = $1)",
        "SELECT 1 FROM orders GROUP BY channel HAVING count(*) > $1",
        "SELECT sum(amount) > $1 FROM orders",
        "SELECT order_id FROM orders ORDER BY 1 LIMIT $1 OFFSET $2",
        "SELECT * FROM generate_series($1::int, $2) AS t (x)",
        "SELECT * FROM unnest($1::text[], $2::int[]) AS t (a, b)",
        "SELECT 1 FROM events WHERE properties::json ->> $1 = 'x'",
        "SELECT ($1::jsonb) -> $2",
        "VALUES ($1, 2), (1, $2)",
        "SELECT $1 UNION ALL SELECT 1",
        "SELECT $1 IS NULL",
        "SELECT $1 + $2",
        "SELECT $2::int",
        "SELECT 1 FROM orders o JOIN customers c ON o.customer_id = $1",
    ] {
        let told = client.prepare(query).await.map(|statement| {
            let names: Vec<String> = statement.params().iter().map(|ty| ty.name().to_owned()).collect();
            let columns: Vec<String> = statement
                .columns()
                .iter()
                .map(|column| format!("{} {}", column.name(), column.type_().name()))
                .collect();
            (names, columns)
        });
        transcript.check(query, either(told));
    }
}

async fn described(transcript: &mut Transcript, client: &Client) {
    transcript.part("description of statements");
    for (name, query) in [
        ("types of customer_360", "SELECT * FROM customer_360"),
        (
            "modifiers",
            "SELECT 1.5::numeric(10,2), 'x'::varchar(9), 'x'::char(3), '12:00'::time(3), now()::timestamptz(0), interval '1 day', net_revenue FROM customer_360",
        ),
        (
            "names",
            "SELECT 1, 'x' AS \"A b\", now(), count(*), max(amount), amount + 1, CASE WHEN paid THEN 1 END, (SELECT 2), paid::text, ARRAY[1], ROW(1), coalesce(campaign, ''), EXISTS (SELECT 1), extract(year FROM time), NULL FROM orders GROUP BY amount, paid, campaign, time",
        ),
        ("nothing", "SELECT FROM orders"),
        ("a setting", "SET application_name = 'x'"),
        ("a shown setting", "SHOW timezone"),
        ("rows of values", "VALUES (1, 'a'), (2, 'b')"),
    ] {
        let told = client.prepare(query).await.map(|statement| {
            let columns = statement.columns().iter();
            columns
                .map(|column| {
                    (
                        column.name().to_owned(),
                        column.type_().name().to_owned(),
                        column.type_modifier(),
                    )
                })
                .collect::<Vec<_>>()
        });
        transcript.check(name, either(told));
    }
    let told = client
        .prepare("SELECT order_id, amount + 1 FROM orders")
        .await
        .map(|statement| {
            let columns = statement.columns().iter();
            columns
                .map(|column| (column.table_oid().is_some(), column.column_id()))
                .collect::<Vec<_>>()
        });
    transcript.check("tables of columns", told);
    transcript.check(
        "prepared as of types",
        either(
            client
                .prepare_typed("SELECT $1, $2 + 1", &[Type::INT8, Type::NUMERIC])
                .await
                .map(|statement| {
                    statement
                        .params()
                        .iter()
                        .map(|ty| ty.name().to_owned())
                        .collect::<Vec<_>>()
                }),
        ),
    );
    transcript.refused(
        "no such table",
        client.prepare("SELECT * FROM nothing").await.map(drop),
    );
    transcript.refused("no syntax", client.prepare("SELEC $1").await.map(drop));
    transcript.refused(
        "two statements",
        client.prepare("SELECT 1; SELECT 2").await.map(drop),
    );
}

async fn typed(transcript: &mut Transcript, client: &Client) {
    transcript.part("queries with types of their own");
    for (name, query, given) in [
        (
            "numbers",
            "SELECT $1 + $2",
            vec![(&1_i32 as &(dyn ToSql + Sync), Type::INT4), (&2_i64, Type::INT8)],
        ),
        (
            "texts",
            "SELECT $1 || $2",
            vec![(&"a", Type::TEXT), (&"b", Type::VARCHAR)],
        ),
        (
            "a filter",
            "SELECT count(*) FROM orders WHERE amount > $1",
            vec![(&10.5_f64, Type::FLOAT8)],
        ),
        (
            "a filter of texts",
            "SELECT count(*) FROM orders WHERE channel = ANY($1)",
            vec![(&["email", "direct"] as &(dyn ToSql + Sync), Type::TEXT_ARRAY)],
        ),
        ("no parameters", "SELECT count(*) FROM segments", vec![]),
        ("alone", "SELECT $1", vec![(&"x", Type::TEXT)]),
        (
            "a document",
            "SELECT $1 ->> 'a'",
            vec![(&json!({"a": "x"}) as &(dyn ToSql + Sync), Type::JSONB)],
        ),
    ] {
        transcript.check(
            &format!("query_typed, {name}"),
            either(all(client.query_typed(query, &given).await)),
        );
    }
    transcript.check(
        "query_typed_one",
        client
            .query_typed_one("SELECT $1 + 1", &[(&1_i32, Type::INT4)])
            .await
            .and_then(|row| shown(&row)),
    );
    transcript.check(
        "execute_typed",
        client
            .execute_typed(
                "SELECT 1 FROM orders WHERE channel = $1",
                &[(&"email", Type::TEXT)],
            )
            .await,
    );
    transcript.refused(
        "query_typed, a wrong type",
        client
            .query_typed("SELECT 1 FROM orders WHERE amount > $1", &[(&true, Type::BOOL)])
            .await,
    );
    transcript.check(
        "query_scalar",
        client
            .query_scalar::<String, _>("SELECT segment FROM segments ORDER BY 1", &[])
            .await,
    );
    transcript.check(
        "query_opt of nothing",
        client
            .query_opt("SELECT 1 WHERE false", &[])
            .await
            .map(|row| row.is_none()),
    );
    transcript.check("execute", client.execute("SELECT 1 FROM segments", &[]).await);
}
