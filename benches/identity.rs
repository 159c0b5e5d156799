//! Deterministic identity resolution, Parquet to clusters, beside DuckDB: normalising and joining in SQL with union-find in
//! numpy, and with a recursive query.
//!
//! `cargo xtask bench identity -- 1000000 10000000` takes the numbers of records; the default is 1,000,000. Nobody has
//! limits: all three find connected components, and the bench compares them. A second line of ours has limits. The
//! recursive query runs up to ten million records.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use bench_support::{Result, Run, Table, arguments, python, run, say};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use perennial_identity::{
    Batch, GraphBuilder, IdentifierRule, Normaliser, Outcome, PreviousIds, Rules, Source,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DEFAULT: &str = "1000000";
/// Above this the recursive query is left out.
const RECURSIVE_UP_TO: u64 = 10_000_000;
/// The argument by which this program is one run of ours.
const OURS: &str = "identity-run";
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/identity_duckdb.py");

fn main() -> Result<()> {
    let arguments = arguments();
    if let [mode, folder, limits] = arguments.as_slice()
        && mode == OURS
    {
        return resolve(Path::new(folder), limits == "limits");
    }
    let sizes = if arguments.is_empty() {
        vec![DEFAULT.to_owned()]
    } else {
        arguments
    };
    let mut table = Table::new(&[
        "records",
        "who",
        "wall s",
        "cpu s",
        "peak MB",
        "clusters",
        "wall ratio",
        "cpu ratio",
    ]);
    for size in sizes {
        let records: u64 = size.replace('_', "").parse()?;
        let folder = std::env::temp_dir().join(format!("perennial-bench-identity-{records}"));
        fs::create_dir_all(&folder)?;
        let peer = |mode: &str| -> Result<Run> {
            let mut script = Command::new(python()?);
            script.arg(PEER).arg(mode).arg(&folder);
            if mode == "generate" {
                script.arg(records.to_string());
            }
            run(&mut script, &folder)
        };
        let ours = |limits: &str| -> Result<Run> {
            let mut program = Command::new(std::env::current_exe()?);
            program.arg(OURS).arg(&folder).arg(limits);
            run(&mut program, &folder)
        };
        peer("generate")?;
        let mut measured = vec![
            ("perennial", ours("free")?),
            ("perennial with limits", ours("limits")?),
            ("DuckDB and union-find", peer("unionfind")?),
        ];
        if records <= RECURSIVE_UP_TO {
            measured.push(("DuckDB, recursive query", peer("recursive")?));
        }
        let answers: Vec<Vec<u64>> = measured
            .iter()
            .map(|(_, run)| answer(&run.printed))
            .collect::<Result<_>>()?;
        for (who, run) in &measured {
            say(format_args!("{who}: {}", run.printed.trim()));
        }
        if [0, 2]
            .iter()
            .chain((records <= RECURSIVE_UP_TO).then_some(&3))
            .any(|at| answers.get(*at) != answers.first())
        {
            return Err("the clusters are not the same".into());
        }
        let base = measured.get(2).map(|(_, run)| run.clone()).unwrap_or_default();
        for ((who, run), answer) in measured.iter().zip(&answers) {
            table.row([
                records.to_string(),
                (*who).to_owned(),
                format!("{:.1}", run.wall_seconds),
                format!("{:.1}", run.cpu_seconds),
                format!("{:.0}", run.peak_mb),
                answer.first().copied().unwrap_or_default().to_string(),
                format!("{:.2}", run.wall_seconds / base.wall_seconds),
                format!("{:.2}", run.cpu_seconds / base.cpu_seconds),
            ]);
        }
        fs::remove_dir_all(&folder)?;
    }
    table.print();
    Ok(())
}

/// Clusters and the sum of the squares of their sizes.
fn answer(printed: &str) -> Result<Vec<u64>> {
    let told: serde_json::Value = serde_json::from_str(printed.trim())?;
    let number = |name: &str| {
        told[name]
            .as_u64()
            .ok_or_else(|| format!("no {name} in {printed}").into())
    };
    ["clusters", "squares"].into_iter().map(number).collect()
}

