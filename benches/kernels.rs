//! What the functions cost as kernels: arrays in, arrays out, without an engine around them.
//!
//! Every group has the `kernel` as an engine calls it and a `peer`: the same answer, or the least work that any answer
//! needs, in plain Rust over raw values ([`peers`]). The distance of the two is what Arrow, null handling, validation and
//! our code cost. A peer that promises the same answer is held to it before anything is measured, so that no error and no
//! shortcut passes for speed.
//!
//! Scalar kernels get one batch of 8,192 rows. Aggregates get 16 such batches and 1,024 groups, and answer at the end;
//! `two_phases` also takes the state from one accumulator to another, as a plan with a repartition does. A time includes
//! the drop of the answer, as in an engine.

#[path = "kernels/data.rs"]
mod data;
#[path = "kernels/harness.rs"]
mod harness;
#[path = "kernels/peers.rs"]
mod peers;

use std::{hint::black_box, sync::Arc, time::Duration};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StringViewArray, StructArray,
        TimestampMicrosecondArray,
    },
    compute::concat,
    datatypes::{Float64Type, IntervalMonthDayNano},
};
use criterion::Criterion;
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::{ColumnarValue, WindowUDF, function::PartitionEvaluatorArgs};
use perennial_udf_behavior::behaviour::{sessionize::Sessionize, window_funnel::WindowFunnel};
use perennial_udf_identity::{identity::normalise_email::NormaliseEmail, privacy::mask_email::MaskEmail};
use perennial_udf_lifecycle::lifecycle::lifecycle_stage::LifecycleStage;
use perennial_udf_metrics::{acquisition::cac::Cac, satisfaction::nps::Nps};
use perennial_udf_predict::prediction::bgnbd_p_alive::BgnbdPAlive;

use crate::{
    data::{AS_OF, BATCHES, Customer, DAY, Event, GROUPS, MINUTE, NORMAL, ROWS},
    harness::{Aggregation, Batch, Call, agree, column, group, interval, measure, texts, truths, unpacked},
};

/// The allocator of the server: kernels that allocate for each row cost there what they cost here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BENCHES: [fn(&mut Criterion) -> Result<()>; 8] = [
    normalise_email,
    mask_email,
    lifecycle_stage,
    cac,
    nps,
    window_funnel,
    sessionize,
    bgnbd_p_alive,
];

fn main() -> Result<()> {
    // All of them in some three minutes; --measurement-time and --warm-up-time say otherwise.
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for bench in BENCHES {
        bench(&mut criterion)?;
    }
    criterion.final_summary();
    Ok(())
}

/// The peer trims and lowers, and looks at nothing else: it answers the same only for addresses that are normal already.
fn normalise_email(criterion: &mut Criterion) -> Result<()> {
    let mut group = group(criterion, "normalise_email", ROWS);
    for (case, addresses) in data::spellings() {
        let call = Call::try_new(NormaliseEmail::new(), vec![texts(&addresses)])?;
        let answer = call.run()?;
        if case == NORMAL {
            agree(
                "normalise_email",
                &answer,
                &unpacked(&peers::trimmed_lower(&addresses)),
            )?;
        }
        measure(&mut group, "kernel", case, || call.run());
        measure(&mut group, "peer", case, || {
            peers::trimmed_lower(black_box(&addresses))
        });
    }
    Ok(())
}

/// The peer cuts at the `@` without asking whether the text is an address, or normalising it.
fn mask_email(criterion: &mut Criterion) -> Result<()> {
    let mut group = group(criterion, "mask_email", ROWS);
    for (case, addresses) in data::spellings() {
        let call = Call::try_new(MaskEmail::new(), vec![texts(&addresses)])?;
        let answer = call.run()?;
        if case == NORMAL {
            agree("mask_email", &answer, &unpacked(&peers::masked(&addresses)))?;
        }
        measure(&mut group, "kernel", case, || call.run());
        measure(&mut group, "peer", case, || peers::masked(black_box(&addresses)));
    }
    Ok(())
}

