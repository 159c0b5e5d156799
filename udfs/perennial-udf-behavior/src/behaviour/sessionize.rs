//! The number of the session that an event belongs to.
//!
//! # Signature
//! `sessionize(ts timestamp, gap interval) OVER (PARTITION BY …) → bigint`; null if the instant is null.
//! # Shape
//! n rows of a partition to n rows.
//! # Units
//! The gap is a length of time: days of 24 hours, no months. Sessions count from 1.
//! # Definition
//! The rows of a partition in the order of their instants, whatever the window's order: a row is of the session of the
//! row before it, unless it comes more than `gap` later (`>`), which begins the next session. Null instants belong to no
//! session and end none.
//! # Errors
//! Invalid argument when the gap is null or negative, has months, or differs between rows of a partition.
//! # Cost
//! O(n), and O(n log n) when the window is not ordered by the instant; 8 bytes per row.
//! # Source
//! The usual definition of web analytics, with the boundary of SQL's usual `ts - lag(ts) > gap`: an event exactly `gap`
//! after the one before is of the same session.
//! # Example
//! `sessionize(ts, interval '30 minutes') OVER (PARTITION BY customer_id ORDER BY ts)`.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, TimestampMicrosecondArray},
    datatypes::{DataType, Field, FieldRef, IntervalMonthDayNanoType, TimestampMicrosecondType},
};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::{
    Documentation, PartitionEvaluator, Signature, WindowUDFImpl,
    function::{PartitionEvaluatorArgs, WindowUDFFieldArgs},
};
use datafusion_macros::user_doc;
use perennial_udf_kit::{FunctionError, Kind, Parameter, Parameters, columns};

const PARAMETERS: Parameters = Parameters {
    function: "sessionize",
    syntax: "sessionize(ts timestamp, gap interval)",
    required: &[
        Parameter::new("ts", Kind::Timestamp),
        Parameter::new("gap", Kind::Interval),
    ],
    optional: &[],
    rest: None,
    last: None,
};

/// The SQL function `sessionize`.
#[user_doc(
    doc_section(label = "behaviour"),
    description = "The number of the session, from 1 on, that an event belongs to among the events of its partition: a new session begins with an event that comes more than the gap after the one before it. The order is that of the instants. Events without an instant belong to no session.",
    syntax_example = "sessionize(ts timestamp, gap interval) OVER (PARTITION BY …) → bigint",
    sql_example = r#"```sql
