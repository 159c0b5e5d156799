//! Statements that are too deep, grow, take memory, never end, are wrong, or meet wrong values.

use std::sync::mpsc::channel;

use libtest_mimic::Failed;

use crate::fault::{Fault, GRACE, LIMIT, run};
use crate::server::{Server, THRIFTY};

/// Work of a statement that may have what it asks for, or not.
const NO_ROOM: &[&str] = &["53200", "53100", "54000", "57014"];
/// Two hundred thousand times two hundred thousand rows.
const PAIRS: &str = "generate_series(1, 200000) AS a(x), generate_series(1, 200000) AS b(y)";

pub(crate) fn faults() -> Vec<Fault> {
    let heavy = [chains(), blow_up(), memory(), spilled(), endless()]
        .into_iter()
        .flatten()
        .map(Fault::heavy);
    let light = [depth(), errors(), data()].into_iter().flatten();
    light.chain(heavy).collect()
}

/// `open` so many times, the middle, and `close` as often.
fn nested(times: usize, open: &str, middle: &str, close: &str) -> String {
    format!("SELECT {}{middle}{}", open.repeat(times), close.repeat(times))
}

fn depth() -> Vec<Fault> {
    const AREA: &str = "sql_depth";
    const EXHAUSTED: &str = "the stack of its parser ends first: 42601, \"memory exhausted\"";
    vec![
        Fault::made(AREA, "parentheses", &["54001", "= 1"], || {
            nested(10_000, "(", "1", ")")
        })
        .postgres(&["42601"], EXHAUSTED),
        Fault::made(AREA, "nots", &["54001", "= t"], || {
            nested(10_000, "NOT ", "true", "")
        })
        .postgres(&["42601", "54001"], EXHAUSTED),
        Fault::made(AREA, "minuses", &["54001", "= 1"], || {
            nested(10_000, "- ", "1", "")
        })
        .postgres(&["42601", "54001"], EXHAUSTED),
        Fault::made(AREA, "calls", &["54001", "= 1"], || {
            nested(10_000, "abs(", "1", ")")
        })
        .postgres(&["42601", "54001"], EXHAUSTED),
        Fault::made(AREA, "calls_of_100", &["= 1"], || nested(100, "abs(", "1", ")")),
        Fault::made(AREA, "calls_that_end_nowhere", &["42601", "54001"], || {
            nested(40, "abs((", "1 2", "")
        }),
        Fault::made(AREA, "arrays_that_end_nowhere", &["42601", "54001"], || {
            nested(40, "array[(", "1 2", "")
        }),
        Fault::made(AREA, "joins_that_end_nowhere", &["42601", "54001"], || {
            let open = "SELECT 1 FROM ((".repeat(40);
            format!("{open}SELECT 1")
        }),
        Fault::made(AREA, "cases", &["54001", "= 1"], || {
            nested(10_000, "CASE WHEN true THEN ", "1", " END")
        })
        .postgres(&["42601", "54001"], EXHAUSTED),
        Fault::made(AREA, "arrays", &["54001"], || nested(10_000, "ARRAY[", "1", "]"))
            .postgres(&["42601", "54001"], EXHAUSTED),
        Fault::made(AREA, "casts", &["54001", "= 1"], || {
            nested(10_000, "", "1", "::int")
        }),
        Fault::made(AREA, "sum_of_20000", &["54001", "= 20001"], || {
            format!("SELECT 1{}", " + 1".repeat(20_000))
        }),
        Fault::made(AREA, "concatenation_of_20000", &["54001", "= 20001"], || {
            format!("SELECT length('a'{})", " || 'a'".repeat(20_000))
        }),
        Fault::made(AREA, "subqueries_in_from", &["54001", "= 1"], || {
            format!(
                "{}SELECT 1 AS x{}",
                "SELECT x FROM (".repeat(1_000),
                ") AS s".repeat(1_000)
            )
        }),
        Fault::made(AREA, "subqueries_as_values", &["54001", "= 1"], || {
            nested(1_000, "(SELECT ", "1", ")")
        }),
        Fault::made(AREA, "subqueries_in_conditions", &["54001", "= 1"], || {
            let open = "SELECT 1 WHERE 1 IN (".repeat(1_000);
            format!("{open}SELECT 1{}", ")".repeat(1_000))
        }),
        Fault::made(AREA, "union_of_3000", &["54001", "57014", "= 3000"], || {
            format!(
                "SELECT count(*) FROM (SELECT 1{}) AS u",
                " UNION ALL SELECT 1".repeat(2_999)
            )
        }),
        Fault::made(AREA, "union_of_900", &["54001", "57014", "= 900"], || {
            format!(
                "SELECT count(*) FROM (SELECT 1{}) AS u",
                " UNION ALL SELECT 1".repeat(899)
            )
        })
        .heavy(),
    ]
}

