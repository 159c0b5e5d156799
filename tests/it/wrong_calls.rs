//! What a client is told of calls that do not fit: names and types, and nothing of the engine's code.

use perennial_testkit::{TestLake, TestServer};

use crate::support::connect;

/// Calls that do not fit, of functions and operators of every sort.
const WRONG: &[&str] = &[
    "SELECT * FROM generate_series(1, 'a')",
    "SELECT * FROM generate_series(1.5, 3)",
    "SELECT * FROM generate_series(date '2026-01-01', 5)",
    "SELECT * FROM generate_series(now(), 'x')",
    "SELECT generate_series(date '2026-01-01', '2026-01-03', '1 day')",
    "SELECT string_agg(nps_latest) FROM customer_360",
    "SELECT percentile_cont(ARRAY[0.5]) WITHIN GROUP (ORDER BY 1)",
    "SELECT percentile_cont(0.5)",
    "SELECT percentile_cont('a') WITHIN GROUP (ORDER BY 1)",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY 'a')",
    "SELECT array_agg()",
    "SELECT max()",
    "SELECT upper()",
    "SELECT upper(1, 2)",
    "SELECT upper(1)",
    "SELECT substr(1)",
    "SELECT date_trunc('month')",
    "SELECT date_trunc(1, now())",
    "SELECT to_char(now())",
    "SELECT lag() OVER ()",
    "SELECT lag('a', 2, 3, 4) OVER ()",
    "SELECT lag(1, 'a') OVER ()",
    "SELECT ntile('a') OVER ()",
    "SELECT first_value() OVER ()",
    "SELECT nth_value(1) OVER ()",
    "SELECT row_number(1) OVER ()",
    "SELECT coalesce()",
    "SELECT nullif(1)",
    "SELECT greatest()",
    "SELECT array_position(1, 2)",
    "SELECT array_append(1, 2)",
    "SELECT array_length('a')",
    "SELECT array_to_string(1, 2)",
    "SELECT unnest(1)",
    "SELECT split_part('a')",
    "SELECT split_part('a', 'b', 'c')",
    "SELECT regexp_replace('a')",
    "SELECT regexp_match('a', '(')",
    "SELECT to_timestamp(true)",
    "SELECT to_date('a', 1)",
    "SELECT make_date(1)",
    "SELECT strpos(1)",
    "SELECT left('a', 'b')",
    "SELECT lpad(1, 2, 3)",
    "SELECT concat()",
    "SELECT concat_ws()",
    "SELECT encode(1, 2)",
    "SELECT age(1)",
    "SELECT NOT 1",
    "SELECT ARRAY[1, true]",
    "SELECT 1 LIKE 'a'",
    "SELECT corr('a', 'b')",
    "SELECT stddev('a')",
    "SELECT bool_and(1)",
    "SELECT bit_and('a')",
    "SELECT var_pop(true)",
    "SELECT regr_slope(1)",
    "SELECT approx_distinct()",
    "SELECT 1 LIMIT 'a'",
    "SELECT * FROM orders HAVING 1",
    "SELECT order_id FROM orders HAVING amount > 3",
    "SELECT 1 UNION SELECT true",
    "SELECT * FROM orders o JOIN orders p ON o.order_id",
    "SELECT (SELECT 1, 2)",
    "SELECT * FROM (VALUES (1), (true)) t",
    "SELECT sum(x) OVER w FROM (VALUES (1)) t(x)",
    "SELECT sum(x) OVER (ROWS BETWEEN -1 PRECEDING AND CURRENT ROW) FROM (VALUES (1)) t(x)",
    "SELECT sum(x) OVER (ORDER BY x RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW) FROM (VALUES (1)) t(x)",
    "SELECT sum(sum(x)) FROM (VALUES (1)) t(x)",
    "SELECT 1 FROM orders WHERE row_number() OVER () > 1",
    "SELECT 1 FROM orders GROUP BY sum(amount)",
    "SELECT row_number() OVER (ORDER BY row_number() OVER ())",
    "SELECT abs(true)",
    "SELECT ascii(1)",
    "SELECT to_hex('a')",
    "SELECT initcap(1)",
    "SELECT translate('a')",
    "SELECT width_bucket(1)",
    "SELECT random(1)",
    "SELECT date_bin('1 day')",
    "SELECT date_bin(1, 2, 3)",
    "SELECT named_struct('a')",
    "SELECT named_struct(1, 2)",
    "SELECT round(date '2026-01-01')",
    "SELECT 'a'::json -> true",
    "SELECT 1 -> 2",
    "SELECT 1 @> 2",
    "SELECT 1 && 2",
    "SELECT ARRAY[1] || text 'a'",
    "SELECT ARRAY[1] @> 1",
    "SELECT nps('a')",
    "SELECT nps(1, 2, 3)",
    "SELECT window_funnel(1)",
    "SELECT bgnbd_p_alive(1)",
    "SELECT cac('a', 'b')",
    "SELECT mask_email(1)",
    "SELECT lifecycle_stage('a')",
    "SELECT sessionize('a') OVER ()",
    "SELECT normalise_phone(1, 2, 3, 4)",
];

#[tokio::test]
async fn no_message_has_a_form_of_the_engines_code() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let marks = [
        "Utf8",
        "Int64",
        "Int32",
        "Float64",
        "Decimal128",
        "Date32",
        "Exact(",
        "OneOf(",
        "Uniform(",
        "Some(",
        "Literal(",
        "None",
        "Signature",
        "signature",
        "UserDefined",
        "user-defined",
        "coerc",
        "DataType",
        " { ",
        "List(",
        "Timestamp(",
        "PGOverlap",
        "AtArrow",
        "perennial_",
        "physical",
    ];
    for sql in WRONG {
        let error = client.simple_query(sql).await.map(|_| ()).expect_err(sql);
        let error = error.as_db_error().expect(sql);
        let told = [Some(error.message()), error.detail(), error.hint()];
        let told: Vec<&str> = told.into_iter().flatten().collect();
        let told = told.join("\n");
        assert_ne!(error.code().code(), "XX000", "{sql}: {told}");
        assert_eq!(
            marks.iter().find(|mark| told.contains(*mark)),
            None,
            "{sql}: {told}"
        );
        // Nothing is suggested in the place of itself.
        if let Some(meant) = told
            .split("Perhaps you meant \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
        {
            assert!(
                !error.message().starts_with(&format!("function {meant}(")),
                "{sql}: {told}"
            );
        }
    }
}
