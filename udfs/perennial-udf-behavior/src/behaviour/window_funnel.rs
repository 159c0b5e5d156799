//! How many steps of a funnel were made in order, within a time window.
//!
//! # Signature
//! `window_funnel(window interval, ts timestamp, step boolean [, step boolean …] [, mode text]) → bigint`, never null.
//! # Shape
//! Rows of one group to 1. State: the window and the mode (`Int64`, null before the first row) and two lists of `Int64`,
//! the instants and the fulfilled steps of the rows that matter.
//! # Units
//! The window is a length of time: days of 24 hours, no months.
//! # Definition
//! The longest chain of rows such that the first fulfils step 1, the next step 2, and so on, none before the one before
//! it, the last not later than the first plus the window (`≤`). A row makes one step only. Rows are taken in the order of
//! instant, then of the first step that they fulfil, then of all steps that they fulfil: the order in which they come
//! from a table does not matter. Null instants are ignored; a null step is not fulfilled.
//!
//! Modes, several of them separated by spaces or commas:
//! - `strict_increase`: each row must be later than the one before it, not only not earlier.
//! - `strict_deduplication`: a row that makes no further step, and fulfils one that was made before, ends the search.
//! - `strict_order`: after the first step, a row that fulfils no step, or none whose step before was made, ends the search.
//! # Errors
//! Invalid argument when the window is negative or has months, the mode does not exist, one of them differs between rows of
//! a group, or there are more than 32 steps. Not supported with DISTINCT: every event counts. ORDER BY inside of the
//! call changes nothing.
//! # Cost
//! O(n log n) time, 16 bytes of state per row that fulfils a step (per row in `strict_order`).
//! # Source
//! ClickHouse's `windowFunnel`, whose answers these are, but for two defects: there one row counts for two steps at
//! equal instants (ClickHouse 21835), and a repetition reset the level under strict_deduplication (fixed in 99003).
//! # Example
//! `SELECT window_funnel(interval '1 hour', ts, name = 'view', name = 'cart', name = 'buy') …` gives `2` for a customer who
//! put something into the cart and did not buy.

mod search;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, ListArray},
    buffer::{OffsetBuffer, ScalarBuffer},
    datatypes::{
        DataType, Field, FieldRef, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
        TimestampMicrosecondType,
    },
};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, Documentation, GroupsAccumulator, Signature,
    function::{AccumulatorArgs, StateFieldsArgs},
    utils::{AggregateOrderSensitivity, format_state_name},
};
use datafusion_macros::user_doc;
use perennial_udf_kit::{
    Fold, FunctionError, Groups, Kind, Parameter, Parameters, Single,
    columns::{self, Booleans, Column, Texts},
    every_row_counts,
};
use search::{Event, MAX_STEPS, Mode};

const PARAMETERS: Parameters = Parameters {
    function: "window_funnel",
    syntax: "window_funnel(window interval, ts timestamp, step boolean [, step boolean …] [, mode text])",
    required: &[
        Parameter::new("window", Kind::Interval),
        Parameter::new("ts", Kind::Timestamp),
        Parameter::new("step", Kind::Boolean),
    ],
    optional: &[],
    rest: Some(Parameter::new("step", Kind::Boolean)),
    last: Some(Parameter::new("mode", Kind::Text)),
};

/// The SQL function `window_funnel`.
#[user_doc(
    doc_section(label = "behaviour"),
    description = "How many steps of a funnel were made in order, all of them within a window that begins with the first. One row makes one step. Rows at one instant are taken in the order of the steps, whatever their order in the table. 0 when the first step was never made.",
    syntax_example = "window_funnel(window interval, ts timestamp, step boolean [, step boolean …] [, mode text]) → bigint",
    sql_example = r#"```sql
