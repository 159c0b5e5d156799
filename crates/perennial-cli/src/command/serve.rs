//! `perennial serve`: the endpoint, and the lake followed.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use perennial_base::Config;
use perennial_engine::Engine;
use perennial_pgserver::{ServeOptions, Server};
use tokio_util::sync::CancellationToken;

use crate::command::warnings::{warn_of_doubts, warn_of_rules};
use crate::command::{ConfigArgument, open};
use crate::exit::DONE;
use crate::show;
use crate::signals::Signals;

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    config: ConfigArgument,
    /// Address and port, instead of those of the configuration
    #[arg(long, value_parser = address)]
    listen: Option<SocketAddr>,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<u8> {
        let config = with_listen(self.config.load()?, self.listen);
        let engine = open(config).await?;
        let server = bind(&engine).await?;
        let signals = Signals::new()?;
        tell_where(&server, engine.config());
        warn_of_rules(engine.config());
        if engine.release().manifest().is_none() {
            show::note(match engine.config().lake.refresh {
                Some(_) => {
                    "nothing has been unified yet: the relations have no rows until the first run is done"
                }
                None => {
                    "warning: nothing has been unified yet, and lake.refresh is \"off\": the relations have no rows until `perennial unify` has run"
                }
            });
        }
        let doubting = Arc::clone(&engine);
        let here = tokio::runtime::Handle::current();
        let looked = move || {
            here.spawn(async move {
                // What does not fit is told by the run, and the server serves on.
                if let Ok(cautions) = perennial_unify::cautions(&doubting).await {
                    warn_of_doubts(&doubting.config().file, &cautions);
                }
            });
        };
        serve(engine, server, signals, looked).await
    }
}

/// Says where the server listens, and where it does not although the configuration names the place.
fn tell_where(server: &Server, config: &Config) {
    if let Some(address) = server.tcp() {
        show::note(&format!("serving on {address}"));
    }
    let Some(socket) = server.unix_socket() else {
        return;
    };
    // Clients take a host that begins with a slash for the folder of a socket.
    let socket = socket.canonicalize().unwrap_or_else(|_| socket.to_owned());
    let at = format!("serving on the Unix socket {}", socket.display());
    if server.tcp().is_some() {
        show::note(&at);
        return;
    }
    let (address, folder) = (server.local_addr(), socket.parent().unwrap_or(&socket));
    show::note(&format!(
        "{at}, for the system user of this process: psql -h {} -p {} -d perennial",
        folder.display(),
        address.port()
    ));
    if !config.server.access.is_empty() {
        show::note(&format!(
            "{address} is not open, as no rule of [[server.access]] is for TCP"
        ));
        return;
    }
    show::note(&format!(
        "{address} is not open, as no role has a password: add a [[role]] with what `perennial password` prints, or write \
         authentication = \"trust\" in [server] to let in everybody on this machine"
    ));
}

/// An address and a port of the command line.
pub(crate) fn address(text: &str) -> std::result::Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().unwrap_or_default().parse::<u16>();
        format!(
            "write an address and a port, such as 127.0.0.1:{}",
            port.unwrap_or(5433)
        )
    })
}

/// The configuration with another address.
pub(crate) fn with_listen(config: Arc<Config>, listen: Option<SocketAddr>) -> Arc<Config> {
    match listen {
        Some(listen) => {
            let mut changed = config.as_ref().clone();
            changed.server.listen = listen;
            Arc::new(changed)
        }
        None => config,
    }
}

pub(crate) async fn bind(engine: &Arc<Engine>) -> Result<Server> {
    let options = ServeOptions::try_new(&engine.config().server)?;
    Ok(Server::bind(Arc::clone(engine), options).await?)
}

/// Serves until Ctrl-C or a request to end; `looked` is called when the lake has been looked at for the first time.
pub(crate) async fn serve(
    engine: Arc<Engine>,
    server: Server,
    mut signals: Signals,
    looked: impl FnOnce() + Send + 'static,
) -> Result<u8> {
    engine.watch_memory();
    let stop = CancellationToken::new();
    let following = tokio::spawn(perennial_unify::follow(
        Arc::clone(&engine),
        engine.config().lake.refresh,
        stop.clone(),
        looked,
    ));
    let signalled = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        show::note("stopping: statements that run have ten seconds; Ctrl-C again ends at once");
        signalled.cancel();
        signals.next().await;
        std::process::exit(i32::from(DONE));
    });
    let served = server.serve(stop.clone()).await;
    stop.cancel();
    // It ends at the token; a panic in it was logged by the runtime.
    let _ = following.await;
    served?;
    show::note("stopped");
    Ok(DONE)
}
