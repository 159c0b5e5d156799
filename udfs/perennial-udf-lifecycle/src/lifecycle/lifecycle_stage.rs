//! The stage of a customer whose facts are counted already.
//!
//! # Signature
//! `lifecycle_stage(orders bigint, last_order_at timestamp, as_of timestamp [, identified boolean,
//! orders_last_365_days bigint, nps_latest numeric, referrals_last_365_days bigint, returned_at timestamp, closed boolean,
//! active interval, lapse interval]) → text`; null if `as_of` is null, or there are orders and no
//! `last_order_at` at or before it.
//! # Shape
//! n rows in, n rows out.
//! # Units
//! Windows are lengths of time: days of 24 hours, no months. A timestamp without time zone is read in UTC.
//! # Definition
//! The default model ([`StageModel::default_model`]), decided by the evaluator that decides everywhere, over what the
//! arguments say of the moment `as_of`. A `returned_at` after it is none, and counts are those of
//! facts until it. An optional
//! argument that is null or not given: not identified, not closed, no such orders, answers, referrals or return; windows of 90
//! and 180 days.
//! # Errors
//! Invalid argument when a count is negative, or a window is negative or has months.
//! # Cost
//! O(1), without an allocation.
//! # Source
//! Our own; the names of the stages are the field's.
//! # Example
//! `SELECT lifecycle_stage(1, '2026-01-01', '2026-02-01')` gives `conversion`.

mod snapshot;

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, StringViewBuilder},
    datatypes::{
        ArrowPrimitiveType, DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
        TimestampMicrosecondType,
    },
};
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};
use datafusion_macros::user_doc;
use perennial_udf_kit::{
    FunctionError, Kind, Parameter, Parameters,
    columns::{self, Booleans, Column},
};

use self::snapshot::Snapshot;
use crate::model::{Answer, StageModel};

const PARAMETERS: Parameters = Parameters {
    function: "lifecycle_stage",
    syntax: "lifecycle_stage(orders bigint, last_order_at timestamp, as_of timestamp [, identified boolean, orders_last_365_days bigint, nps_latest numeric, referrals_last_365_days bigint, returned_at timestamp, closed boolean, active interval, lapse interval])",
    required: &[
        Parameter::new("orders", Kind::Integer),
        Parameter::new("last_order_at", Kind::Timestamp),
        Parameter::new("as_of", Kind::Timestamp),
    ],
    optional: &[
        Parameter::new("identified", Kind::Boolean),
        Parameter::new("orders_last_365_days", Kind::Integer),
        Parameter::new("nps_latest", Kind::Float),
        Parameter::new("referrals_last_365_days", Kind::Integer),
        Parameter::new("returned_at", Kind::Timestamp),
        Parameter::new("closed", Kind::Boolean),
        Parameter::new("active", Kind::Interval),
        Parameter::new("lapse", Kind::Interval),
    ],
    rest: None,
    last: None,
};

const DAY: i64 = 86_400_000_000;
const ACTIVE: i64 = 90 * DAY;
const LAPSE: i64 = 180 * DAY;

static MODEL: LazyLock<StageModel> = LazyLock::new(StageModel::default_model);

/// The SQL function `lifecycle_stage`.
#[user_doc(
    doc_section(label = "lifecycle"),
    description = "The stage of a customer at a moment, by the rules of the default lifecycle model, for facts that are counted already: terminated, lapsed, at_risk, advocacy, loyalty, won_back, retention, conversion, acquisition or awareness. Optional arguments may be null or left out; those behind one that is left out are given by name. Null when as_of is null, or when there are orders and no last_order_at, or one after as_of.",
    syntax_example = "lifecycle_stage(orders bigint, last_order_at timestamp, as_of timestamp [, identified boolean, orders_last_365_days bigint, nps_latest numeric, referrals_last_365_days bigint, returned_at timestamp, closed boolean, active interval, lapse interval]) → text",
    sql_example = r#"```sql
