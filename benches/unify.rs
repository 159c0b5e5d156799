//! One run from landed files to a committed snapshot, beside a script over DuckDB that makes most of the same tables.
//!
//! `cargo xtask bench unify -- 100000 1000000` takes the numbers of people in the demo; the default is 100,000. Every run
//! starts from nothing. Up to 100,000 people product and peer run three times in turn, above once.

use std::fs;
use std::process::Command;

use bench_support::{Result, Samples, Table, arguments, demo_lake, perennial, python, run, say};

const DEFAULT: &str = "100000";
/// Above this the runs are long enough to be told apart.
const ONCE_ABOVE: u64 = 100_000;

fn main() -> Result<()> {
    let mut sizes = arguments();
    if sizes.is_empty() {
        sizes.push(DEFAULT.to_owned());
    }
    let program = perennial()?;
    let mut table = Table::new(&[
        "people",
        "rows",
        "who",
        "wall s",
        "cpu s",
        "M rows/s",
        "peak MB",
        "wall ratio",
        "cpu ratio",
    ]);
    for size in sizes {
        let customers: u64 = size.replace('_', "").parse()?;
        let lake = demo_lake(customers)?;
        let runs = if customers > ONCE_ABOVE { 1 } else { 3 };
        let mut product = Measured::default();
        let mut peer = Measured::default();
        for _ in 0..runs {
            lake.forget()?;
            let mut unify = Command::new(&program);
            unify.arg("unify").arg("--config").arg(lake.config());
            product.add(&run(&mut unify, &lake.folder)?);

            let output = lake.folder.join("duckdb");
            let mut script = Command::new(python()?);
            script
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/unify_duckdb.py"))
                .arg(lake.root())
                .arg(&output);
            let done = run(&mut script, &lake.folder)?;
            fs::remove_dir_all(&output)?;
            say(format_args!("DuckDB: {}", done.printed.trim()));
            peer.add(&done);
        }
        for (who, measured) in [("perennial", &product), ("DuckDB script", &peer)] {
            table.row([
                customers.to_string(),
                lake.rows.to_string(),
                who.to_owned(),
                measured.wall.show(),
                measured.cpu.show(),
                format!("{:.3}", lake.rows as f64 / measured.wall.median() / 1e6),
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
}

impl Measured {
    fn add(&mut self, run: &bench_support::Run) {
        self.wall.add(run.wall_seconds);
        self.cpu.add(run.cpu_seconds);
        self.peak.add(run.peak_mb);
    }
}
