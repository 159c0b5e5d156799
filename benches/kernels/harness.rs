//! Calls as an engine plans and makes them, and how the benches measure them.

use std::{hint::black_box, sync::Arc, time::Instant};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, IntervalMonthDayNanoArray, StringViewArray},
    datatypes::{DataType, Field, FieldRef, IntervalMonthDayNano, Schema},
};
use bench_support::say;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use datafusion_common::{Result, ScalarValue, config::ConfigOptions, exec_err};
use datafusion_expr::{
    AggregateUDF, ColumnarValue, EmitTo, GroupsAccumulator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    function::AccumulatorArgs,
};

use crate::{
    data::{GROUPS, ROWS},
    peers::Packed,
};

/// A call of a scalar function, planned.
pub(crate) struct Call {
    function: ScalarUDF,
    args: ScalarFunctionArgs,
}

impl Call {
    /// Refuses arguments that an engine would have to cast, so that no bench measures what no query runs.
    pub(crate) fn try_new(function: impl Into<ScalarUDF>, args: Vec<ColumnarValue>) -> Result<Self> {
        let function = function.into();
        let types: Vec<DataType> = args.iter().map(ColumnarValue::data_type).collect();
        if function.coerce_types(&types)? != types {
            return exec_err!("{} would not be called with {types:?}", function.name());
        }
        let arg_fields = fields(types);
        let scalars: Vec<Option<&ScalarValue>> = args
            .iter()
            .map(|argument| match argument {
                ColumnarValue::Scalar(scalar) => Some(scalar),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let return_field = function.return_field_from_args(ReturnFieldArgs {
            arg_fields: &arg_fields,
            scalar_arguments: &scalars,
        })?;
        let args = ScalarFunctionArgs {
            args,
            arg_fields,
            number_rows: ROWS,
            return_field,
            config_options: Arc::new(ConfigOptions::default()),
        };
        Ok(Self { function, args })
    }

    /// One batch. The copy of the arguments is of pointers, as the engine makes one for every batch.
    pub(crate) fn run(&self) -> Result<ArrayRef> {
        self.function
            .invoke_with_args(self.args.clone())?
            .into_array(ROWS)
    }
}

/// The arguments of an aggregate for some rows, and the group of each row.
pub(crate) struct Batch {
    pub(crate) arguments: Vec<ArrayRef>,
    pub(crate) groups: Vec<usize>,
}

/// A call of an aggregate function, planned.
pub(crate) struct Aggregation {
    function: AggregateUDF,
    schema: Schema,
    fields: Vec<FieldRef>,
    return_field: FieldRef,
}

impl Aggregation {
    /// Refuses arguments that an engine would have to cast, and a function without an accumulator of groups.
    pub(crate) fn try_new(function: impl Into<AggregateUDF>, batches: &[Batch]) -> Result<Self> {
        let function = function.into();
        let arguments = batches
            .first()
            .map(|batch| batch.arguments.as_slice())
            .unwrap_or_default();
        let types: Vec<DataType> = arguments
            .iter()
            .map(|argument| argument.data_type().clone())
            .collect();
        if function.coerce_types(&types)? != types {
            return exec_err!("{} would not be called with {types:?}", function.name());
        }
        let fields = fields(types);
        let aggregation = Self {
            return_field: function.return_field(&fields)?,
            schema: Schema::new(fields.clone()),
            fields,
            function,
        };
        if !aggregation
            .function
            .groups_accumulator_supported(aggregation.arguments())
        {
            return exec_err!("{} has no accumulator of groups", aggregation.function.name());
        }
        Ok(aggregation)
    }

    pub(crate) fn run(&self, batches: &[Batch]) -> Result<ArrayRef> {
        self.updated(batches)?.evaluate(EmitTo::All)
    }

    pub(crate) fn two_phases(&self, batches: &[Batch]) -> Result<ArrayRef> {
        let state = self.updated(batches)?.state(EmitTo::All)?;
        let groups: Vec<usize> = (0..GROUPS).collect();
        let mut last = self.accumulator()?;
        last.merge_batch(&state, &groups, GROUPS)?;
        last.evaluate(EmitTo::All)
    }

    fn updated(&self, batches: &[Batch]) -> Result<Box<dyn GroupsAccumulator>> {
        let mut accumulator = self.accumulator()?;
        for batch in batches {
            accumulator.update_batch(&batch.arguments, &batch.groups, None, GROUPS)?;
        }
        Ok(accumulator)
    }

    fn accumulator(&self) -> Result<Box<dyn GroupsAccumulator>> {
        self.function.create_groups_accumulator(self.arguments())
    }

    fn arguments(&self) -> AccumulatorArgs<'_> {
        AccumulatorArgs {
            return_field: Arc::clone(&self.return_field),
            schema: &self.schema,
            ignore_nulls: false,
            order_bys: &[],
            is_reversed: false,
            name: self.function.name(),
            is_distinct: false,
            exprs: &[],
            expr_fields: &self.fields,
        }
    }
}

/// A kernel and what it is measured beside. At its end it prints how many times as long as the peer the kernel takes.
pub(crate) struct Group<'a> {
    benches: BenchmarkGroup<'a, WallTime>,
    name: &'a str,
    /// By who and case, the least seconds of a run.
    least: Vec<(String, String, f64)>,
}

