//! `perennial identity`: why records are one customer.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::command::ConfigArgument;
use crate::command::query::{Format, answer};

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct Identity {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Why the records of a customer are one: the rows of explain_identity, in the order of time
    #[command(after_help = "Example:\n  perennial identity explain 0123456789abcdef")]
    Explain(Explain),
}

/// See the module.
#[derive(Debug, Args)]
struct Explain {
    #[command(flatten)]
    config: ConfigArgument,
    /// The customer, also by an id that is retired
    customer_id: String,
    /// Form of the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Identity {
    pub(crate) async fn run(self) -> Result<u8> {
        let Command::Explain(Explain {
            config,
            customer_id,
            format,
        }) = self.command;
        let quoted = customer_id.replace('\'', "''");
        let sql = format!(
            "SELECT * FROM explain_identity('{quoted}') \
             ORDER BY at, what DESC, source_a, record_a, source_b, record_b, type, value, reason, other_customer_id"
        );
        answer(config, &sql, format).await
    }
}
