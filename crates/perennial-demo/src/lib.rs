//! A made-up business to try Perennial on: three and a half years of a coffee roaster's customers, as a dozen systems
//! have written them down, with all the dirt that this brings, and the truth beside it.
//!
//! The same options always give the same bytes. Nothing is drawn from the clock, and every person's life has a stream
//! of chance of its own.

mod calendar;
mod catalogue;
mod config;
mod dirt;
mod error;
mod lake;
mod life;
mod marketing;
mod person;
mod places;
mod random;
mod reference;
mod rows;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

pub use crate::config::made_with;
pub use crate::error::{Error, Result};
use crate::{
    lake::{Lake, Table, write_truth},
    life::{Batch, World},
    source::Source,
};

/// The largest number of customers that can be asked for. Telephone numbers begin to repeat above it.
pub const MOST_CUSTOMERS: u64 = 10_000_000;

/// Statements to begin with, which the demo prints when it is served.
pub const QUERIES: [&str; 3] = [
    "SELECT lifecycle_stage, count(*), avg(net_revenue)::numeric(12, 2) AS net_revenue FROM customer_360 GROUP BY 1 ORDER BY 2 DESC;",
    "SELECT * FROM cohort_retention('quarter') WHERE period <= 4 ORDER BY cohort, period LIMIT 20;",
    "SELECT first_touch_channel, nps(nps_latest) FROM customer_360 WHERE nps_latest IS NOT NULL GROUP BY 1 ORDER BY 2 DESC;",
];

/// Lake and truth while they are put together.
const UNFINISHED: [&str; 2] = ["lake.unfinished", "truth.parquet.unfinished"];
/// Customers are made and written this many at a time, which bounds the memory and gives each month's file a size
/// that is worth opening.
const CUSTOMERS_PER_BATCH: u64 = 100_000;
/// Progress is told each time when this many customers have been made.
const CUSTOMERS_PER_REPORT: u64 = 1_000;

/// What to make.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// The folder to write into. It is created; where it is there already, it must be empty.
    pub dir: PathBuf,
    /// How many persons the business knows, from 1 to [`MOST_CUSTOMERS`]. Visitors without a name come on top.
    pub customers: u64,
    /// The same seed gives the same business.
    pub seed: u64,
}

