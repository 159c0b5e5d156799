//! `sum` with the types of Postgres: of integer bigint, of bigint numeric, so that no sum wraps around.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, Expr, GroupsAccumulator,
    ReversedUDAF, Signature, Volatility, udaf_default_schema_name,
};

/// The function, in the place of the engine's.
pub(crate) fn function() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Sum {
        engine: sum_udaf(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

/// The engine's function adds; numbers are brought into a type that holds their sum before.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Sum {
    engine: Arc<AggregateUDF>,
    signature: Signature,
}

/// The type in which values of a type are added, and which their sum has.
pub(super) fn added_as(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int16 | DataType::Int32 => DataType::Int64,
        DataType::Int64 => DataType::Decimal128(38, 0),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => DataType::Decimal128(38.min(precision + 10), *scale),
        DataType::Decimal256(_, scale) => DataType::Decimal256(76, *scale),
        other => other.clone(),
    }
}

/// The type of the argument that numbers of a type are taken as; none for what cannot be added.
pub(super) fn number_as(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::Null => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => data_type.clone(),
        DataType::Dictionary(_, values) => number_as(values)?,
        _ => return None,
    })
}

/// The arguments under which the engine's `sum` adds values of `added`.
pub(super) fn widened<'a>(
    args: &AccumulatorArgs<'a>,
    fields: &'a [FieldRef],
    added: &DataType,
) -> AccumulatorArgs<'a> {
    AccumulatorArgs {
        return_field: Arc::new(Field::new(args.return_field.name(), added.clone(), true)),
        schema: args.schema,
        ignore_nulls: args.ignore_nulls,
        order_bys: args.order_bys,
        is_reversed: args.is_reversed,
        name: args.name,
        is_distinct: args.is_distinct,
        exprs: args.exprs,
        expr_fields: fields,
    }
}

/// The field of the only argument, in the type in which it is added.
pub(super) fn added_field(args: &AccumulatorArgs<'_>) -> Result<FieldRef> {
    match args.expr_fields {
        [field, ..] => Ok(Arc::new(
            field.as_ref().clone().with_data_type(added_as(field.data_type())),
        )),
        [] => plan_err!("{} takes one argument", args.name),
    }
}

/// The name of a call, which the engine gives without the casts in it: `sum(x)` and `sum(x::numeric)` are two.
pub(super) fn named(function: &impl AggregateUDFImpl, params: &AggregateFunctionParams) -> Result<String> {
    let name = udaf_default_schema_name(function, params)?;
    let casts = params
        .args
        .iter()
        .map(|argument| argument.exists(|expr| Ok(matches!(expr, Expr::Cast(_)))))
        .collect::<Result<Vec<_>>>()?;
    if !casts.contains(&true) {
        return Ok(name);
    }
    let arguments: Vec<String> = params.args.iter().map(ToString::to_string).collect();
    Ok(format!("{name} of {}", arguments.join(", ")))
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        named(self, params)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        taken_as("sum", arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [argument] => Ok(added_as(argument)),
            _ => plan_err!("function sum takes one argument"),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let field = added_field(&args)?;
        let added = field.data_type().clone();
        let inner = self
            .engine
            .accumulator(widened(&args, std::slice::from_ref(&field), &added))?;
        Ok(Box::new(Widened { inner, added }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let field = added_field(&args)?;
        let added = field.data_type().clone();
        let inner =
            self.engine
                .create_sliding_accumulator(widened(&args, std::slice::from_ref(&field), &added))?;
        Ok(Box::new(Widened { inner, added }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.engine.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let field = added_field(&args)?;
        let added = field.data_type().clone();
        let inner =
            self.engine
                .create_groups_accumulator(widened(&args, std::slice::from_ref(&field), &added))?;
        Ok(Box::new(WidenedGroups { inner, added }))
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

fn wide(values: &[ArrayRef], added: &DataType) -> Result<Vec<ArrayRef>> {
    values.iter().map(|values| Ok(cast(values, added)?)).collect()
}

/// An accumulator over values that are brought into another type first.
#[derive(Debug)]
struct Widened {
    inner: Box<dyn Accumulator>,
    added: DataType,
}

impl Accumulator for Widened {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(&wide(values, &self.added)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(&wide(values, &self.added)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }
}

/// The same for many groups.
struct WidenedGroups {
    inner: Box<dyn GroupsAccumulator>,
    added: DataType,
}

impl GroupsAccumulator for WidenedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.inner
            .update_batch(&wide(values, &self.added)?, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.inner.evaluate(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&wide(values, &self.added)?, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// As what an aggregate of numbers or intervals takes its argument.
pub(super) fn taken_as(name: &str, arguments: &[DataType]) -> Result<Vec<DataType>> {
    match arguments {
        [interval @ (DataType::Interval(_) | DataType::Duration(_))] => Ok(vec![interval.clone()]),
        [argument] => match number_as(argument) {
            Some(number) => Ok(vec![number]),
            None => plan_err!("Function '{name}' failed to match any signature (DataType: {argument})"),
        },
        _ => plan_err!("function {name} takes one argument"),
    }
}