/// So many times a condition with a number of its own.
fn chain(terms: usize, link: &str, condition: &str) -> String {
    let terms: Vec<String> = (0..terms).map(|term| format!("{condition} {term}")).collect();
    format!(
        "SELECT count(*) FROM generate_series(1, 10) AS t(x) WHERE {}",
        terms.join(link)
    )
}

fn any_of(terms: usize) -> String {
    chain(terms, " OR ", "x =")
}

fn none_of(terms: usize) -> String {
    chain(terms, " AND ", "x <>")
}

fn none_of_as_a_value(terms: usize) -> String {
    let conditions: Vec<String> = (0..terms).map(|term| format!("{term} <> x")).collect();
    format!(
        "SELECT {} FROM (VALUES ({})) AS t(x)",
        conditions.join(" AND "),
        terms - 1
    )
}

fn list_of_100000() -> String {
    let values: Vec<String> = (1..=100_000).map(|value| value.to_string()).collect();
    format!(
        "SELECT count(*) FROM generate_series(1, 200000) AS t(x) WHERE x IN ({})",
        values.join(", ")
    )
}

fn chains() -> Vec<Fault> {
    const AREA: &str = "sql_chains";
    vec![
        // Those of a thousand have to be answered, also by a binary that is not optimised.
        Fault::made(AREA, "or_of_1000", &["= 10"], || any_of(1_000)),
        Fault::made(AREA, "and_of_1000", &["= 0"], || none_of(1_000)),
        Fault::made(AREA, "and_of_1000_as_a_value", &["= f"], || {
            none_of_as_a_value(1_000)
        }),
        Fault::made(AREA, "or_of_20000", &["57014", "= 10"], || any_of(20_000)),
        Fault::made(AREA, "and_of_20000", &["57014", "= 0"], || none_of(20_000)),
        Fault::made(AREA, "and_of_20000_as_a_value", &["57014", "= f"], || {
            none_of_as_a_value(20_000)
        }),
        Fault::new(
            AREA,
            "chains_and_then_a_list",
            &["answered or stopped"],
            |server| {
                let statements = [
                    (any_of(20_000), "= 10"),
                    (none_of(20_000), "= 0"),
                    (list_of_100000(), "= 100000"),
                ];
                for (sql, answer) in statements {
                    let outcome = run(server, &sql)?;
                    if outcome != answer && outcome != "57014" {
                        return Ok(outcome);
                    }
                }
                Ok("answered or stopped".to_owned())
            },
        ),
    ]
}

fn blow_up() -> Vec<Fault> {
    const AREA: &str = "sql_blow_up";
    vec![
        Fault::made(
            AREA,
            "unions_that_double_30_times",
            &["54000", "54001", "57014", "= 1073741824"],
            || doubling(|before| format!("SELECT x FROM {before} UNION ALL SELECT x FROM {before}")),
        ),
        Fault::made(
            AREA,
            "joins_that_double_30_times",
            &["54000", "54001", "57014", "= 1"],
            || doubling(|before| format!("SELECT a.x FROM {before} AS a, {before} AS b")),
        ),
        Fault::made(
            AREA,
            "list_of_100000",
            &["54000", "54001", "57014", "= 100000"],
            list_of_100000,
        ),
        Fault::made(
            AREA,
            "rows_of_values_100000",
            &["54000", "54001", "57014", "= 100000"],
            || {
                format!(
                    "SELECT count(*) FROM (VALUES (1){}) AS t(x)",
                    ", (1)".repeat(99_999)
                )
            },
        ),
        Fault::made(AREA, "literal_of_32_mib", &["54000", "= 33554432"], || {
            literal(32 << 20)
        }),
        Fault::made(AREA, "literal_of_64_mib", &["54000", "= 67108864"], || {
            literal(64 << 20)
        }),
    ]
}

