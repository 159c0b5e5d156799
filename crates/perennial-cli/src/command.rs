//! The command line.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use perennial_base::{Config, SystemClock};
use perennial_engine::{Engine, EngineOptions};
use perennial_pgserver::PgCatalog;

use crate::exit::InLake;
use crate::terminal::log_filter;

mod check;
mod demo;
mod identity;
mod init;
mod lifecycle;
mod password;
mod query;
mod reference;
mod serve;
mod unify;
mod warnings;

/// What is logged when nobody says.
pub(crate) const DEFAULT_LOG: &str = "warn";

/// A customer-data platform that you query with SQL.
#[derive(Debug, Parser)]
#[command(
    name = "perennial",
    version,
    arg_required_else_help = true,
    after_help = "Example:\n  perennial demo\n  perennial query --help"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What is logged to standard error: error, warn, info, debug, trace, off, or a filter such as perennial_unify=debug
    #[arg(long, global = true, default_value = DEFAULT_LOG, env = "PERENNIAL_LOG", value_parser = log_filter)]
    pub(crate) log: String,
    /// Form of the log
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, unify and serve a made-up business
    #[command(
        after_help = "Example:\n  perennial demo --customers 20000\n  psql -h 127.0.0.1 -p 5433 -d perennial"
    )]
    Demo(demo::Demo),
    /// Look at the files of a lake and propose a configuration, every guess with its reason
    #[command(after_help = "Example:\n  perennial init ./lake --out perennial.toml")]
    Init(init::Init),
    /// Validate the configuration against the files
    #[command(after_help = "Example:\n  perennial check --config perennial.toml")]
    Check(check::Check),
    /// Run once: read landed files, resolve identities, commit a snapshot
    #[command(after_help = "Example:\n  perennial unify --config perennial.toml")]
    Unify(unify::Unify),
    /// Serve the lake to Postgres clients, and follow it
    #[command(after_help = "Example:\n  perennial serve --config perennial.toml --listen 127.0.0.1:5433")]
    Serve(serve::Serve),
    /// Answer one statement in this process, without a server
    #[command(
        after_help = "Example:\n  perennial query \"SELECT lifecycle_stage, count(*) FROM customer_360 GROUP BY 1\""
    )]
    Query(query::Query),
    /// Ask about identities
    #[command(after_help = "Example:\n  perennial identity explain 0123456789abcdef")]
    Identity(identity::Identity),
    /// Look into the lifecycle of customers
    #[command(after_help = "Example:\n  perennial lifecycle explain 0123456789abcdef --at 2026-01-01")]
    Lifecycle(lifecycle::Lifecycle),
    /// Print a SCRAM-SHA-256 verifier for the configuration
    #[command(after_help = "Example:\n  perennial password")]
    Password(password::Password),
    /// Print the reference of the SQL functions
    #[command(after_help = "Example:\n  perennial functions > functions.md")]
    Functions(reference::Reference),
    /// Print the reference of the configuration file
    #[command(after_help = "Example:\n  perennial settings > perennial.toml.md")]
    Settings(reference::Reference),
    /// Print the reference of the settings of a session
    #[command(after_help = "Example:\n  perennial session-settings > settings.md")]
    SessionSettings(reference::Reference),
    /// Print the reference of the served relations
    #[command(after_help = "Example:\n  perennial relations > relations.md")]
    Relations(reference::Reference),
    /// Print the reference of the commands and of the variables of the environment
    #[command(after_help = "Example:\n  perennial commands > commands.md")]
    Commands(reference::Reference),
}

/// Which configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgument {
    /// The configuration file
    #[arg(long, default_value = "perennial.toml", env = "PERENNIAL_CONFIG")]
    config: PathBuf,
}

impl ConfigArgument {
    pub(crate) fn load(&self) -> Result<Arc<Config>> {
        Ok(Arc::new(Config::load(&self.config)?))
    }
}

/// Opens the engine of a configuration, with the Postgres catalog.
pub(crate) async fn open(config: Arc<Config>) -> Result<Arc<Engine>> {
    let clock: Arc<dyn perennial_base::Clock> = Arc::new(SystemClock);
    let front = Arc::new(PgCatalog::new(Arc::clone(&clock)));
    let lake = InLake(config.lake.url.clone());
    let options = EngineOptions {
        front: Some(front),
        clock: Some(clock),
        ..EngineOptions::default()
    };
    Engine::open(config, options).await.context(lake)
}

/// Runs a command; the number is the exit code.
pub(crate) async fn run(arguments: Arguments) -> Result<u8> {
    match arguments.command {
        Command::Demo(demo) => demo.run().await,
        Command::Init(init) => init.run().await,
        Command::Check(check) => check.run().await,
        Command::Unify(unify) => unify.run().await,
        Command::Serve(serve) => serve.run().await,
        Command::Query(query) => query.run().await,
        Command::Identity(identity) => identity.run().await,
        Command::Lifecycle(lifecycle) => lifecycle.run().await,
        Command::Password(password) => password.run(),
        Command::Functions(reference) => reference.functions().await,
        Command::Settings(reference) => reference.settings(),
        Command::SessionSettings(reference) => reference.session_settings(),
        Command::Relations(reference) => reference.relations(),
        Command::Commands(reference) => reference.commands(),
    }
}
