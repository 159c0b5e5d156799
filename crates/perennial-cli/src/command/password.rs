//! `perennial password`: a verifier for the configuration.

use std::io::IsTerminal;

use anyhow::{Context, Result, bail};
use clap::Args;
use rand::RngCore;

use crate::exit::DONE;
use crate::show;

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// The password; when absent it is asked for, or read as a line of standard input that is no terminal
    #[arg(long)]
    password: Option<String>,
}

impl Password {
    pub(crate) fn run(self) -> Result<u8> {
        let password = match self.password {
            Some(password) => password,
            None if !std::io::stdin().is_terminal() => {
                let mut line = String::new();
                std::io::stdin()
                    .read_line(&mut line)
                    .context("the password cannot be read from standard input")?;
                line.trim_end_matches(['\r', '\n']).to_owned()
            }
            None => {
                let first = rpassword::prompt_password("Password: ")?;
                if first != rpassword::prompt_password("Again: ")? {
                    bail!("the two passwords differ");
                }
                first
            }
        };
        if password.is_empty() {
            bail!("an empty password lets everybody in; choose one");
        }
        show::line(&verifier(&password))?;
        Ok(DONE)
    }
}

/// A verifier with a random salt.
pub(crate) fn verifier(password: &str) -> String {
    let mut salt = [0_u8; 16];
    rand::rng().fill_bytes(&mut salt);
    perennial_pgserver::scram::verifier(password, &salt, perennial_pgserver::scram::ITERATIONS)
}