/// Thirty named queries, each of which has the one before twice.
fn doubling(twice: impl Fn(&str) -> String) -> String {
    let queries: Vec<String> = (1..=30)
        .map(|step| format!("c{step} AS ({})", twice(&format!("c{}", step - 1))))
        .collect();
    format!(
        "WITH c0 AS (SELECT 1 AS x), {} SELECT count(*) FROM c30",
        queries.join(", ")
    )
}

fn literal(length: usize) -> String {
    format!("SELECT length('{}')", "x".repeat(length))
}

fn memory() -> Vec<Fault> {
    const AREA: &str = "sql_memory";
    let fault = |name, sql: String| Fault::made(AREA, name, NO_ROOM, move || sql.clone());
    let sort = format!("SELECT x FROM {PAIRS} ORDER BY (x * y) % 1000003, x, y OFFSET 39999999999");
    vec![
        Fault::sql(AREA, "repeat", "SELECT length(repeat('x', 1073741824))", NO_ROOM),
        Fault::sql(
            AREA,
            "repeat_of_repeat",
            "SELECT length(repeat(repeat('x', 50000), 40000))",
            NO_ROOM,
        ),
        Fault::sql(AREA, "lpad", "SELECT length(lpad('x', 1073741824, 'y'))", NO_ROOM),
        Fault::sql(AREA, "rpad", "SELECT length(rpad('x', 1073741824, 'y'))", NO_ROOM),
        Fault::sql(
            AREA,
            "replace",
            "SELECT length(replace(repeat('x', 100000), 'x', repeat('y', 100000)))",
            NO_ROOM,
        ),
        // PostgreSQL makes one text at a time, so it may come to an end; what is made at once must not take it all.
        Fault::sql(
            AREA,
            "repeat_in_each_row",
            "SELECT sum(length(repeat('x', 1000000 + x::int))) FROM generate_series(1, 20000) AS t(x)",
            &["53200", "54000", "57014", "= 20200010000"],
        ),
        Fault::sql(
            AREA,
            "string_agg",
            "SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 100000000) AS t(x)",
            NO_ROOM,
        ),
        Fault::sql(
            AREA,
            "array_agg",
            "SELECT cardinality(array_agg(repeat('x', 100) || x)) FROM generate_series(1, 1000000000) AS t(x)",
            NO_ROOM,
        ),
        Fault::sql(
            AREA,
            "concatenation",
            "SELECT length(concat(s, s, s, s, s, s, s, s, s, s)) FROM (SELECT repeat('x', 200000000) AS s) AS t",
            NO_ROOM,
        ),
        fault("sort", sort.clone()),
        fault(
            "groups",
            format!("SELECT count(*) FROM (SELECT x, y, count(*) FROM {PAIRS} GROUP BY x, y) AS g"),
        ),
        fault(
            "distinct",
            format!("SELECT count(*) FROM (SELECT DISTINCT x, y FROM {PAIRS}) AS d"),
        ),
        fault(
            "count_distinct",
            format!("SELECT count(DISTINCT x::bigint * 1000000 + y) FROM {PAIRS}"),
        ),
        fault(
            "join",
            format!(
                "SELECT count(*) FROM (SELECT x::bigint * 1000000 + y AS k FROM {PAIRS}) AS l \
                 JOIN (SELECT x::bigint * 1000000 + y AS k FROM {PAIRS}) AS r USING (k)"
            ),
        ),
        fault(
            "window",
            format!("SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY x * y) AS n FROM {PAIRS}) AS w"),
        ),
        Fault::new(
            AREA,
            "eight_sorts_at_once",
            &["refused or stopped"],
            move |server| at_once(server, 8, &sort),
        ),
        Fault::new(AREA, "eight_groups_at_once", &["refused or stopped"], |server| {
            let groups = format!(
                "SELECT count(*) FROM (SELECT x, y, max(repeat('x', 50) || y) FROM {PAIRS} GROUP BY x, y) AS g"
            );
            at_once(server, 8, &groups)
        }),
    ]
}