fn lifecycle_stage(criterion: &mut Criterion) -> Result<()> {
    let customers = data::customers();
    let counts =
        |count: fn(&Customer) -> i64| column(Int64Array::from_iter_values(customers.iter().map(count)));
    let instants = |instant: fn(&Customer) -> Option<i64>| {
        column(
            customers
                .iter()
                .map(instant)
                .collect::<TimestampMicrosecondArray>(),
        )
    };
    let facts = |fact: fn(&Customer) -> bool| column(truths(customers.iter().map(fact)));
    let arguments = vec![
        counts(|c| c.orders),
        instants(|c| c.last_order_at),
        // The moment is now() or a constant, so a scalar.
        ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(AS_OF), None)),
        facts(|c| c.identified),
        counts(|c| c.orders_last_365_days),
        column(customers.iter().map(|c| c.nps_latest).collect::<Float64Array>()),
        counts(|c| c.referrals_last_365_days),
        instants(|c| c.returned_at),
        facts(|c| c.closed),
    ];
    let call = Call::try_new(LifecycleStage::new(), arguments)?;
    let expected: ArrayRef = Arc::new(StringViewArray::from(peers::stages(&customers, AS_OF)));
    agree("lifecycle_stage", &call.run()?, &expected)?;
    let mut group = group(criterion, "lifecycle_stage", ROWS);
    measure(&mut group, "kernel", "nine_facts", || call.run());
    measure(&mut group, "peer", "nine_facts", || {
        peers::stages(black_box(&customers), AS_OF)
    });
    Ok(())
}

/// The peer divides 64 bits, in which `numeric(18,4)` fits; the kernel divides 128.
fn cac(criterion: &mut Criterion) -> Result<()> {
    let (spend, customers) = data::campaigns();
    let money = |values: Decimal128Array, precision| values.with_precision_and_scale(precision, 4);
    let call = Call::try_new(
        Cac::new(),
        vec![
            column(money(
                spend.iter().copied().map(i128::from).map(Some).collect(),
                18,
            )?),
            column(Int64Array::from(customers.clone())),
        ],
    )?;
    let expected = peers::cac(&spend, &customers);
    let expected = money(expected.into_iter().map(|cac| cac.map(i128::from)).collect(), 38)?;
    agree("cac", &call.run()?, &(Arc::new(expected) as ArrayRef))?;
    let mut group = group(criterion, "cac", ROWS);
    measure(&mut group, "kernel", "money", || call.run());
    measure(&mut group, "peer", "money", || {
        peers::cac(black_box(&spend), black_box(&customers))
    });
    Ok(())
}

/// The peer is the floor: two counters per group, and nobody asks whether a score is one.
fn nps(criterion: &mut Criterion) -> Result<()> {
    let (scores, groups) = data::survey();
    let batches: Vec<Batch> = scores
        .chunks(ROWS)
        .zip(groups.chunks(ROWS))
        .map(|(scores, groups)| Batch {
            arguments: vec![Arc::new(scores.iter().copied().collect::<Float64Array>())],
            groups: groups.to_vec(),
        })
        .collect();
    let raw: Vec<f64> = scores.iter().map(|score| score.unwrap_or(f64::NAN)).collect();
    let aggregation = Aggregation::try_new(Nps::new(), &batches)?;
    let expected: ArrayRef = Arc::new(Float64Array::from(peers::nps(&raw, &groups, GROUPS)));
    agree("nps", &aggregation.run(&batches)?, &expected)?;
    agree("nps in two phases", &aggregation.two_phases(&batches)?, &expected)?;
    let mut group = group(criterion, "nps", ROWS * BATCHES);
    measure(&mut group, "kernel", "one_phase", || aggregation.run(&batches));
    measure(&mut group, "kernel", "two_phases", || {
        aggregation.two_phases(&batches)
    });
    measure(&mut group, "peer", "one_phase", || {
        peers::nps(black_box(&raw), &groups, GROUPS)
    });
    Ok(())
}

/// By customer and time as the lake stores facts, by time as they land, and in no order. The peer keeps one chain per
/// group instead of events; without an order it has to sort first.
fn window_funnel(criterion: &mut Criterion) -> Result<()> {
    let by_customer = data::events(ROWS * BATCHES, GROUPS);
    let by_time = data::by_time(&by_customer);
    let shuffled = data::shuffled(&by_customer);
    let expected: ArrayRef = Arc::new(Int64Array::from(peers::funnel(&by_customer, GROUPS, DAY)));
    let mut group = group(criterion, "window_funnel", ROWS * BATCHES);
    for (case, events) in [
        ("by_customer", &by_customer),
        ("by_time", &by_time),
        ("shuffled", &shuffled),
    ] {
        let peer = match case {
            "shuffled" => peers::funnel_shuffled,
            _ => peers::funnel,
        };
        let peer_answer: ArrayRef = Arc::new(Int64Array::from(peer(events, GROUPS, DAY)));
        agree("the peer of window_funnel", &peer_answer, &expected)?;
        let batches: Vec<Batch> = events.chunks(ROWS).map(funnel_batch).collect();
        let aggregation = Aggregation::try_new(WindowFunnel::new(), &batches)?;
        agree("window_funnel", &aggregation.run(&batches)?, &expected)?;
        agree(
            "window_funnel in two phases",
            &aggregation.two_phases(&batches)?,
            &expected,
        )?;
        measure(&mut group, "kernel", case, || aggregation.run(&batches));
        measure(&mut group, "kernel_two_phases", case, || {
            aggregation.two_phases(&batches)
        });
        measure(&mut group, "peer", case, || peer(black_box(events), GROUPS, DAY));
    }
    Ok(())
}

