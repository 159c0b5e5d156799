//! `perennial init`: a proposed configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use perennial_base::Config;
use perennial_base::config::{RoleConfig, render};
use perennial_base::propose::propose;
use perennial_engine::{Engine, EngineOptions};
use perennial_lake::Lake;
use rand::RngCore;

use crate::command::password::verifier;
use crate::exit::{DONE, InLake};
use crate::show;

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The lake: a folder, or an URL such as s3://bucket/prefix
    lake: String,
    /// Where the configuration is written
    #[arg(
        long,
        visible_alias = "config",
        default_value = "perennial.toml",
        env = "PERENNIAL_CONFIG"
    )]
    out: PathBuf,
}

impl Init {
    pub(crate) async fn run(self) -> Result<u8> {
        if self.out.exists() {
            bail!(
                "\"{}\" exists already; choose another file with --out, or remove it",
                self.out.display()
            );
        }
        let folder = self
            .out
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let base = folder
            .canonicalize()
            .with_context(|| format!("the folder \"{}\" cannot be used", folder.display()))?;
        let url = url_from(&self.lake, &base)?;
        // What is wrong with the argument is said of the argument, not of a configuration that is not there yet.
        Lake::open(&url, &base)?;
        let text = format!("[lake]\nurl = {}\n", render::string(&url));
        let config = Config::parse(&text, &base, &|_| None)?;
        let lake = || InLake(self.lake.clone());
        let engine = Engine::open(Arc::new(config), EngineOptions::default())
            .await
            .with_context(lake)?;
        let survey = perennial_unify::survey(&engine).await.with_context(lake)?;
        for (path, reason) in &survey.unreadable {
            show::note(&format!("left out: {path}: {reason}"));
        }
        if survey.folders.is_empty() {
            bail!(
                "no readable Parquet file below \"{}\"; land one, then run init again",
                self.lake
            );
        }
        let password = random_password();
        let admin = RoleConfig {
            name: "admin".to_owned(),
            password: Some(verifier(&password)),
            owner: true,
            statement_timeout: None,
            statement_memory: None,
            line: 0,
        };
        let proposal = propose(&survey.folders, engine.clock().now());
        let toml = proposal.to_toml(&url, &[admin]);
        let written = std::fs::write(&self.out, toml)
            .with_context(|| format!("\"{}\" cannot be written", self.out.display()))
            .and_then(|()| show::line(&format!("admin password: {password}")));
        if let Err(error) = written {
            // Half a configuration, or one whose password nobody knows, would be in the way of the next try.
            let _ = std::fs::remove_file(&self.out);
            return Err(error);
        }
        for source in &proposal.sources {
            show::note(&format!(
                "{}: {} ({})",
                source.config.path, source.config.name, source.config.kind
            ));
        }
        for note in &proposal.notes {
            show::note(&format!("note: {note}"));
        }
        show::note(&format!(
            "wrote {}: review it, then run\n  perennial check --config {0}\n  perennial unify --config {0}\n  perennial serve --config {0}",
            self.out.display()
        ));
        Ok(DONE)
    }
}

/// A folder as it is written into the configuration: relative to it where that is possible.
fn url_from(lake: &str, base: &Path) -> Result<String> {
    if lake.contains("://") {
        return Ok(lake.to_owned());
    }
    let folder = Path::new(lake).canonicalize().with_context(|| {
        format!(
            "the folder \"{lake}\" cannot be read: create it, or give the path of the folder where files land"
        )
    })?;
    Ok(match folder.strip_prefix(base) {
        Ok(below) if below.as_os_str().is_empty() => ".".to_owned(),
        Ok(below) => format!("./{}", below.display()),
        Err(_) => folder.display().to_string(),
    })
}

/// 120 random bits as letters and digits that are not mistaken for each other.
fn random_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut bytes = [0_u8; 24];
    rand::rng().fill_bytes(&mut bytes);
    bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect()
}