pub(crate) fn group<'a>(criterion: &'a mut Criterion, name: &'a str, rows: usize) -> Group<'a> {
    let mut benches = criterion.benchmark_group(name);
    benches.throughput(Throughput::Elements(rows as u64));
    Group {
        benches,
        name,
        least: Vec::new(),
    }
}

pub(crate) fn measure<O>(group: &mut Group<'_>, who: &str, case: &str, mut routine: impl FnMut() -> O) {
    let mut least = f64::INFINITY;
    group
        .benches
        .bench_function(BenchmarkId::new(who, case), |bencher| {
            bencher.iter_custom(|runs| {
                let start = Instant::now();
                for _ in 0..runs {
                    black_box(routine());
                }
                let elapsed = start.elapsed();
                least = least.min(elapsed.as_secs_f64() / runs as f64);
                elapsed
            });
        });
    group.least.push((who.to_owned(), case.to_owned(), least));
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        let peer = |case: &str| {
            let mut found = self.least.iter();
            found.find(|(who, of, least)| who == "peer" && of == case && least.is_finite())
        };
        for (who, case, least) in self.least.iter().filter(|(who, ..)| who != "peer") {
            if let Some((.., peer)) = peer(case).filter(|_| least.is_finite()) {
                say(format_args!(
                    "{}/{who}/{case}: ratio to the peer {:.2}",
                    self.name,
                    least / peer
                ));
            }
        }
    }
}

pub(crate) fn agree(what: &str, kernel: &ArrayRef, peer: &ArrayRef) -> Result<()> {
    if kernel != peer {
        return exec_err!("{what}: kernel and peer do not agree");
    }
    Ok(())
}

fn fields(types: Vec<DataType>) -> Vec<FieldRef> {
    let field = |(at, data_type)| -> FieldRef { Field::new(format!("a{at}"), data_type, true).into() };
    types.into_iter().enumerate().map(field).collect()
}

pub(crate) fn column(array: impl Array + 'static) -> ColumnarValue {
    ColumnarValue::Array(Arc::new(array))
}

pub(crate) fn texts(texts: &[Option<String>]) -> ColumnarValue {
    column(texts.iter().map(Option::as_deref).collect::<StringViewArray>())
}

pub(crate) fn truths(truths: impl Iterator<Item = bool>) -> BooleanArray {
    BooleanArray::from(truths.collect::<Vec<_>>())
}

pub(crate) fn interval(interval: IntervalMonthDayNano, rows: usize) -> IntervalMonthDayNanoArray {
    IntervalMonthDayNanoArray::from_value(interval, rows)
}

pub(crate) fn unpacked(packed: &Packed) -> ArrayRef {
    Arc::new(packed.iter().collect::<StringViewArray>())
}