/// One run of ours: files side by side, a normaliser for each thread, one graph.
fn resolve(folder: &Path, limits: bool) -> Result<()> {
    let start = std::time::Instant::now();
    let rule = |name: &str, normalise: &str, limit: u32| -> Result<IdentifierRule> {
        let rule = IdentifierRule::new(name).with_normalise(normalise.parse()?);
        Ok(if limits { rule.with_limit(limit) } else { rule })
    };
    let types = vec![
        rule("user_id", "exact", 1)?,
        rule("email", "email", 5)?,
        rule("phone", "phone:DE", 3)?,
        rule("device", "exact", 9)?,
    ];
    let rules = Rules::try_new(types, &[])?;
    let names = ["contacts", "accounts", "orders", "logins"];
    let sources = names.map(|name| match name {
        "contacts" | "accounts" => Source::persons(name),
        _ => Source::facts(name),
    });
    let mut files: Vec<(u16, PathBuf)> = Vec::new();
    for (number, name) in (0..).zip(names) {
        for entry in fs::read_dir(folder.join(name))? {
            files.push((number, entry?.path()));
        }
    }
    let most = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&most);
    let builder = GraphBuilder::try_new(&rules, sources.to_vec(), PreviousIds::default())?;
    let graph = Mutex::new(builder.within(move |bytes| {
        asked.fetch_max(bytes, Ordering::Relaxed);
        true
    }));
    let waiting = Mutex::new(files);
    let threads = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| -> std::result::Result<(), String> {
                    let mut normaliser = Normaliser::new(&rules);
                    loop {
                        let next = waiting.lock().map_err(|error| error.to_string())?.pop();
                        let Some((source, path)) = next else { return Ok(()) };
                        read(source, &path, &rules, &mut normaliser, &graph)
                            .map_err(|error| error.to_string())?;
                    }
                })
            })
            .collect();
        let ended = workers.into_iter().map(|worker| {
            worker
                .join()
                .map_err(|_| "a thread has failed".to_owned())
                .flatten()
        });
        ended.collect::<std::result::Result<Vec<()>, String>>()
    })?;
    let read = start.elapsed().as_secs_f64();
    let resolution = graph.into_inner()?.resolve()?.publish(1, 0)?;
    let squares: u64 = resolution
        .customers()
        .iter()
        .map(|customer| customer.records * customer.records)
        .sum();
    let told = BTreeMap::from([
        ("clusters", serde_json::json!(resolution.customers().len())),
        ("squares", serde_json::json!(squares)),
        (
            "asked_mb",
            serde_json::json!(most.load(Ordering::Relaxed) / 1_000_000),
        ),
        ("read_seconds", serde_json::json!((read * 100.0).round() / 100.0)),
        (
            "seconds",
            serde_json::json!((start.elapsed().as_secs_f64() * 100.0).round() / 100.0),
        ),
    ]);
    say(format_args!("{}", serde_json::to_string(&told)?));
    // What the process holds goes with it.
    std::mem::forget(resolution);
    Ok(())
}

fn read(
    source: u16,
    path: &Path,
    rules: &Rules,
    normaliser: &mut Normaliser<'_>,
    graph: &Mutex<GraphBuilder>,
) -> Result<()> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?
        .with_batch_size(8192)
        .build()?;
    let (mut rows, mut out) = (Batch::default(), String::new());
    for batch in reader {
        let batch: RecordBatch = batch?;
        let key = batch
            .column_by_name("id")
            .ok_or("no id")?
            .as_string::<i32>()
            .clone();
        let at = batch
            .column_by_name("at")
            .ok_or("no at")?
            .as_primitive::<TimestampMicrosecondType>()
            .clone();
        let columns: Vec<_> = rules
            .identifiers()
            .iter()
            .enumerate()
            .filter_map(|(of_type, rule)| {
                Some((
                    of_type,
                    batch.column_by_name(&rule.name)?.as_string::<i32>().clone(),
                ))
            })
            .collect();
        rows.clear();
        for row in 0..batch.num_rows() {
            for (of_type, column) in &columns {
                if column.is_valid(row)
                    && normaliser.normalise(*of_type, column.value(row), &mut out) == Outcome::Value
                {
                    rows.push(*of_type, &out);
                }
            }
            rows.end_row();
        }
        let mut graph = graph.lock().map_err(|_| "a thread has failed")?;
        for (row, set) in graph.sets(&rows)?.into_iter().enumerate() {
            graph.record(source, set, at.value(row), key.value(row))?;
        }
    }
    Ok(())
}
