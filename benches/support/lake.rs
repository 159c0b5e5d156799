//! Demo lakes, made once and kept below the target folder.

use std::fs;
use std::path::PathBuf;

use perennial_demo::{DemoOptions, generate};
use perennial_lake::{Lake, Snapshots};

use crate::product::target_folder;
use crate::{Result, say};

const SEED: u64 = 7;

/// A demo of some size: a folder with `perennial.toml`, `lake` and `truth.parquet`.
#[derive(Debug, Clone)]
pub struct DemoLake {
    /// The folder of the configuration.
    pub folder: PathBuf,
    /// Rows that have landed.
    pub rows: u64,
}

/// The demo of `customers` people and seed 7; made when it is not there yet.
///
/// # Errors
/// When it cannot be made.
pub fn demo_lake(customers: u64) -> Result<DemoLake> {
    let folder = target_folder()?.join(format!("bench-lakes/demo-{customers}"));
    let rows = folder.join("rows");
    if !rows.is_file() {
        say(format_args!(
            "making a demo of {customers} people in {}",
            folder.display()
        ));
        if folder.is_dir() {
            fs::remove_dir_all(&folder)?;
        }
        let options = DemoOptions {
            dir: folder.clone(),
            customers,
            seed: SEED,
        };
        let summary = generate(&options, &mut |_| {})?;
        fs::write(&rows, summary.rows.to_string())?;
    }
    let rows = fs::read_to_string(&rows)?.trim().parse()?;
    Ok(DemoLake { folder, rows })
}

impl DemoLake {
    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("perennial.toml")
    }

    /// The root of the lake.
    pub fn root(&self) -> PathBuf {
        self.folder.join("lake")
    }

    /// Removes all that was unified: the next run starts from nothing.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget(&self) -> Result<()> {
        let platform = self.root().join("_perennial");
        if platform.is_dir() {
            fs::remove_dir_all(platform)?;
        }
        Ok(())
    }

    /// The data files of each table of schema `public` in the newest snapshot; none before the first run.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    pub fn tables(&self) -> Result<Vec<(String, Vec<PathBuf>)>> {
        let lake = Lake::open("./lake", &self.folder)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let Some(manifest) = runtime.block_on(Snapshots::new(lake).newest())? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (name, table) in &manifest.tables {
            let Some(name) = name.strip_prefix("public.") else {
                continue;
            };
            let paths = table.files.iter().map(|file| self.root().join(&file.path));
            found.push((name.to_owned(), paths.collect()));
        }
        Ok(found)
    }
}
