//! tokio-postgres, in this process: a suite whose program is no other.

mod sessions;
mod streams;
mod transcript;
mod values;

use libtest_mimic::Failed;
use tokio_postgres::{Client, Config, NoTls};

use crate::servers::Server;

use self::transcript::Transcript;

/// Where the version of the client stands.
const LOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"));

/// Plays the suite, and gives its transcript.
///
/// # Errors
/// When no connection comes about.
pub(crate) fn play(server: &Server) -> Result<String, Failed> {
    let version = LOCK
        .split_once("name = \"tokio-postgres\"\nversion = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .ok_or("Cargo.lock has no tokio-postgres")?;
    let mut transcript = Transcript::of("tokio-postgres", version.0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let config = config(server)?;
    runtime.block_on(async {
        values::exercise(&mut transcript, &config).await?;
        streams::exercise(&mut transcript, &config).await?;
        sessions::exercise(&mut transcript, &config).await
    })?;
    Ok(transcript.done())
}

fn config(server: &Server) -> Result<Config, Failed> {
    let mut config = Config::new();
    for (name, value) in server.variables() {
        match name {
            "PGHOST" => config.host(value),
            "PGPORT" => config.port(value.parse()?),
            "PGUSER" => config.user(value),
            "PGPASSWORD" => config.password(value),
            _ => config.dbname(value),
        };
    }
    Ok(config)
}

/// A connection that is driven on the side.
async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
