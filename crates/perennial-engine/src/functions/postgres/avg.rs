//! `avg` with the types of Postgres: of integers and numerics numeric, as the sum divided by the count, to sixteen digits at
//! least; of double precision double precision; of intervals an interval.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    Signature, Volatility,
};

use super::sum::{self, added_as};
use super::{intervals, quotient};

/// The function, in the place of the engine's.
pub(crate) fn function() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Avg {
        engine: avg_udaf(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Avg {
    engine: Arc<AggregateUDF>,
    signature: Signature,
}

/// What an average is of.
fn exact(argument: &DataType) -> bool {
    argument.is_integer() || argument.is_decimal()
}

fn divided_by_count(argument: &DataType) -> bool {
    exact(argument) || matches!(argument, DataType::Interval(_))
}

/// A mean has no more digits before the point than the values that it is of.
fn mean_type(argument: &DataType) -> DataType {
    match argument {
        DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            quotient::data_type(quotient::whole_digits(argument), 0, 0)
        }
        decimal if decimal.is_decimal() => {
            quotient::data_type(quotient::whole_digits(decimal), quotient::scale(decimal), 0)
        }
        other => other.clone(),
    }
}

impl AggregateUDFImpl for Avg {
    fn name(&self) -> &'static str {
        "avg"
    }

    fn aliases(&self) -> &[String] {
        self.engine.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        sum::named(self, params)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        sum::taken_as("avg", arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [argument] => Ok(mean_type(argument)),
            _ => plan_err!("function avg takes one argument"),
        }
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
        let field = Field::new(self.name(), self.return_type(&types)?, true);
        Ok(Arc::new(match types.first() {
            Some(argument) if exact(argument) => quotient::shown(field, quotient::scale(argument)),
            _ => field,
        }))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.one(args, |function, args| function.accumulator(args))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.one(args, |function, args| function.create_sliding_accumulator(args))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let Some(argument) = args
            .input_fields
            .first()
            .filter(|field| divided_by_count(field.data_type()))
        else {
            return self.engine.state_fields(args);
        };
        let of = |function: &AggregateUDF, returns: DataType, name: &str| {
            function.state_fields(StateFieldsArgs {
                name,
                input_fields: args.input_fields,
                return_field: Arc::new(Field::new(name, returns, true)),
                ordering_fields: args.ordering_fields,
                is_distinct: args.is_distinct,
            })
        };
        let sum = format!("{}[sum]", args.name);
        let count = format!("{}[count]", args.name);
        let mut fields = of(&sum::function(), added_as(argument.data_type()), &sum)?;
        fields.extend(of(&count_udaf(), DataType::Int64, &count)?);
        Ok(fields)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match args.expr_fields {
            [field, ..] if exact(field.data_type()) => !args.is_distinct,
            [field, ..] if divided_by_count(field.data_type()) => false,
            _ => self.engine.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        if !matches!(args.expr_fields, [field, ..] if exact(field.data_type())) {
            return self.engine.create_groups_accumulator(args);
        }
        let mean = args.return_field.data_type().clone();
        let (sum, count) = parts(&args)?;
        let minimum = quotient::scale(
            args.expr_fields
                .first()
                .map_or(&DataType::Null, |field| field.data_type()),
        );
        Ok(Box::new(MeanGroups {
            sum: sum::function().create_groups_accumulator(sum)?,
            count: count_udaf().create_groups_accumulator(count)?,
            mean,
            minimum,
        }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.documentation()
    }
}

type Made = fn(&AggregateUDF, AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>>;

impl Avg {
    fn one(&self, args: AccumulatorArgs<'_>, made: Made) -> Result<Box<dyn Accumulator>> {
        if !matches!(args.expr_fields, [field, ..] if divided_by_count(field.data_type())) {
            return made(&self.engine, args);
        }
        let states = self
            .state_fields(StateFieldsArgs {
                name: args.name,
                input_fields: args.expr_fields,
                return_field: Arc::clone(&args.return_field),
                ordering_fields: &[],
                is_distinct: args.is_distinct,
            })?
            .len();
        let (sum, count) = parts(&args)?;
        let minimum = quotient::scale(
            args.expr_fields
                .first()
                .map_or(&DataType::Null, |field| field.data_type()),
        );
        Ok(Box::new(Mean {
            sum: made(&sum::function(), sum)?,
            count: made(&count_udaf(), count)?,
            split: states - states / 2,
            mean: args.return_field.data_type().clone(),
            minimum,
        }))
    }
}

/// The arguments of the sum, and those of the count.
fn parts<'a>(args: &AccumulatorArgs<'a>) -> Result<(AccumulatorArgs<'a>, AccumulatorArgs<'a>)> {
    let added = sum::added_field(args)?;
    Ok((
        sum::widened(args, args.expr_fields, added.data_type()),
        sum::widened(args, args.expr_fields, &DataType::Int64),
    ))
}

/// The mean of sums and counts; NULL over nothing.
fn mean(sums: &ArrayRef, counts: &ArrayRef, data_type: &DataType, minimum: i8) -> Result<ArrayRef> {
    if matches!(data_type, DataType::Interval(_)) {
        return intervals::divided(sums, counts);
    }
    quotient::divide(sums, counts, data_type, minimum)
}

#[derive(Debug)]
struct Mean {
    sum: Box<dyn Accumulator>,
    count: Box<dyn Accumulator>,
    /// How many of the states are the sum's.
    split: usize,
    mean: DataType,
    minimum: i8,
}

impl Accumulator for Mean {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.sum.update_batch(values)?;
        self.count.update_batch(values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.sum.retract_batch(values)?;
        self.count.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.sum.supports_retract_batch() && self.count.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (sum, count) = (self.sum.evaluate()?, self.count.evaluate()?);
        let mean = mean(&sum.to_array()?, &count.to_array()?, &self.mean, self.minimum)?;
        ScalarValue::try_from_array(&mean, 0)
    }

    fn size(&self) -> usize {
        self.sum.size() + self.count.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut state = self.sum.state()?;
        state.extend(self.count.state()?);
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (sums, counts) = states.split_at(self.split.min(states.len()));
        self.sum.merge_batch(sums)?;
        self.count.merge_batch(counts)
    }
}

struct MeanGroups {
    sum: Box<dyn GroupsAccumulator>,
    count: Box<dyn GroupsAccumulator>,
    mean: DataType,
    minimum: i8,
}

impl GroupsAccumulator for MeanGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sum.update_batch(values, groups, filter, total)?;
        self.count.update_batch(values, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (sums, counts) = (self.sum.evaluate(emit_to)?, self.count.evaluate(emit_to)?);
        mean(&sums, &counts, &self.mean, self.minimum)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let mut state = self.sum.state(emit_to)?;
        state.extend(self.count.state(emit_to)?);
        Ok(state)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        let (sums, counts) = values.split_at(1.min(values.len()));
        self.sum.merge_batch(sums, groups, total)?;
        self.count.merge_batch(counts, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut state = self.sum.convert_to_state(values, filter)?;
        state.extend(self.count.convert_to_state(values, filter)?);
        Ok(state)
    }

    fn size(&self) -> usize {
        self.sum.size() + self.count.size()
    }
}
