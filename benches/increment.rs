//! A run over the newest 1 % of the rows of every source, beside the run over the other 99 % that came before it.
//!
//! `cargo xtask bench increment -- 100000 1000000` takes the numbers of people in the demo; the default is 100,000. The last
//! rows of each source, in the order of its files, are held back, the rest is unified from nothing, then they land. Rates are
//! not held back: new ones make every run a full one. In the end a full run over the same files says how many customers
//! there are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bench_support::{DemoLake, Result, Table, arguments, demo_lake, perennial, run, say};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};

const DEFAULT: &str = "100000";
/// One row in so many is held back.
const SHARE: u64 = 100;
/// Longer than a file has to lie still before it is taken at the first look.
const REST: Duration = Duration::from_secs(3);

fn main() -> Result<()> {
    let mut sizes = arguments();
    if sizes.is_empty() {
        sizes.push(DEFAULT.to_owned());
    }
    let program = perennial()?;
    let mut table = Table::new(&[
        "people",
        "run",
        "rows",
        "wall s",
        "cpu s",
        "peak MB",
        "wall ratio",
        "cpu ratio",
    ]);
    for size in sizes {
        let demo = demo_lake(size.replace('_', "").parse()?)?;
        let folder = demo.folder.with_file_name(format!("increment-{size}"));
        let late = hold_back(&demo, &folder)?;
        let unify = |arguments: &[&str]| {
            // What was written before is on the disk, so that no run shares the machine with its writing.
            if !Command::new("sync").status()?.success() {
                return Err("the disk cannot be synchronised".into());
            }
            let mut unify = Command::new(&program);
            unify
                .arg("unify")
                .arg("--config")
                .arg(folder.join("perennial.toml"));
            run(unify.args(arguments), &folder)
        };
        // A file that has just been written is left for a later run: that is the product's rule, and no wait for a result.
        std::thread::sleep(REST);
        let full = unify(&[])?;
        for (from, to) in &late.files {
            fs::rename(from, to)?;
        }
        // As above.
        std::thread::sleep(REST);
        let part = unify(&[])?;
        say(format_args!("increment: {}", part.printed.trim()));
        let again = unify(&["--full"])?;
        say(format_args!("all again: {}", again.printed.trim()));
        for (what, rows, measured) in [
            ("full", demo.rows - late.rows, &full),
            ("increment", late.rows, &part),
            ("full again", demo.rows, &again),
        ] {
            table.row([
                size.clone(),
                what.to_owned(),
                rows.to_string(),
                format!("{:.2}", measured.wall_seconds),
                format!("{:.2}", measured.cpu_seconds),
                format!("{:.0}", measured.peak_mb),
                format!("{:.3}", measured.wall_seconds / full.wall_seconds),
                format!("{:.3}", measured.cpu_seconds / full.cpu_seconds),
            ]);
        }
        fs::remove_dir_all(&folder)?;
    }
    table.print();
    Ok(())
}

/// The files that land later, each with its place in the lake.
#[derive(Default)]
struct Late {
    files: Vec<(PathBuf, PathBuf)>,
    rows: u64,
}

/// Makes a lake of the demo's files without the last rows of each source.
fn hold_back(demo: &DemoLake, folder: &Path) -> Result<Late> {
    if folder.is_dir() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let config = fs::read_to_string(demo.config())?;
    fs::write(folder.join("perennial.toml"), &config)?;
    let mut late = Late::default();
    for source in config.split("[[source]]").skip(1) {
        let value = |key: &str| {
            let line = source
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{key} = \"")));
            line.and_then(|rest| rest.split('"').next())
                .ok_or("a source without a path")
        };
        let (kind, path) = (value("kind")?, value("path")?);
        let mut files = Vec::new();
        collect(&demo.root().join(path), &mut files)?;
        files.sort();
        let mut counted = Vec::new();
        for file in &files {
            let rows = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?
                .metadata()
                .file_metadata()
                .num_rows();
            counted.push(rows as u64);
        }
        let mut left = match kind {
            "table" | "fx_rate" => 0,
            _ => counted.iter().sum::<u64>() / SHARE,
        };
        for (file, rows) in files.iter().zip(counted).rev() {
            let to = folder.join("lake").join(file.strip_prefix(demo.root())?);
            fs::create_dir_all(to.parent().ok_or("a file without a folder")?)?;
            let held = left.min(rows);
            left -= held;
            late.rows += held;
            if held < rows {
                if held == 0 {
                    fs::copy(file, &to)?;
                } else {
                    write(file, 0, rows - held, &to)?;
                }
            }
            if held > 0 {
                let kept = folder.join(format!("late-{}.parquet", late.files.len()));
                write(file, rows - held, held, &kept)?;
                late.files.push((kept, to.with_extension("late.parquet")));
            }
        }
    }
    Ok(late)
}

/// All files of a folder and below it.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Writes some rows of a file as a file of their own.
fn write(from: &Path, skip: u64, rows: u64, to: &Path) -> Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(from)?)?;
    let schema = builder.schema().clone();
    let selection = vec![
        RowSelector::skip(skip as usize),
        RowSelector::select(rows as usize),
    ];
    let reader = builder
        .with_row_selection(RowSelection::from(selection))
        .build()?;
    let mut writer = ArrowWriter::try_new(File::create(to)?, schema, None)?;
    for batch in reader {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}
