//! `perennial demo`: a made-up business, made, unified and served.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use clap::Args;
use perennial_base::Config;
use perennial_demo::{DemoOptions, QUERIES, generate_until, made_with};
use perennial_unify::RunOptions;

use crate::command::open;
use crate::command::serve::{bind, serve, with_listen};
use crate::command::unify::{once, told};
use crate::exit::{DONE, INTERRUPTED, Interrupted};
use crate::show;
use crate::signals::Signals;

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The folder of the demo
    #[arg(long, default_value = "./perennial-demo")]
    dir: PathBuf,
    /// People whom the business knows; anonymous visitors come on top
    #[arg(long, default_value_t = 20_000)]
    customers: u64,
    /// The same seed gives the same files
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Address and port
    #[arg(long, default_value = "127.0.0.1:5433")]
    listen: SocketAddr,
    /// Make and unify the lake, and end
    #[arg(long)]
    no_serve: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<u8> {
        if !self.no_serve {
            // A port that is taken is told before the work.
            let refused = |source| perennial_pgserver::Error::Listen {
                address: self.listen.to_string(),
                source,
            };
            TcpListener::bind(self.listen).map_err(refused)?;
        }
        let mut signals = Signals::new()?;
        let file = self.dir.join("perennial.toml");
        if file.exists() {
            let Some((customers, seed)) = made_with(&self.dir) else {
                return Err(perennial_demo::Error::NoDemo { path: file }.into());
            };
            show::note(&format!(
                "using the demo of {customers} people with seed {seed} in {}; remove the folder for another one",
                self.dir.display()
            ));
        } else {
            self.make(&mut signals).await?;
        }
        // From here on an interruption leaves nothing in the way: what is there is used by the next start.
        let early = tokio::spawn(async move {
            signals.next().await;
            show::note(&Interrupted.to_string());
            std::process::exit(i32::from(INTERRUPTED));
        });
        let config = with_listen(Arc::new(Config::load(&file)?), Some(self.listen));
        let engine = open(config).await?;
        let report = once(&engine, RunOptions::SETTLED).await?;
        told(&engine.config().file, &report);
        if self.no_serve {
            return Ok(DONE);
        }
        let server = bind(&engine).await?;
        let address = server.local_addr();
        let signals = Signals::new()?;
        early.abort();
        show::line(&format!(
            "\nThe demo's people are made up: it is open to everybody on this machine, without a password. Connect with\n\n  \
             psql -h {} -p {} -d perennial\n\nand try\n\n  {}\n\nCtrl-C ends it.",
            address.ip(),
            address.port(),
            QUERIES.join("\n  ")
        ))?;
        serve(engine, server, signals, || {}).await
    }

    /// Makes the lake; nothing of it stays when that is interrupted.
    async fn make(&self, signals: &mut Signals) -> Result<()> {
        let options = DemoOptions {
            dir: self.dir.clone(),
            customers: self.customers,
            seed: self.seed,
        };
        show::note(&format!(
            "making {} people and their traces in {} …",
            self.customers,
            self.dir.display()
        ));
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let mut making = tokio::task::spawn_blocking(move || generate_until(&options, &asked, &mut |_| {}));
        let summary = tokio::select! {
            made = &mut making => made??,
            () = signals.next() => {
                stop.store(true, Ordering::Relaxed);
                // That it ended before it could stop does no harm either.
                let _ = making.await;
                return Err(Interrupted.into());
            }
        };
        show::note(&format!(
            "{} files, {} rows, {} MB",
            summary.files,
            summary.rows,
            summary.bytes / 1_000_000
        ));
        Ok(())
    }
}
