//! `perennial lifecycle explain`: why a customer is in a stage.

use anyhow::Result;
use clap::{Args, Subcommand};
use perennial_unify::explain_lifecycle;

use crate::command::{ConfigArgument, open};
use crate::exit::DONE;
use crate::show;

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct Lifecycle {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell why a customer is in a stage: the rules that were tried, the facts, since when and until when
    #[command(after_help = "Example:\n  perennial lifecycle explain 0123456789abcdef --at 2026-01-01")]
    Explain(Explain),
}

#[derive(Debug, Args)]
struct Explain {
    #[command(flatten)]
    config: ConfigArgument,
    /// The customer; an id that was retired leads to the current one
    customer_id: String,
    /// The moment asked about [default: the one that the snapshot describes]
    #[arg(long)]
    at: Option<String>,
}

impl Lifecycle {
    pub(crate) async fn run(self) -> Result<u8> {
        let Command::Explain(explain) = self.command;
        let engine = open(explain.config.load()?).await?;
        let told = explain_lifecycle(&engine, &explain.customer_id, explain.at.as_deref()).await?;
        for line in told.lines() {
            show::line(&line)?;
        }
        Ok(DONE)
    }
}
