//! Figures of ClickHouse, cases by hand, and the longest chain found in a second way.

use arrow::array::{BooleanArray, IntervalMonthDayNanoArray, StringArray, TimestampMicrosecondArray};
use datafusion_expr::AggregateUDF;
use perennial_udf_kit::testing::{aggregate, check_aggregate, check_aggregate_error};
use proptest::prelude::*;

use super::*;

/// Events as (instant in seconds, value) and the funnel as values, as ClickHouse's tests write them.
struct Case<'a> {
    window: i64,
    funnel: &'a [i64],
    mode: Option<&'a str>,
}

fn arguments(case: &Case<'_>, events: &[(i64, i64)]) -> Vec<ArrayRef> {
    let window = IntervalMonthDayNano::new(0, 0, case.window * 1_000_000_000);
    let windows = IntervalMonthDayNanoArray::from(vec![window; events.len()]);
    let instants: TimestampMicrosecondArray = events.iter().map(|(at, _)| Some(at * 1_000_000)).collect();
    let mut arguments: Vec<ArrayRef> = vec![Arc::new(windows), Arc::new(instants)];
    for step in case.funnel {
        arguments.push(Arc::new(
            events
                .iter()
                .map(|(_, value)| Some(value == step))
                .collect::<BooleanArray>(),
        ));
    }
    if let Some(mode) = case.mode {
        arguments.push(Arc::new(StringArray::from(vec![mode; events.len()])));
    }
    arguments
}

#[track_caller]
fn check(case: &Case<'_>, events: &[(i64, i64)], expected: i64) {
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![expected]));
    let function = AggregateUDF::from(WindowFunnel::new());
    check_aggregate(
        &function,
        &arguments(case, events),
        &vec![0; events.len()],
        &expected,
    );
}

fn plain(window: i64, funnel: &[i64]) -> Case<'_> {
    Case {
        window,
        funnel,
        mode: None,
    }
}

fn strict<'a>(mode: &'a str, funnel: &'a [i64]) -> Case<'a> {
    Case {
        window: 10_000,
        funnel,
        mode: Some(mode),
    }
}

// ClickHouse, tests/queries/0_stateless/00632_aggregation_window_funnel.sql.
#[test]
fn clickhouse_figures() {
    let rows: Vec<(i64, i64)> = (0..9).map(|at| (at, 1000 + at)).collect();
    check(&plain(10_000, &[1000, 1001, 1002, 1008]), &rows, 4);
    check(&plain(1, &[1000]), &rows, 1);
    check(&plain(2, &[1003, 1004, 1005, 1006, 1007]), &rows, 3);
    check(&plain(3, &[1003, 1004, 1005, 1006, 1007]), &rows, 4);
    check(&plain(4, &[1003, 1004, 1005, 1006, 1007]), &rows, 5);
    check(&plain(10_000, &[1008, 1001]), &rows, 1);
    check(&plain(10_000, &[2000, 1001]), &rows, 0);
}

// ClickHouse, pull request 99003: install, start, login, install.
#[test]
fn a_repetition_ends_the_search_and_keeps_its_level() {
    let (install, start, login, buy) = (1, 2, 3, 4);
    let events = [(0, install), (1, start), (2, login), (3, install), (4, buy)];
    check(
        &strict("strict_deduplication", &[install, start, login, buy]),
        &events,
        3,
    );
    check(&plain(10_000, &[install, start, login, buy]), &events, 4);
    check(
        &strict("strict_deduplication", &[install, start]),
        &[(0, install), (1, install), (2, start)],
        1,
    );
}

#[test]
fn other_events_in_between_end_a_strict_order() {
    let events = [(0, 1), (1, 2), (2, 9), (3, 3)];
    check(&strict("strict_order", &[1, 2, 3]), &events, 2);
    check(&plain(10_000, &[1, 2, 3]), &events, 3);
    check(
        &strict("strict_order", &[1, 2, 3]),
        &[(0, 9), (1, 1), (2, 1), (3, 2), (4, 3)],
        3,
    );
    check(&strict("strict_order", &[1, 2, 3]), &[(0, 1), (1, 3), (2, 2)], 1);
}

#[test]
fn events_at_one_instant_are_taken_in_the_order_of_the_steps() {
    let events = [(5, 3), (5, 2), (5, 1)];
    check(&plain(0, &[1, 2, 3]), &events, 3);
    check(&strict("strict_increase", &[1, 2, 3]), &events, 1);
    check(
        &strict("strict_increase", &[1, 2, 3]),
        &[(1, 1), (2, 2), (3, 2), (3, 3)],
        3,
    );
}

// ClickHouse issue 21835: one row that fulfils two steps.
#[test]
fn one_event_makes_one_step() {
    let once = [(5, 1)];
    check(&plain(10, &[1, 1]), &once, 1);
    check(&plain(10, &[1, 1]), &[(5, 1), (5, 1)], 2);
    check(&plain(10, &[1, 1, 1]), &[(5, 1), (6, 1)], 2);
}