/// How far the work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: &'static str,
    /// How much of it is done.
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoSummary {
    /// Parquet files in the lake.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// The name of each source, its files and its rows.
    pub sources: Vec<(&'static str, u64, u64)>,
    /// The configuration file.
    pub config_path: PathBuf,
    /// A Parquet file with the person behind every record that has a key and identifiers: `source` and `record_key`
    /// (text), and `person_id` (integer). It lies outside of the lake, to score identity resolution with.
    pub truth_path: PathBuf,
}

/// Makes a demo lake: `perennial.toml`, the folder `lake` and `truth.parquet`.
///
/// The lake is put together beside its place and moved there when it is whole; the configuration comes last. A folder
/// with a `perennial.toml` in it is therefore complete, and what an interrupted run left behind is made anew.
///
/// # Errors
/// The number of customers is out of range, the folder holds a demo or anything else already, or it cannot be written
/// to.
pub fn generate(options: &DemoOptions, progress: &mut dyn FnMut(Progress)) -> Result<DemoSummary> {
    generate_until(options, &AtomicBool::new(false), progress)
}

/// As [`generate`]; soon after somebody sets `stop` it ends, and takes away what it has made so far.
///
/// # Errors
/// As [`generate`], and when it was stopped.
pub fn generate_until(
    options: &DemoOptions,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<DemoSummary> {
    generate_in_batches(options, CUSTOMERS_PER_BATCH, stop, progress)
}

fn generate_in_batches(
    options: &DemoOptions,
    batch_size: u64,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<DemoSummary> {
    let customers = options.customers;
    if !(1..=MOST_CUSTOMERS).contains(&customers) {
        return Err(Error::Customers {
            customers,
            most: MOST_CUSTOMERS,
        });
    }
    let (lake_path, truth_path) = (options.dir.join("lake"), options.dir.join("truth.parquet"));
    let config_path = options.dir.join("perennial.toml");
    refuse_others(&options.dir)?;
    let [unfinished_lake, unfinished_truth] = UNFINISHED.map(|name| options.dir.join(name));
    if unfinished_lake.exists() {
        io(&unfinished_lake, fs::remove_dir_all(&unfinished_lake))?;
    }
    let new_folder = !options.dir.exists();
    let world = World {
        seed: options.seed,
        customers,
    };
    let mut lake = Lake::new(unfinished_lake.clone(), stop);
    let truth = Table::new("truth", unfinished_truth.clone());
    let written = io(&unfinished_lake, fs::create_dir_all(&unfinished_lake))
        .and_then(|()| write(world, batch_size, &mut lake, truth, progress));
    if let Err(error) = written {
        // What cannot be removed is made anew by the next start.
        let _ = fs::remove_dir_all(&unfinished_lake);
        let _ = fs::remove_file(&unfinished_truth);
        if new_folder {
            let _ = fs::remove_dir(&options.dir);
        }
        return Err(error);
    }

    io(&lake_path, fs::rename(&unfinished_lake, &lake_path))?;
    io(&truth_path, fs::rename(&unfinished_truth, &truth_path))?;
    io(&config_path, fs::write(&config_path, config::text(options)))?;
    Ok(summary(&lake, config_path, truth_path))
}

/// Refuses a folder with anything in it but what an interrupted run has left: the demo is removed with its folder.
fn refuse_others(folder: &Path) -> Result<()> {
    if made_with(folder).is_some() {
        return Err(Error::AlreadyExists {
            path: folder.join("perennial.toml"),
        });
    }
    if !folder.exists() {
        return Ok(());
    }
    for entry in io(folder, fs::read_dir(folder))? {
        let name = io(folder, entry)?.file_name();
        if !UNFINISHED.iter().any(|unfinished| name == *unfinished) {
            return Err(Error::NotEmpty {
                path: folder.to_owned(),
            });
        }
    }
    Ok(())
}

fn write(
    world: World,
    batch_size: u64,
    lake: &mut Lake<'_>,
    mut truth: Table,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    lake.write(reference::products(), 0)?;
    lake.write(reference::rates(world.seed), 0)?;
    lake.write(reference::spend(world.seed, world.customers), 0)?;
    write_people(world, batch_size, lake, &mut truth, progress)?;
    truth.finish()?;
    Ok(())
}

fn write_people(
    world: World,
    batch_size: u64,
    lake: &mut Lake<'_>,
    truth: &mut Table,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let customers = world.customers;
    let batches = customers.div_ceil(batch_size);
    let mut first = 0;
    for number in 0..batches {
        let end = customers.min(first + batch_size);
        let mut batch = Batch::default();
        for index in first..end {
            life::customer(world, index, &mut batch);
            if (index + 1) % CUSTOMERS_PER_REPORT == 0 {
                lake.go_on()?;
                progress(Progress {
                    phase: "customers",
                    done: index + 1,
                    total: customers,
                });
            }
        }
        for visitor in visitors(first)..visitors(end) {
            life::visitor(world, visitor, customers + visitor + 1, &mut batch);
        }
        if number == 0 {
            let first_id = customers + visitors(customers) + 1;
            for account in 0..test_accounts(customers) {
                life::test_account(world, account, first_id + account, &mut batch);
            }
        }
        write_truth(truth, &batch.truth)?;
        write_batch(lake, batch, number)?;
        progress(Progress {
            phase: "files",
            done: number + 1,
            total: batches,
        });
        first = end;
    }
    progress(Progress {
        phase: "customers",
        done: customers,
        total: customers,
    });
    Ok(())
}

fn write_batch(lake: &mut Lake<'_>, batch: Batch, number: u64) -> Result<()> {
    lake.write(batch.contacts, number)?;
    lake.write(batch.accounts, number)?;
    lake.write(batch.orders, number)?;
    lake.write(batch.items, number)?;
    lake.write(batch.refunds, number)?;
    lake.write(batch.events, number)?;
    lake.write(batch.readers, number)?;
    lake.write(batch.interactions, number)?;
    lake.write(batch.responses, number)?;
    lake.write(batch.changes, number)?;
    lake.write(batch.consents, number)
}

/// How many visitors without a name come with a number of customers: so many that 45 % of all visitors have none.
fn visitors(customers: u64) -> u64 {
    customers * 3 / 4
}

/// How many accounts the business made to try things out.
fn test_accounts(customers: u64) -> u64 {
    (customers / 2_000).clamp(3, 200)
}

fn summary(lake: &Lake<'_>, config_path: PathBuf, truth_path: PathBuf) -> DemoSummary {
    let written = Source::ALL.map(|source| (source, lake.written(source)));
    DemoSummary {
        files: written.iter().map(|(_, written)| written.files).sum(),
        rows: written.iter().map(|(_, written)| written.rows).sum(),
        bytes: written.iter().map(|(_, written)| written.bytes).sum(),
        sources: written
            .iter()
            .map(|(source, written)| (source.name(), written.files, written.rows))
            .collect(),
        config_path,
        truth_path,
    }
}

fn io<T>(path: &Path, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