/// The same statement in several sessions at once: each is refused or stopped, and meanwhile others are answered.
fn at_once(server: &Server, sessions: usize, sql: &str) -> Result<String, Failed> {
    std::thread::scope(|scope| {
        let (sender, ended) = channel();
        for _ in 0..sessions {
            let sender = sender.clone();
            scope.spawn(move || {
                let outcome = server.session().and_then(|mut session| {
                    session.ask("SET statement_timeout = '5s'")?;
                    Ok(session.within(LIMIT + 2 * GRACE).query(sql)?.outcome())
                });
                // Nobody waits for it any more when another has failed.
                let _ = sender.send(outcome);
            });
        }
        drop(sender);
        let mut outcomes = Vec::new();
        while outcomes.len() < sessions {
            let mut newcomer = server.session_within(crate::ANSWER)?;
            newcomer.within(crate::ANSWER).ask("SELECT 1")?;
            outcomes.extend(ended.try_iter());
        }
        for outcome in outcomes {
            let outcome = outcome?;
            if !NO_ROOM.contains(&outcome.as_str()) {
                return Ok(outcome);
            }
        }
        Ok("refused or stopped".to_owned())
    })
}

/// Statements that may have 64 megabytes and need more than the disk may hold of them.
fn spilled() -> Vec<Fault> {
    const AREA: &str = "sql_spilled";
    const ROWS: &str = "generate_series(1, 1500000) AS t(x)";
    let fault = |name, sql: String| {
        // A sort may also lack the memory to merge what it has written.
        let expected = &["53100, nothing is left", "53200, nothing is left"];
        Fault::new(AREA, name, expected, move |server| {
            let mut session = server.session_with(THRIFTY, &[])?;
            let outcome = session.query(&sql)?.outcome();
            server.has_no_spilled_files()?;
            // What it may have is there again.
            let half = "SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY repeat('x', 100) || x) AS n \
                        FROM generate_series(1, 400000) AS t(x)) AS w";
            match session.query(half)?.outcome().as_str() {
                "= 400000" => Ok(format!("{outcome}, nothing is left")),
                other => Ok(format!("{outcome}, and then {other}")),
            }
        })
        .postgres(
            &["= 1500000, nothing is left"],
            "its files may take what the disk has",
        )
    };
    vec![
        fault(
            "sort",
            format!(
                "SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY repeat('x', 100) || x) AS n FROM {ROWS}) AS w"
            ),
        ),
        fault(
            "groups",
            format!(
                "SELECT count(*) FROM (SELECT repeat('x', 100) || x AS k, count(*) FROM {ROWS} GROUP BY 1) AS g"
            ),
        ),
    ]
}

fn endless() -> Vec<Fault> {
    const AREA: &str = "sql_endless";
    vec![
        Fault::sql(
            AREA,
            "recursion",
            "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r",
            &["57014"],
        ),
        Fault::sql(
            AREA,
            "recursion_that_doubles",
            "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT r.x FROM r, (VALUES (1), (2)) AS v) SELECT count(*) FROM r",
            NO_ROOM,
        ),
        Fault::sql(
            AREA,
            "join_without_a_match",
            "SELECT count(*) FROM generate_series(1, 10000000) AS a(x), generate_series(1, 10000000) AS b(y) WHERE x * y = 7",
            &["57014", "22003"],
        ),
        Fault::sql(
            AREA,
            "rows_without_end",
            "SELECT x FROM generate_series(1, 1000000000000) AS t(x)",
            &["57014"],
        ),
        Fault::sql(
            AREA,
            "stars_in_stars",
            "SELECT repeat('a', 5000) ~ '^(((a*)*)*)*b$'",
            &["57014", "2201B", "= f"],
        ),
        Fault::sql(
            AREA,
            "counts_in_counts",
            "SELECT repeat('a', 5000) ~ '(((a{1,200}){1,200}){1,200}){1,200}b'",
            &["57014", "2201B", "= f"],
        ),
        Fault::made(
            AREA,
            "groups_in_groups",
            &["57014", "2201B", "54001", "= t"],
            || format!("SELECT 'a' ~ '{}a{}'", "(".repeat(50_000), ")".repeat(50_000)),
        ),
        Fault::sql(
            AREA,
            "replacement_by_a_bomb",
            "SELECT length(regexp_replace(repeat('a', 20000), '(a|aa)+$|(a|aaa)+b', repeat('x', 20000), 'g'))",
            &["57014", "2201B", "54000", "= 20000"],
        ),
    ]
}

