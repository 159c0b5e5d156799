//! Object stores of the tests' own: an S3 server and an Azure one on free ports, gone afterwards. What they keep is in
//! memory, and their keys are published with the servers.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::setup::Tools;
use crate::shell::{output, say, wait_until};

/// The bucket, and the container.
const BUCKET: &str = "perennial-tests";
/// The account that every Azurite has, and its key.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const PREPARE: &str = include_str!("buckets.py");

/// Running stores. They are stopped when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    servers: Vec<Child>,
    /// What clients of them find in their environment.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Stores {
    /// The names of those that do not run.
    pub(crate) fn absent(&self) -> impl Iterator<Item = &'static str> {
        let stores = [
            ("PERENNIAL_TEST_S3", "a running S3 server"),
            ("PERENNIAL_TEST_AZURE", "a running Azure server"),
        ];
        let known = |variable: &str| self.environment.iter().any(|(name, _)| *name == variable);
        stores
            .into_iter()
            .filter_map(move |(variable, name)| (!known(variable)).then_some(name))
    }

    /// Starts the stores whose programs are there. One that does not start is told, and left out.
    pub(crate) fn start(tools: &Tools) -> Self {
        let mut stores = Self::default();
        let (mut s3, mut azure) = (String::new(), String::new());
        if let Some(python) = &tools.moto {
            match stores.s3(python) {
                Ok(endpoint) => s3 = endpoint,
                Err(error) => say(format_args!(
                    "no S3 server, so the tests with it are skipped: {error:#}"
                )),
            }
        }
        if let Some(program) = &tools.azurite {
            match stores.azure(program) {
                Ok(endpoint) => azure = endpoint,
                Err(error) => say(format_args!(
                    "no Azure server, so the tests with it are skipped: {error:#}"
                )),
            }
        }
        if let Err(error) = prepare(&s3, &azure) {
            say(format_args!(
                "no buckets, so the tests with stores are skipped: {error:#}"
            ));
            return Self::default();
        }
        if !s3.is_empty() {
            let key = "testing".to_owned();
            stores.environment.extend([
                ("PERENNIAL_TEST_S3", format!("s3://{BUCKET}")),
                ("AWS_ENDPOINT", s3),
                ("AWS_ALLOW_HTTP", "true".to_owned()),
                ("AWS_ACCESS_KEY_ID", key.clone()),
                ("AWS_SECRET_ACCESS_KEY", key),
                ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ]);
        }
        if !azure.is_empty() {
            stores.environment.extend([
                ("PERENNIAL_TEST_AZURE", format!("az://{BUCKET}")),
                ("AZURE_STORAGE_ENDPOINT", azure),
                ("AZURE_ALLOW_HTTP", "true".to_owned()),
                ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
                ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
            ]);
        }
        // The third store is a stub in the test itself, which only needs to know where to be.
        match free_port() {
            Ok(port) => {
                let endpoint = format!("http://127.0.0.1:{port}");
                let account = format!(
                    r#"{{"private_key":"x","private_key_id":"x","client_email":"x","disable_oauth":true,"gcs_base_url":"{endpoint}"}}"#
                );
                stores.environment.extend([
                    ("PERENNIAL_TEST_GCS", format!("127.0.0.1:{port}")),
                    ("GOOGLE_SERVICE_ACCOUNT_KEY", account),
                    ("GOOGLE_ALLOW_HTTP", "true".to_owned()),
                ]);
            }
            Err(error) => say(format_args!(
                "no free port, so the tests with Google's store are skipped: {error:#}"
            )),
        }
        stores
    }

    fn s3(&mut self, python: &Path) -> Result<String> {
        let port = free_port()?;
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        self.serve(&mut command, port)?;
        Ok(format!("http://127.0.0.1:{port}"))
    }

    fn azure(&mut self, program: &Path) -> Result<String> {
        let port = free_port()?;
        let mut command = Command::new("node");
        command
            .arg(program)
            .args(["--silent", "--inMemoryPersistence", "--disableTelemetry"])
            .args(["--skipApiVersionCheck", "--blobHost", "127.0.0.1"])
            .args(["--blobPort", &port.to_string()]);
        self.serve(&mut command, port)?;
        Ok(format!("http://127.0.0.1:{port}/{ACCOUNT}"))
    }

    /// Starts a server and waits until it takes connections.
    fn serve(&mut self, command: &mut Command, port: u16) -> Result<()> {
        let server = command
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the server")?;
        self.servers.push(server);
        match self.servers.last_mut() {
            Some(server) => wait_until(server, || TcpStream::connect(("127.0.0.1", port)).is_ok()),
            None => Ok(()),
        }
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // Nobody is left to hear of a failure.
            let _gone = server.kill();
            let _reaped = server.wait();
        }
    }
}

fn prepare(s3: &str, azure: &str) -> Result<()> {
    if s3.is_empty() && azure.is_empty() {
        return Ok(());
    }
    let mut script = Command::new("python3");
    output(script.args(["-c", PREPARE, s3, azure, ACCOUNT, KEY, BUCKET]))?;
    Ok(())
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on the loopback")?;
    Ok(listener.local_addr()?.port())
}