fn funnel_batch(events: &[Event]) -> Batch {
    let step =
        |step| -> ArrayRef { Arc::new(truths(events.iter().map(move |event| event.step == Some(step)))) };
    let instants = events.iter().map(|event| event.at);
    let mut arguments: Vec<ArrayRef> = vec![
        Arc::new(interval(IntervalMonthDayNano::new(0, 1, 0), events.len())),
        Arc::new(TimestampMicrosecondArray::from_iter_values(instants)),
    ];
    arguments.extend((0..data::STEPS).map(step));
    Batch {
        arguments,
        groups: events.iter().map(|event| event.customer).collect(),
    }
}

/// One long partition shows the cost of a row, many short ones (8 rows each on average) the cost of a partition.
fn sessionize(criterion: &mut Criterion) -> Result<()> {
    let gap = 30 * MINUTE;
    let one = data::events(ROWS, 1);
    let shuffled = data::shuffled(&one);
    let many = data::events(ROWS, GROUPS);
    let function = WindowUDF::from(Sessionize::new());
    let mut group = group(criterion, "sessionize", ROWS);
    for (case, events) in [
        ("one_partition", one),
        ("one_partition_shuffled", shuffled),
        ("many_partitions", many),
    ] {
        let instants: Vec<Vec<i64>> = events
            .chunk_by(|event, next| event.customer == next.customer)
            .map(|partition| partition.iter().map(|event| event.at).collect())
            .collect();
        let partitions: Vec<[ArrayRef; 2]> = instants
            .iter()
            .map(|partition| -> [ArrayRef; 2] {
                let gap = IntervalMonthDayNano::new(0, 0, gap * 1_000);
                [
                    Arc::new(TimestampMicrosecondArray::from(partition.clone())),
                    Arc::new(interval(gap, partition.len())),
                ]
            })
            .collect();
        let run = || -> Result<Vec<ArrayRef>> {
            let evaluate = |values: &[ArrayRef; 2]| {
                let [instants, _] = values;
                function
                    .partition_evaluator_factory(PartitionEvaluatorArgs::default())?
                    .evaluate_all(values, instants.len())
            };
            partitions.iter().map(evaluate).collect()
        };
        let peer = match case {
            "one_partition_shuffled" => peers::sessions_shuffled,
            _ => peers::sessions,
        };
        let answers = run()?;
        let answers: Vec<&dyn Array> = answers.iter().map(|answer| answer.as_ref()).collect();
        let expected: ArrayRef = Arc::new(Int64Array::from(peer(&instants, gap)));
        agree("sessionize", &concat(&answers)?, &expected)?;
        measure(&mut group, "kernel", case, run);
        measure(&mut group, "peer", case, || peer(black_box(&instants), gap));
    }
    Ok(())
}

/// A model is a constant when it is written down, and a column when a join brings it.
fn bgnbd_p_alive(criterion: &mut Criterion) -> Result<()> {
    let histories = data::histories();
    let parameter = |value| -> ArrayRef { Arc::new(Float64Array::from_iter_values(vec![value; ROWS])) };
    let [r, alpha, a, b] = data::MODEL.map(parameter);
    let models: ArrayRef = Arc::new(StructArray::try_from(vec![
        ("r", r),
        ("alpha", alpha),
        ("a", a),
        ("b", b),
    ])?);
    let constant = ColumnarValue::Scalar(ScalarValue::try_from_array(&models, 0)?);
    let expected = peers::p_alive(data::MODEL, &histories);
    let mut group = group(criterion, "bgnbd_p_alive", ROWS);
    for (case, model) in [
        ("one_model", constant),
        ("model_column", ColumnarValue::Array(models)),
    ] {
        let mut arguments = vec![model];
        arguments.extend([0, 1, 2].map(|part| {
            let values = histories.iter().map(|history| history.get(part).copied());
            column(values.collect::<Float64Array>())
        }));
        let call = Call::try_new(BgnbdPAlive::new(), arguments)?;
        let answer = call.run()?;
        let found = answer.as_primitive::<Float64Type>().values();
        // The kernel works in logarithms.
        if !found
            .iter()
            .zip(&expected)
            .all(|(kernel, peer)| (kernel - peer).abs() < 1e-9)
        {
            return exec_err!("bgnbd_p_alive: kernel and peer do not agree");
        }
        measure(&mut group, "kernel", case, || call.run());
    }
    measure(&mut group, "peer", "one_model", || {
        peers::p_alive(black_box(data::MODEL), black_box(&histories))
    });
    Ok(())
}