SELECT as_of, lifecycle_stage(1, timestamp '2026-01-01', as_of) AS stage
FROM (VALUES (timestamp '2026-03-31'), (timestamp '2026-04-01'), (timestamp '2026-06-30')) AS moments(as_of)
ORDER BY as_of;
+---------------------+------------+
| as_of               | stage      |
+---------------------+------------+
| 2026-03-31 00:00:00 | conversion |
| 2026-04-01 00:00:00 | at_risk    |
| 2026-06-30 00:00:00 | lapsed     |
+---------------------+------------+
```"#,
    argument(name = "orders", description = "How many orders count; null is 0."),
    argument(
        name = "last_order_at",
        description = "When the last of them was placed. Silence is the time since then; it is not looked at without orders."
    ),
    argument(
        name = "as_of",
        description = "The moment asked about. The other arguments say what was known then."
    ),
    argument(
        name = "identified",
        description = "Whether a strong identifier is known (e-mail, phone, user id)."
    ),
    argument(
        name = "orders_last_365_days",
        description = "How many of the orders were placed within 365 days; loyalty needs 3."
    ),
    argument(
        name = "nps_latest",
        description = "The latest NPS score, if given within 365 days; advocacy needs 9."
    ),
    argument(
        name = "referrals_last_365_days",
        description = "Referrals within 365 days; advocacy needs one."
    ),
    argument(
        name = "returned_at",
        description = "When an order last ended a lapse; won_back is a return within the active window."
    ),
    argument(
        name = "closed",
        description = "Whether the relationship was ended, and no order came after it."
    ),
    argument(
        name = "active",
        description = "Silence below which a customer is active; 90 days. Without months."
    ),
    argument(
        name = "lapse",
        description = "Silence from which a customer has lapsed; 180 days. Without months."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct LifecycleStage {
    signature: Signature,
}

impl LifecycleStage {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for LifecycleStage {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for LifecycleStage {
    fn name(&self) -> &str {
        PARAMETERS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(arg_types)?;
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = Arguments::try_new(&args.args)?;
        let rows = columns::rows(&args);
        let mut stages = StringViewBuilder::with_capacity(rows);
        for row in 0..rows {
            let stage = arguments.at(row)?.map(|snapshot| MODEL.stage_of(&snapshot));
            stages.append_option(stage.and_then(|stage| MODEL.stage_name(stage)));
        }
        let stages: ArrayRef = Arc::new(stages.finish());
        columns::answer(&args, stages)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(PARAMETERS.coerce(arg_types))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The arguments, by row.
struct Arguments {
    orders: Column<Int64Type>,
    last_order_at: Column<TimestampMicrosecondType>,
    as_of: Column<TimestampMicrosecondType>,
    identified: Option<Booleans>,
    orders_last_365_days: Option<Column<Int64Type>>,
    nps_latest: Option<Column<Float64Type>>,
    referrals_last_365_days: Option<Column<Int64Type>>,
    returned_at: Option<Column<TimestampMicrosecondType>>,
    closed: Option<Booleans>,
    active: Option<Column<IntervalMonthDayNanoType>>,
    lapse: Option<Column<IntervalMonthDayNanoType>>,
}

impl Arguments {
    fn try_new(arguments: &[ColumnarValue]) -> Result<Self> {
        let [orders, last_order_at, as_of, optional @ ..] = arguments else {
            return PARAMETERS.missing();
        };
        let mut optional = optional.iter();
        Ok(Self {
            orders: Column::try_new(orders)?,
            last_order_at: Column::try_new(last_order_at)?,
            as_of: Column::try_new(as_of)?,
            identified: optional.next().map(Booleans::try_new).transpose()?,
            orders_last_365_days: optional.next().map(Column::try_new).transpose()?,
            nps_latest: optional.next().map(Column::try_new).transpose()?,
            referrals_last_365_days: optional.next().map(Column::try_new).transpose()?,
            returned_at: optional.next().map(Column::try_new).transpose()?,
            closed: optional.next().map(Booleans::try_new).transpose()?,
            active: optional.next().map(Column::try_new).transpose()?,
            lapse: optional.next().map(Column::try_new).transpose()?,
        })
    }

    /// The facts of a row, or `None` when they do not tell a stage.
    fn at(&self, row: usize) -> Result<Option<Snapshot>> {
        let Some(as_of) = self.as_of.at(row) else {
            return Ok(None);
        };
        let orders = count("orders", self.orders.at(row))?;
        let age = |at: i64| as_of.saturating_sub(at);
        // What lies after the moment was not known at it: of a later order there is no silence, and so no stage.
        let known = |at: &i64| *at <= as_of;
        let last_order = self.last_order_at.at(row).filter(known).map(age);
        if orders > 0 && last_order.is_none() {
            return Ok(None);
        }
        let truth =
            |column: &Option<Booleans>| column.as_ref().and_then(|column| column.at(row)).unwrap_or(false);
        Ok(Some(Snapshot {
            orders,
            orders_last_365_days: count("orders_last_365_days", value(&self.orders_last_365_days, row))?,
            silence: last_order.filter(|_| orders > 0),
            identified: truth(&self.identified),
            // How long ago an answer was given within the last 365 days does not matter.
            nps: value(&self.nps_latest, row).map(|score| Answer { age: 0, score }),
            referrals_last_365_days: count(
                "referrals_last_365_days",
                value(&self.referrals_last_365_days, row),
            )?,
            returned: value(&self.returned_at, row).filter(known).map(age),
            closed: truth(&self.closed),
            active: window("active", value(&self.active, row), ACTIVE)?,
            lapse: window("lapse", value(&self.lapse, row), LAPSE)?,
        }))
    }
}

fn value<T: ArrowPrimitiveType>(column: &Option<Column<T>>, row: usize) -> Option<T::Native> {
    column.as_ref().and_then(|column| column.at(row))
}

fn count(argument: &'static str, count: Option<i64>) -> Result<u64> {
    let count = count.unwrap_or(0);
    u64::try_from(count).map_err(|_| {
        let (function, value) = (PARAMETERS.function, count.to_string());
        FunctionError::OutOfRange {
            function,
            argument,
            value,
            expected: "counts from 0 on",
        }
        .into()
    })
}

fn window(argument: &'static str, window: Option<IntervalMonthDayNano>, default: i64) -> Result<i64> {
    let Some(window) = window else { return Ok(default) };
    let invalid = |reason: &str| FunctionError::invalid(PARAMETERS.function, argument, reason);
    match columns::interval_micros(window) {
        Some(window) if window >= 0 => Ok(window),
        Some(_) => Err(invalid("is negative").into()),
        None => {
            let hint = "Say it in days, such as interval '90 days'.";
            Err(invalid("has months, which have no fixed length")
                .with_hint(hint)
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Float64Array, Int64Array, IntervalMonthDayNanoArray, StringViewArray,
        TimestampMicrosecondArray,
    };
    use datafusion_expr::ScalarUDF;
    use perennial_udf_kit::testing::{check_scalar, check_scalar_error};

    use super::*;

    fn counts(counts: &[Option<i64>]) -> ArrayRef {
        Arc::new(Int64Array::from(counts.to_vec()))
    }

    fn days(days: &[Option<i64>]) -> ArrayRef {
        let instants: TimestampMicrosecondArray = days.iter().map(|day| day.map(|day| day * DAY)).collect();
        Arc::new(instants.with_timezone("UTC"))
    }

    #[track_caller]
    fn check(arguments: &[ArrayRef], expected: &[Option<&str>]) {
        let expected: ArrayRef = Arc::new(StringViewArray::from(expected.to_vec()));
        check_scalar(&ScalarUDF::from(LifecycleStage::new()), arguments, &expected);
    }

    #[test]
    fn silence_decides_among_customers() {
        check(
            &[
                counts(&[
                    Some(1),
                    Some(1),
                    Some(1),
                    Some(1),
                    Some(2),
                    Some(0),
                    None,
                    Some(1),
                    Some(1),
                ]),
                days(&[
                    Some(0),
                    Some(0),
                    Some(0),
                    Some(0),
                    Some(0),
                    Some(0),
                    None,
                    None,
                    Some(0),
                ]),
                days(&[
                    Some(0),
                    Some(89),
                    Some(90),
                    Some(180),
                    Some(5),
                    Some(999),
                    Some(5),
                    Some(5),
                    None,
                ]),
            ],
            &[
                Some("conversion"),
                Some("conversion"),
                Some("at_risk"),
                Some("lapsed"),
                Some("retention"),
                Some("awareness"),
                Some("awareness"),
                None,
                None,
            ],
        );
    }

    #[test]
    fn every_fact_has_its_stage() {
        let none = [None; 7];
        let at = |row: usize, value| {
            let mut column = none;
            column[row] = Some(value);
            counts(&column)
        };
        let truth = |row: usize| -> ArrayRef {
            let mut column = [None; 7];
            column[row] = Some(true);
            Arc::new(BooleanArray::from(column.to_vec()))
        };
        let mut scores = [None; 7];
        scores[1] = Some(9.0);
        scores[3] = Some(8.0);
        let mut returns = none;
        returns[4] = Some(11);
        returns[5] = Some(10);
        check(
            &[
                counts(&[Some(0), Some(5), Some(5), Some(5), Some(5), Some(5), Some(5)]),
                days(&[None, Some(99), Some(99), Some(99), Some(99), Some(99), Some(99)]),
                days(&[Some(100); 7]),
                truth(0),
                at(3, 3),
                Arc::new(Float64Array::from(scores.to_vec())),
                at(2, 1),
                days(&returns),
                truth(6),
            ],
            &[
                Some("acquisition"),
                Some("advocacy"),
                Some("advocacy"),
                Some("loyalty"),
                Some("won_back"),
                Some("retention"),
                Some("terminated"),
            ],
        );
    }

    fn with_windows(
        active: Option<IntervalMonthDayNano>,
        lapse: Option<IntervalMonthDayNano>,
    ) -> Vec<ArrayRef> {
        let nothing = |data_type| arrow::array::new_null_array(&data_type, 1);
        let interval = |window| -> ArrayRef { Arc::new(IntervalMonthDayNanoArray::from(vec![window])) };
        let mut arguments = vec![counts(&[Some(1)]), days(&[Some(0)]), days(&[Some(20)])];
        arguments.extend((0..6).map(|_| nothing(DataType::Null)));
        arguments.extend([interval(active), interval(lapse)]);
        arguments
    }

    #[test]
    fn windows_can_be_chosen() {
        let days = |days| Some(IntervalMonthDayNano::new(0, days, 0));
        check(&with_windows(None, None), &[Some("conversion")]);
        check(&with_windows(days(20), None), &[Some("at_risk")]);
        check(&with_windows(days(21), None), &[Some("conversion")]);
        check(&with_windows(days(10), days(20)), &[Some("lapsed")]);
    }

    #[test]
    fn negative_counts_and_windows_without_a_length_are_errors() {
        let function = ScalarUDF::from(LifecycleStage::new());
        let arguments = [counts(&[Some(-1)]), days(&[None]), days(&[Some(0)])];
        check_scalar_error(&function, &arguments, "orders -1 is out of range");
        check_scalar_error(
            &function,
            &with_windows(Some(IntervalMonthDayNano::new(3, 0, 0)), None),
            "argument \"active\" of function lifecycle_stage has months, which have no fixed length",
        );
        check_scalar_error(
            &function,
            &with_windows(None, Some(IntervalMonthDayNano::new(0, -3, 0))),
            "argument \"lapse\" of function lifecycle_stage is negative",
        );
        check_scalar_error(
            &function,
            &[counts(&[Some(1)]), days(&[None])],
            "function lifecycle_stage(bigint, timestamp with time zone) does not exist",
        );
    }
}
