//! Aggregates that ask of their values in order: `percentile_cont`, `percentile_disc` and `mode`
//! (`orderedsetaggs.c`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::{SortOptions, concat, filter, is_not_null, partition, sort_to_indices, take};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::percentile_cont::percentile_cont_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Documentation, Signature, Volatility,
};
use perennial_base::ErrorClass;

use super::raised;

/// The functions, of which the engine has the first with fewer digits.
pub(super) fn functions() -> impl Iterator<Item = Arc<AggregateUDF>> {
    [Asked::Continuous, Asked::Discrete, Asked::Mode]
        .into_iter()
        .map(|asked| {
            Arc::new(AggregateUDF::from(OrderedSet {
                asked,
                engine: (asked == Asked::Continuous).then(percentile_cont_udaf),
                signature: Signature::user_defined(Volatility::Immutable),
            }))
        })
}

/// What is asked of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    /// The value at a fraction of the way, between two values where it is there.
    Continuous,
    /// The first value that a fraction of all does not go beyond.
    Discrete,
    /// The most frequent value, the first of several.
    Mode,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OrderedSet {
    asked: Asked,
    /// The engine's function of the name, which tells what it is for. It has the other names of it too: under one that is left
    /// it would come back.
    engine: Option<Arc<AggregateUDF>>,
    signature: Signature,
}

impl AggregateUDFImpl for OrderedSet {
    fn name(&self) -> &'static str {
        match self.asked {
            Asked::Continuous => "percentile_cont",
            Asked::Discrete => "percentile_disc",
            Asked::Mode => "mode",
        }
    }

    fn aliases(&self) -> &[String] {
        self.engine.as_ref().map_or(&[], |engine| engine.aliases())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.as_ref()?.documentation()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match (self.asked, arguments) {
            (Asked::Continuous, [value, _]) if value.is_numeric() || value.is_null() => {
                Ok(vec![DataType::Float64, DataType::Float64])
            }
            // Their order is not that of their parts.
            (Asked::Discrete | Asked::Mode, [DataType::Interval(_), ..]) => Err(raised(
                ErrorClass::Unsupported,
                format!("{} of intervals", self.name()),
            )),
            (Asked::Discrete, [value, fraction]) if fraction.is_numeric() || fraction.is_null() => {
                Ok(vec![value.clone(), DataType::Float64])
            }
            (Asked::Mode, [value]) => Ok(vec![value.clone()]),
            _ => {
                let types: Vec<String> = arguments.iter().rev().map(crate::error::type_name).collect();
                let message = format!("function {}({}) does not exist", self.name(), types.join(", "));
                Err(raised(ErrorClass::UndefinedFunction, message))
            }
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let value = args
            .input_fields
            .first()
            .map_or(DataType::Null, |field| field.data_type().clone());
        let list = DataType::List(Arc::new(Field::new_list_field(value, true)));
        Ok(vec![Arc::new(Field::new(
            format_state_name(args.name, "values"),
            list,
            true,
        ))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let fraction = match (self.asked, args.exprs) {
            (Asked::Mode, _) => Some(0.0),
            (_, [_, fraction]) => {
                match fraction.evaluate(&RecordBatch::new_empty(Arc::new(args.schema.clone())))? {
                    ColumnarValue::Scalar(ScalarValue::Float64(fraction)) => fraction,
                    _ => {
                        let message = "the fraction of a percentile has to be a constant";
                        return Err(raised(ErrorClass::Unsupported, message));
                    }
                }
            }
            _ => None,
        };
        if let Some(fraction) = fraction.filter(|fraction| !(0.0..=1.0).contains(fraction)) {
            let message = format!("percentile value {fraction} is not between 0 and 1");
            return Err(raised(ErrorClass::NumericOverflow, message));
        }
        Ok(Box::new(Values {
            asked: self.asked,
            fraction,
            descending: args.order_bys.first().is_some_and(|sort| sort.options.descending),
            data_type: args
                .expr_fields
                .first()
                .map_or(DataType::Null, |field| field.data_type().clone()),
            values: Vec::new(),
            bytes: 0,
        }))
    }
}

/// The values of a group, without nulls.
#[derive(Debug)]
struct Values {
    asked: Asked,
    fraction: Option<f64>,
    descending: bool,
    data_type: DataType,
    values: Vec<ArrayRef>,
    /// The memory that they take.
    bytes: usize,
}

impl Values {
    fn take_in(&mut self, values: &ArrayRef) -> Result<()> {
        let present = match values.logical_null_count() {
            0 => Arc::clone(values),
            _ => filter(values, &is_not_null(values)?)?,
        };
        if present.is_empty() {
            return Ok(());
        }
        // What is given may be a few rows of a large batch. Pieces are put together with such that are no longer.
        let none = new_empty_array(present.data_type());
        let mut piece = concat(&[&present, &none])?;
        while let Some(last) = self.values.pop_if(|last| last.len() <= piece.len()) {
            self.bytes -= last.get_array_memory_size();
            piece = concat(&[&last, &piece])?;
        }
        self.bytes += piece.get_array_memory_size();
        self.values.push(piece);
        Ok(())
    }

    fn together(&self) -> Result<ArrayRef> {
        let values: Vec<&dyn Array> = self.values.iter().map(AsRef::as_ref).collect();
        match values.as_slice() {
            [] => Ok(new_empty_array(&self.data_type)),
            values => Ok(concat(values)?),
        }
    }

    fn sorted(&self) -> Result<ArrayRef> {
        let values = self.together()?;
        let options = SortOptions {
            descending: self.descending,
            nulls_first: false,
        };
        let indices = sort_to_indices(&values, Some(options), None)?;
        Ok(take(&values, &indices, None)?)
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.take_in(values))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first().and_then(|state| state.as_list_opt::<i32>()) else {
            return Ok(());
        };
        lists
            .iter()
            .flatten()
            .try_for_each(|values| self.take_in(&values))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = SingleRowListArrayBuilder::new(self.together()?);
        Ok(vec![list.with_nullable(true).build_list_scalar()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (Some(fraction), false) = (self.fraction, self.values.is_empty()) else {
            return ScalarValue::try_from(&self.data_type);
        };
        let sorted = self.sorted()?;
        let count = sorted.len();
        match self.asked {
            Asked::Continuous => {
                let values = sorted.as_primitive::<Float64Type>();
                let place = fraction * (count - 1) as f64;
                let (low, high): (f64, f64) = (
                    values.value(place.floor() as usize),
                    values.value(place.ceil() as usize),
                );
                if place.floor() == place.ceil() {
                    return Ok(ScalarValue::Float64(Some(low)));
                }
                Ok(ScalarValue::Float64(Some(
                    low + (place - place.floor()) * (high - low),
                )))
            }
            Asked::Discrete => {
                let place = (fraction * count as f64).ceil().max(1.0) as usize - 1;
                ScalarValue::try_from_array(&sorted, place)
            }
            Asked::Mode => {
                let runs = partition(&[Arc::clone(&sorted)])?.ranges();
                // Of several that are longest the first.
                let longest = runs.iter().rev().max_by_key(|run| run.len());
                ScalarValue::try_from_array(&sorted, longest.map_or(0, |run| run.start))
            }
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }
}
