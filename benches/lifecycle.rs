//! All stages of all customers over ten years: the sweep of the stage model beside the SQL form on DuckDB.
//!
//! `cargo xtask bench lifecycle -- 1000000` takes the numbers of customers; the default is 100,000; above that each runs
//! once instead of three times. Both make the same facts from
//! the same numbers, in memory and outside of what is measured: orders, NPS answers, referrals and closings, no versions and no
//! subscriptions, so that the SQL can say what the model says. The intervals are compared before anything is printed.

use std::process::Command;
use std::time::Instant;

use bench_support::{Meter, Result, Samples, Table, arguments, python, run, say};
use perennial_udf_lifecycle::model::{
    CustomerFacts, Evaluator, Interval, Kind, NamedFact, OrderVersion, Score, StageModel,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DEFAULT: &str = "100000";
/// The argument with which the bench starts itself as the process that is measured.
const CHILD: &str = "sweep";
/// Above this, processes run once.
const ONCE_ABOVE: u64 = 100_000;
const DAY: i64 = 86_400_000_000;
/// 2016-01-01, and ten years of 365.25 days later.
const START: i64 = 1_451_606_400_000_000;
const END: i64 = START + 3_652 * DAY;
const ORDERS: [u64; 11] = [0, 0, 1, 1, 2, 3, 5, 8, 15, 30, 60];

fn main() -> Result<()> {
    let mut given = arguments();
    if given.first().is_some_and(|first| first == CHILD) {
        return child(given.get(1).map_or(DEFAULT, String::as_str).parse()?);
    }
    if given.is_empty() {
        given.push(DEFAULT.to_owned());
    }
    let mut table = Table::new(&[
        "customers",
        "facts",
        "intervals",
        "who",
        "wall s",
        "cpu s",
        "M facts/s",
        "peak MB",
        "wall ratio",
        "cpu ratio",
    ]);
    for size in given {
        let customers = size.replace('_', "");
        let mut ours = Measured::default();
        let mut peer = Measured::default();
        let runs = if customers.parse::<u64>()? > ONCE_ABOVE {
            1
        } else {
            3
        };
        for _ in 0..runs {
            let mut sweep = Command::new(std::env::current_exe()?);
            ours.add(sweep.arg(CHILD).arg(&customers))?;
            let mut script = Command::new(python()?);
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/lifecycle_duckdb.py");
            peer.add(script.arg(path).arg(&customers))?;
        }
        if ours.answer != peer.answer {
            return Err(format!(
                "the intervals differ: {:?}, and DuckDB's {:?}",
                ours.answer, peer.answer
            )
            .into());
        }
        for (who, measured) in [("perennial sweep", &ours), ("DuckDB SQL", &peer)] {
            let [facts, intervals, _] = &measured.answer;
            table.row([
                customers.clone(),
                facts.clone(),
                intervals.clone(),
                who.to_owned(),
                measured.wall.show(),
                measured.cpu.show(),
                format!("{:.1}", facts.parse::<f64>()? / measured.wall.median() / 1e6),
                format!("{:.0}", measured.peak.median()),
                format!("{:.2}", measured.wall.median() / peer.wall.median()),
                format!("{:.2}", measured.cpu.median() / peer.cpu.median()),
            ]);
        }
    }
    table.print();
    Ok(())
}

#[derive(Default)]
struct Measured {
    wall: Samples,
    cpu: Samples,
    peak: Samples,
    /// Facts, intervals and the sum that tells intervals apart.
    answer: [String; 3],
}

impl Measured {
    fn add(&mut self, command: &mut Command) -> Result<()> {
        let done = run(command, &std::env::temp_dir())?;
        let mut printed = done.printed.split_whitespace();
        let mut next = || printed.next().ok_or("a process printed too little");
        self.answer = [next()?.to_owned(), next()?.to_owned(), next()?.to_owned()];
        self.wall.add(next()?.parse()?);
        self.cpu.add(next()?.parse()?);
        self.peak.add(done.peak_mb);
        Ok(())
    }
}

/// The number of a customer's choice: the same in the peer's SQL.
fn mix(customer: u64, choice: u64) -> u64 {
    let seed = customer * 1_000_003 + choice * 7_919 + 7;
    let once = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
        >> 20;
    once.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
        >> 20
}

/// An instant of a customer between first sight and the end.
fn instant(customer: u64, choice: u64, first_seen_at: i64) -> i64 {
    first_seen_at + (mix(customer, choice) % (END - first_seen_at) as u64) as i64
}

#[derive(Default)]
struct Part {
    first_seen_at: Vec<i64>,
    identified_at: Vec<Option<i64>>,
    orders: Vec<OrderVersion>,
    nps: Vec<Score>,
    named: Vec<NamedFact>,
    /// The ends of each customer's facts: orders, answers, named facts.
    ends: Vec<[usize; 3]>,
}

impl Part {
    fn new(model: &StageModel, customers: std::ops::Range<u64>) -> Self {
        let mut part = Self::default();
        let kinds = [model.kind(&Kind::Referral), model.kind(&Kind::Closing)];
        for customer in customers {
            let first = START + (mix(customer, 0) % (2_500 * DAY as u64)) as i64;
            let identified = !mix(customer, 1).is_multiple_of(5);
            part.first_seen_at.push(first);
            part.identified_at
                .push(identified.then(|| first + (mix(customer, 2) % (30 * DAY as u64)) as i64));
            let mut placed: Vec<i64> = (0..ORDERS[(mix(customer, 3) % 11) as usize])
                .map(|order| instant(customer, 100 + order, first))
                .collect();
            placed.sort_unstable();
            let orders = placed.iter().zip(0..);
            part.orders
                .extend(orders.map(|(at, order)| OrderVersion::only(order, *at, None, true)));
            let mut scores: Vec<(i64, u64)> = (0..mix(customer, 4) % 3)
                .map(|answer| {
                    (
                        instant(customer, 200 + answer, first),
                        mix(customer, 300 + answer) % 11,
                    )
                })
                .collect();
            scores.sort_unstable();
            part.nps
                .extend(scores.iter().map(|(at, score)| Score::only(*at, *score as f64)));
            let begun = part.named.len();
            for (kind, of) in kinds.into_iter().zip([5, 20]) {
                let choice = 400 + of;
                if let Some(kind) = kind
                    && mix(customer, choice).is_multiple_of(of)
                {
                    part.named
                        .push(NamedFact::only(instant(customer, choice + 100, first), kind));
                }
            }
            if let Some(own) = part.named.get_mut(begun..) {
                own.sort_by_key(|fact| fact.at);
            }
            part.ends
                .push([part.orders.len(), part.nps.len(), part.named.len()]);
        }
        part
    }

    fn facts(&self) -> usize {
        let identified = self.identified_at.iter().flatten().count();
        self.first_seen_at.len() + identified + self.orders.len() + self.nps.len() + self.named.len()
    }

    /// The intervals of the customers, in columns.
    fn sweep(&self, model: &StageModel) -> Columns {
        let mut evaluator = Evaluator::new(model);
        let mut columns = Columns::default();
        let mut own: Vec<Interval> = Vec::new();
        let mut from = [0; 3];
        for (customer, ends) in self.ends.iter().enumerate() {
            let facts = CustomerFacts {
                first_seen_at: self.first_seen_at[customer],
                identified_at: self.identified_at[customer],
                orders: &self.orders[from[0]..ends[0]],
                nps: &self.nps[from[1]..ends[1]],
                named: &self.named[from[2]..ends[2]],
                ..CustomerFacts::default()
            };
            from = *ends;
            own.clear();
            evaluator.history(&facts, END, &mut own);
            columns.customer.extend(own.iter().map(|_| customer as u32));
            columns
                .stage
                .extend(own.iter().map(|interval| interval.stage as u8));
            columns
                .entered_at
                .extend(own.iter().map(|interval| interval.entered_at));
            columns
                .left_at
                .extend(own.iter().map(|interval| interval.left_at.unwrap_or(i64::MAX)));
        }
        columns
    }
}

#[derive(Default)]
struct Columns {
    customer: Vec<u32>,
    stage: Vec<u8>,
    entered_at: Vec<i64>,
    left_at: Vec<i64>,
}

/// Makes the facts, sweeps them on two threads and prints facts, intervals, their sum, wall and processor seconds.
fn child(customers: u64) -> Result<()> {
    let model = StageModel::default_model();
    let half = customers / 2;
    let ranges = [0..half, half..customers];
    let parts: Vec<(u64, Part)> = ranges
        .into_iter()
        .map(|range| (range.start, Part::new(&model, range)))
        .collect();
    let facts: usize = parts.iter().map(|(_, part)| part.facts()).sum();
    let meter = Meter::new(std::process::id());
    let (begun, used) = (Instant::now(), meter.cpu_seconds()?);
    let swept: Vec<(u64, Columns)> = std::thread::scope(|scope| {
        let model = &model;
        let running: Vec<_> = parts
            .iter()
            .map(|(start, part)| scope.spawn(move || (*start, part.sweep(model))))
            .collect();
        running
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), meter.cpu_seconds()? - used);
    let (mut intervals, mut sum) = (0, 0_i128);
    for (start, columns) in &swept {
        intervals += columns.customer.len();
        for (row, customer) in columns.customer.iter().enumerate() {
            let customer = (start + u64::from(*customer)) % 1_009 + 1;
            let (stage, entered) = (columns.stage[row], columns.entered_at[row] % 1_000_003);
            let left = if columns.left_at[row] == i64::MAX {
                0
            } else {
                columns.left_at[row] % 10_007
            };
            sum += i128::from(customer) * i128::from(stage + 1) * i128::from(entered + left + 1);
        }
    }
    say(format_args!("{facts} {intervals} {sum} {wall:.3} {cpu:.3}"));
    Ok(())
}