fn errors() -> Vec<Fault> {
    const AREA: &str = "sql_errors";
    vec![
        Fault::sql(AREA, "syntax", "SELEC 1", &["42601"]),
        Fault::sql(AREA, "unfinished", "SELECT 1 +", &["42601"]),
        Fault::sql(AREA, "unknown_table", "SELECT * FROM absent", &["42P01"]),
        Fault::sql(AREA, "unknown_column", "SELECT absent FROM orders", &["42703"]),
        Fault::sql(AREA, "unknown_function", "SELECT absent(1)", &["42883"]),
        Fault::sql(
            AREA,
            "unknown_operator",
            "SELECT customer_id + 1 FROM orders",
            &["42883"],
        ),
        Fault::sql(AREA, "unknown_type", "SELECT 1::absent", &["42704"]),
        Fault::sql(
            AREA,
            "ambiguity",
            "SELECT customer_id FROM orders AS a, orders AS b",
            &["42702"],
        ),
        Fault::sql(
            AREA,
            "grouping",
            "SELECT customer_id, count(*) FROM orders",
            &["42803"],
        ),
        Fault::sql(
            AREA,
            "aggregate_in_where",
            "SELECT 1 FROM orders WHERE count(*) > 1",
            &["42803"],
        ),
        Fault::sql(AREA, "parameter", "SELECT $1", &["42P02"]),
    ]
}

fn data() -> Vec<Fault> {
    const AREA: &str = "sql_data";
    let faults: [(&str, &str, &[&str]); 16] = [
        ("division_by_zero", "SELECT 1 / 0", &["22012"]),
        ("division_of_numerics", "SELECT 1.5 / 0", &["22012"]),
        ("remainder", "SELECT 1 % 0", &["22012"]),
        (
            "division_in_rows",
            "SELECT sum(amount / (amount - amount)) FROM orders",
            &["22012"],
        ),
        ("no_integer", "SELECT 'x'::int", &["22P02"]),
        (
            "no_integer_in_rows",
            "SELECT sum(status::int) FROM orders",
            &["22P02"],
        ),
        ("no_boolean", "SELECT 'x'::boolean", &["22P02"]),
        ("no_numeric", "SELECT 'x'::numeric", &["22P02"]),
        ("bigint_sum", "SELECT 9223372036854775807 + 1", &["22003"]),
        ("bigint_product", "SELECT 9223372036854775807 * 2", &["22003"]),
        (
            "bigint_in_rows",
            "SELECT max(x * 4611686018427387904) FROM generate_series(1::bigint, 3::bigint) AS t(x)",
            &["22003"],
        ),
        ("integer", "SELECT 99999999999::int", &["22003"]),
        ("smallint", "SELECT 40000::smallint", &["22003"]),
        ("no_date", "SELECT 'x'::date", &["22007"]),
        ("bad_date", "SELECT '2026-02-30'::date", &["22008"]),
        (
            "bad_timestamp",
            "SELECT '2026-13-01 00:00'::timestamp",
            &["22008"],
        ),
    ];
    faults
        .into_iter()
        .map(|(name, sql, expected)| Fault::sql(AREA, name, sql, expected))
        .collect()
}