SELECT window_funnel(interval '1 hour', ts, name = 'view', name = 'cart', name = 'buy') AS steps
FROM (VALUES (timestamp '2026-01-01 10:00:00', 'view'), (timestamp '2026-01-01 10:20:00', 'cart'), (timestamp '2026-01-01 11:30:00', 'buy')) AS events(ts, name);
+-------+
| steps |
+-------+
| 2     |
+-------+
```"#,
    argument(
        name = "window",
        description = "How long after the first step the last one may come; a length of time without months, such as interval '7 days'."
    ),
    argument(
        name = "ts",
        description = "When the event happened. Rows without it are ignored."
    ),
    argument(
        name = "step",
        description = "Whether the event fulfils step 1, step 2, and so on; up to 32 steps."
    ),
    argument(
        name = "mode",
        description = "One or more, separated by spaces, of `strict_increase` (later, not at the same instant), `strict_deduplication` (a repeated step ends the search) and `strict_order` (any other event in between ends the search)."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct WindowFunnel {
    signature: Signature,
}

impl WindowFunnel {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for WindowFunnel {
    fn default() -> Self {
        Self::new()
    }
}

impl AggregateUDFImpl for WindowFunnel {
    fn name(&self) -> &str {
        PARAMETERS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(arg_types)?;
        let steps = arg_types
            .iter()
            .filter(|argument| **argument == DataType::Boolean)
            .count();
        if steps > MAX_STEPS {
            let reason = format!("stands {steps} times: there are at most {MAX_STEPS} steps");
            return Err(FunctionError::invalid(PARAMETERS.function, "step", reason).into());
        }
        Ok(DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        every_row_counts(&args)?;
        Ok(Box::new(Single::new(Funnel)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name, data_type| Field::new(format_state_name(args.name, name), data_type, true).into();
        Ok(vec![
            field("window", DataType::Int64),
            field("mode", DataType::Int64),
            field("instants", list_type()),
            field("steps", list_type()),
        ])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(Funnel)))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(PARAMETERS.coerce(arg_types))
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// What is constant over a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    /// In microseconds.
    window: i64,
    mode: Mode,
}

impl Settings {
    fn try_new(window: Option<IntervalMonthDayNano>, mode: Option<&str>) -> Result<Self> {
        let invalid = |reason: &str| FunctionError::invalid(PARAMETERS.function, "window", reason);
        let window = match window {
            None => return Err(invalid("is null").into()),
            Some(window) => match columns::interval_micros(window) {
                Some(window) if window >= 0 => window,
                Some(_) => return Err(invalid("is negative").into()),
                None => {
                    let hint = "Say it in days, such as interval '30 days'.";
                    return Err(invalid("has months, which have no fixed length")
                        .with_hint(hint)
                        .into());
                }
            },
        };
        let Some(mode) = Mode::read(mode.unwrap_or_default()) else {
            let reason = format!("is \"{}\", which is not a mode", mode.unwrap_or_default());
            let hint = "There are \"strict_increase\", \"strict_deduplication\" and \"strict_order\".";
            return Err(FunctionError::invalid(PARAMETERS.function, "mode", reason)
                .with_hint(hint)
                .into());
        };
        Ok(Self { window, mode })
    }
}

/// The events of a group that matter.
#[derive(Debug, Default)]
struct Journey {
    settings: Option<Settings>,
    events: Vec<Event>,
}

impl Journey {
    fn set(&mut self, settings: Settings) -> Result<()> {
        match self.settings {
            Some(before) if before != settings => {
                let argument = if before.window == settings.window {
                    "mode"
                } else {
                    "window"
                };
                Err(FunctionError::NotConstant {
                    function: PARAMETERS.function,
                    argument,
                }
                .into())
            }
            _ => {
                self.settings = Some(settings);
                Ok(())
            }
        }
    }
}

#[derive(Debug)]
struct Funnel;

struct Rows {
    windows: Column<IntervalMonthDayNanoType>,
    instants: Column<TimestampMicrosecondType>,
    steps: Vec<Booleans>,
    modes: Option<Texts>,
}

impl Fold for Funnel {
    type State = Journey;
    type Rows = Rows;

    fn rows(&self, arguments: &[ArrayRef]) -> Result<Rows> {
        let [window, instants, steps @ ..] = arguments else {
            return PARAMETERS.missing();
        };
        let column = |array: &ArrayRef| ColumnarValue::Array(Arc::clone(array));
        let (steps, mode) = match steps {
            [steps @ .., mode] if *mode.data_type() != DataType::Boolean => (steps, Some(mode)),
            steps => (steps, None),
        };
        Ok(Rows {
            windows: Column::try_new(&column(window))?,
            instants: Column::try_new(&column(instants))?,
            steps: steps
                .iter()
                .map(|step| Booleans::try_new(&column(step)))
                .collect::<Result<_>>()?,
            modes: mode.map(|mode| Texts::try_new(&column(mode))).transpose()?,
        })
    }

    fn add(&self, journey: &mut Journey, rows: &Rows, row: usize) -> Result<()> {
        let mode = rows.modes.as_ref().and_then(|modes| modes.at(row));
        let settings = Settings::try_new(rows.windows.at(row), mode)?;
        journey.set(settings)?;
        let Some(at) = rows.instants.at(row) else {
            return Ok(());
        };
        let steps = rows.steps.iter().rev().fold(0, |steps, step| {
            steps << 1 | u32::from(step.at(row) == Some(true))
        });
        if steps != 0 || settings.mode.ordered() {
            journey.events.push(Event { at, steps });
        }
        Ok(())
    }

    fn merge(&self, journey: &mut Journey, other: Journey) -> Result<()> {
        if let Some(settings) = other.settings {
            journey.set(settings)?;
        }
        journey.events.extend(other.events);
        Ok(())
    }

    fn save(&self, states: Vec<Journey>) -> Result<Vec<ArrayRef>> {
        let windows: Int64Array = states
            .iter()
            .map(|state| state.settings.map(|s| s.window))
            .collect();
        let modes: Int64Array = states
            .iter()
            .map(|state| state.settings.map(|s| s.mode.bits()))
            .collect();
        let lists = |value: fn(&Event) -> i64| -> Result<ArrayRef> {
            let lengths = OffsetBuffer::from_lengths(states.iter().map(|state| state.events.len()));
            let values: ScalarBuffer<i64> =
                states.iter().flat_map(|state| &state.events).map(value).collect();
            Ok(Arc::new(ListArray::try_new(
                list_item(),
                lengths,
                Arc::new(Int64Array::new(values, None)),
                None,
            )?))
        };
        let (instants, steps) = (lists(|event| event.at)?, lists(|event| i64::from(event.steps))?);
        Ok(vec![Arc::new(windows), Arc::new(modes), instants, steps])
    }

    fn load(&self, arrays: &[ArrayRef]) -> Result<Vec<Journey>> {
        let [windows, modes, instants, steps] = arrays else {
            return exec_err!("the state of window_funnel has 4 columns");
        };
        let (windows, modes) = (
            columns::primitive::<Int64Type>(windows)?,
            columns::primitive::<Int64Type>(modes)?,
        );
        let (Some(instants), Some(steps)) = (instants.as_list_opt::<i32>(), steps.as_list_opt::<i32>())
        else {
            return exec_err!("the state of window_funnel holds lists");
        };
        let rows = windows.iter().zip(&modes).zip(instants.iter().zip(steps.iter()));
        rows.map(|((window, mode), (instants, steps))| {
            let settings = window.zip(mode).map(|(window, mode)| Settings {
                window,
                mode: Mode::of_bits(mode),
            });
            let events = match instants.zip(steps) {
                Some((instants, steps)) => {
                    let (instants, steps) = (
                        columns::primitive::<Int64Type>(&instants)?,
                        columns::primitive::<Int64Type>(&steps)?,
                    );
                    let event = |(at, steps): (&i64, &i64)| Event {
                        at: *at,
                        steps: u32::try_from(*steps).unwrap_or(0),
                    };
                    instants.values().iter().zip(steps.values()).map(event).collect()
                }
                None => Vec::new(),
            };
            Ok(Journey { settings, events })
        })
        .collect()
    }

    fn answer(&self, states: &mut [Journey]) -> Result<ArrayRef> {
        let level = |state: &mut Journey| match state.settings {
            Some(Settings { window, mode }) => search::level(&mut state.events, window, mode),
            None => 0,
        };
        Ok(Arc::new(Int64Array::from_iter_values(
            states.iter_mut().map(level),
        )))
    }

    fn heap_size(state: &Journey) -> usize {
        state.events.capacity() * size_of::<Event>()
    }
}

fn list_item() -> FieldRef {
    Field::new_list_field(DataType::Int64, true).into()
}

fn list_type() -> DataType {
    DataType::List(list_item())
}

#[cfg(test)]
mod tests;