#[test]
fn the_window_includes_its_end_and_begins_anew() {
    check(&plain(10, &[1, 2]), &[(0, 1), (10, 2)], 2);
    check(&plain(10, &[1, 2]), &[(0, 1), (11, 2)], 1);
    check(
        &plain(10, &[1, 2, 3]),
        &[(0, 1), (2, 2), (8, 1), (9, 2), (18, 3)],
        3,
    );
}

#[test]
fn groups_without_events_made_no_step() {
    check(&plain(10, &[1, 2]), &[], 0);
    let arguments = arguments(&plain(10, &[1, 2]), &[(0, 1), (0, 2), (1, 2)]);
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![2, 0, 0]));
    check_aggregate(
        &AggregateUDF::from(WindowFunnel::new()),
        &arguments,
        &[0, 2, 0],
        &expected,
    );
}

#[test]
fn null_instants_are_ignored_and_null_steps_not_fulfilled() {
    let mut arguments = arguments(&plain(10, &[1, 2]), &[(0, 1), (1, 2), (2, 2)]);
    arguments[1] =
        Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None, Some(2)]).with_timezone("UTC"));
    arguments[3] = Arc::new(BooleanArray::from(vec![None, Some(true), None]));
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    check_aggregate(
        &AggregateUDF::from(WindowFunnel::new()),
        &arguments,
        &[0; 3],
        &expected,
    );
}

#[test]
fn wrong_arguments_are_errors() {
    let check = |case: &Case<'_>, change: &dyn Fn(&mut Vec<ArrayRef>), message: &str| {
        let mut arguments = arguments(case, &[(0, 1), (1, 2)]);
        change(&mut arguments);
        check_aggregate_error(&AggregateUDF::from(WindowFunnel::new()), &arguments, message);
    };
    let intervals = |intervals: [Option<IntervalMonthDayNano>; 2]| -> ArrayRef {
        Arc::new(IntervalMonthDayNanoArray::from(intervals.to_vec()))
    };
    let days = |days| Some(IntervalMonthDayNano::new(0, days, 0));
    let argument = |name: &str| format!("argument \"{name}\" of function window_funnel");
    let windows = |windows, message: &str| {
        let message = format!("{} {message}", argument("window"));
        check(
            &plain(1, &[1]),
            &|arguments| arguments[0] = intervals(windows),
            &message,
        );
    };
    windows([days(1), days(2)], "must be constant");
    windows([days(-1), days(-1)], "is negative");
    windows([None, None], "is null");
    windows(
        [Some(IntervalMonthDayNano::new(1, 0, 0)); 2],
        "has months, which have no fixed length",
    );
    check(
        &strict("strict", &[1]),
        &|_| {},
        &format!("{} is \"strict\", which is not a mode", argument("mode")),
    );
    let many = vec![1; 33];
    check(
        &plain(1, &many),
        &|_| {},
        &format!("{} stands 33 times: there are at most 32 steps", argument("step")),
    );
    let undefined = "function window_funnel(interval, timestamp without time zone) does not exist";
    check(&plain(1, &[1]), &|arguments| arguments.truncate(2), undefined);
}

/// The longest chain from each event that could begin one, by taking the first row that carries on.
fn longest(events: &[(i64, i64)], case: &Case<'_>) -> i64 {
    let mut events = events.to_vec();
    let first_step = |value: i64| case.funnel.iter().position(|step| *step == value).unwrap_or(99);
    events.sort_by_key(|(at, value)| (*at, first_step(*value)));
    let mut best = 0;
    for (start, (began_at, value)) in events.iter().enumerate() {
        if case.funnel.first() != Some(value) {
            continue;
        }
        let (mut level, mut last_at) = (1, *began_at);
        for (at, value) in &events[start + 1..] {
            let later = case.mode.is_none() || *at > last_at;
            if case.funnel.get(level) == Some(value) && *at <= began_at + case.window && later {
                (level, last_at) = (level + 1, *at);
            }
        }
        best = best.max(level as i64);
    }
    best
}

proptest! {
    #[test]
    fn it_is_the_longest_chain(
        events in prop::collection::vec((0..12_i64, 1..6_i64), 0..14),
        funnel in prop::collection::vec(1..5_i64, 1..5),
        window in 0..12_i64,
        increase: bool,
    ) {
        let case = Case { window, funnel: &funnel, mode: increase.then_some("strict_increase") };
        let answer = aggregate(&AggregateUDF::from(WindowFunnel::new()), &arguments(&case, &events)).unwrap();
        prop_assert_eq!(answer, ScalarValue::Int64(Some(longest(&events, &case))));
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        events in prop::collection::vec((0..6_i64, 1..6_i64), 0..10),
        mode in prop::sample::select(vec!["", "strict_deduplication", "strict_order", "strict_order, strict_increase"]),
    ) {
        let case = Case { window: 4, funnel: &[1, 2, 3], mode: Some(mode) };
        let function = AggregateUDF::from(WindowFunnel::new());
        let mut reversed = events.clone();
        reversed.reverse();
        let answer = aggregate(&function, &arguments(&case, &events)).unwrap();
        prop_assert_eq!(answer, aggregate(&function, &arguments(&case, &reversed)).unwrap());
    }
}