SELECT ts, sessionize(ts, interval '30 minutes') OVER (ORDER BY ts) AS session
FROM (VALUES (timestamp '2026-01-01 10:00:00'), (timestamp '2026-01-01 10:30:00'), (timestamp '2026-01-01 11:01:00')) AS events(ts)
ORDER BY ts;
+---------------------+---------+
| ts                  | session |
+---------------------+---------+
| 2026-01-01 10:00:00 | 1       |
| 2026-01-01 10:30:00 | 1       |
| 2026-01-01 11:01:00 | 2       |
+---------------------+---------+
```"#,
    argument(name = "ts", description = "When the event happened."),
    argument(
        name = "gap",
        description = "The longest time between two events of one session; without months, such as interval '30 minutes'."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Sessionize {
    signature: Signature,
}

impl Sessionize {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for Sessionize {
    fn default() -> Self {
        Self::new()
    }
}

impl WindowUDFImpl for Sessionize {
    fn name(&self) -> &str {
        PARAMETERS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Sessions))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .input_fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        PARAMETERS.check(&types)?;
        Ok(Field::new(args.name(), DataType::Int64, true).into())
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(PARAMETERS.coerce(arg_types))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

#[derive(Debug)]
struct Sessions;

impl PartitionEvaluator for Sessions {
    fn evaluate_all(&mut self, values: &[ArrayRef], _num_rows: usize) -> Result<ArrayRef> {
        let [instants, gaps] = values else {
            return PARAMETERS.missing();
        };
        let instants = columns::primitive::<TimestampMicrosecondType>(instants)?;
        let sessions = match gap(gaps)? {
            Some(gap) => number(&instants, gap),
            None => Int64Array::new_null(instants.len()),
        };
        Ok(Arc::new(sessions))
    }

    fn evaluate(&mut self, _values: &[ArrayRef], _range: &Range<usize>) -> Result<ScalarValue> {
        exec_err!("sessionize looks at a whole partition")
    }
}

/// The gap in microseconds; `None` for a partition without rows.
fn gap(gaps: &ArrayRef) -> Result<Option<i64>> {
    let gaps = columns::primitive::<IntervalMonthDayNanoType>(gaps)?;
    let mut values = gaps.iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|gap| gap != first) {
        return Err(FunctionError::NotConstant {
            function: PARAMETERS.function,
            argument: "gap",
        }
        .into());
    }
    let invalid = |reason: &str| FunctionError::invalid(PARAMETERS.function, "gap", reason);
    match first.map(columns::interval_micros) {
        None => Err(invalid("is null").into()),
        Some(Some(gap)) if gap >= 0 => Ok(Some(gap)),
        Some(Some(_)) => Err(invalid("is negative").into()),
        Some(None) => {
            let hint = "Say it in minutes, hours or days, such as interval '30 minutes'.";
            Err(invalid("has months, which have no fixed length")
                .with_hint(hint)
                .into())
        }
    }
}

fn number(instants: &TimestampMicrosecondArray, gap: i64) -> Int64Array {
    let mut rows: Vec<(i64, usize)> = instants
        .iter()
        .enumerate()
        .filter_map(|(row, at)| at.zip(Some(row)))
        .collect();
    if !rows.is_sorted() {
        rows.sort_unstable();
    }
    let mut sessions = vec![None; instants.len()];
    let mut session = 0;
    let mut last: Option<i64> = None;
    for (at, row) in rows {
        if last.is_none_or(|last| at.saturating_sub(last) > gap) {
            session += 1;
        }
        last = Some(at);
        if let Some(place) = sessions.get_mut(row) {
            *place = Some(session);
        }
    }
    Int64Array::from(sessions)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, IntervalMonthDayNanoArray};
    use arrow::datatypes::IntervalMonthDayNano;
    use perennial_udf_kit::testing::own_message;
    use proptest::prelude::*;

    use super::*;

    fn minutes(minutes: &[Option<i64>]) -> ArrayRef {
        let instants: TimestampMicrosecondArray = minutes.iter().map(|m| m.map(|m| m * 60_000_000)).collect();
        Arc::new(instants.with_timezone("Europe/Berlin"))
    }

    fn gaps(gap: Option<IntervalMonthDayNano>, rows: usize) -> ArrayRef {
        Arc::new(IntervalMonthDayNanoArray::from(vec![gap; rows]))
    }

    fn half_an_hour() -> Option<IntervalMonthDayNano> {
        Some(IntervalMonthDayNano::new(0, 0, 1_800_000_000_000))
    }

    #[track_caller]
    fn check(instants: &[Option<i64>], expected: &[Option<i64>]) {
        let values = [minutes(instants), gaps(half_an_hour(), instants.len())];
        let answer = Sessions.evaluate_all(&values, instants.len()).unwrap();
        let expected: ArrayRef = Arc::new(Int64Array::from(expected.to_vec()));
        assert_eq!(&answer, &expected);
        // The same rows as a slice, as partitions come.
        let mut longer = vec![Some(-9)];
        longer.extend(instants);
        let sliced = [
            minutes(&longer).slice(1, instants.len()),
            gaps(half_an_hour(), longer.len()).slice(1, instants.len()),
        ];
        assert_eq!(
            &Sessions.evaluate_all(&sliced, instants.len()).unwrap(),
            &expected
        );
    }

    #[track_caller]
    fn check_error(gaps: &ArrayRef, message: &str) {
        let values = [minutes(&vec![Some(0); gaps.len()]), Arc::clone(gaps)];
        let error = Sessions.evaluate_all(&values, gaps.len()).unwrap_err();
        assert_eq!(
            own_message(&error),
            format!("argument \"gap\" of function sessionize {message}")
        );
    }

    #[test]
    fn a_longer_gap_begins_a_session() {
        check(
            &[Some(0), Some(30), Some(61), Some(61), Some(90), Some(200)],
            &[1, 1, 2, 2, 2, 3].map(Some),
        );
        check(&[], &[]);
        check(&[None, None], &[None, None]);
    }

    #[test]
    fn null_instants_are_of_no_session_and_end_none() {
        check(
            &[None, Some(0), None, Some(20), None],
            &[None, Some(1), None, Some(1), None],
        );
    }

    #[test]
    fn the_order_is_that_of_the_instants() {
        check(
            &[Some(200), Some(61), Some(0), Some(30)],
            &[Some(3), Some(2), Some(1), Some(1)],
        );
    }

    #[test]
    fn wrong_gaps_are_errors() {
        check_error(&gaps(None, 2), "is null");
        check_error(&gaps(Some(IntervalMonthDayNano::new(0, -1, 0)), 2), "is negative");
        check_error(
            &gaps(Some(IntervalMonthDayNano::new(1, 0, 0)), 2),
            "has months, which have no fixed length",
        );
        let two =
            IntervalMonthDayNanoArray::from(vec![half_an_hour(), Some(IntervalMonthDayNano::new(0, 1, 0))]);
        let error = Sessions
            .evaluate_all(&[minutes(&[Some(0), Some(1)]), Arc::new(two)], 2)
            .unwrap_err();
        assert_eq!(
            own_message(&error),
            "argument \"gap\" of function sessionize must be constant"
        );
    }

    proptest! {
        #[test]
        fn events_share_a_session_when_no_gap_between_them_is_longer(mut at in prop::collection::vec(0..500_i64, 1..40)) {
            at.sort();
            let instants: Vec<Option<i64>> = at.iter().map(|at| Some(*at)).collect();
            let values = [minutes(&instants), gaps(half_an_hour(), at.len())];
            let answer = Sessions.evaluate_all(&values, at.len()).unwrap();
            let sessions = columns::primitive::<arrow::datatypes::Int64Type>(&answer).unwrap();
            prop_assert_eq!(sessions.value(0), 1);
            for (row, pair) in at.windows(2).enumerate() {
                let step = sessions.value(row + 1) - sessions.value(row);
                prop_assert_eq!(step, i64::from(pair[1] - pair[0] > 30));
            }
        }
    }
}
