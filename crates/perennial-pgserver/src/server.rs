//! The listeners, the places for connections, and the way from a socket to a session.

mod admission;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use perennial_base::config::{AccessRule, ConnectionKind, ServerConfig};
use perennial_engine::Engine;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{self, Gate};
use crate::cancel::Keys;
use crate::error::{Error, Result};
use crate::tls::{Tls, TlsFiles};

/// Connections that may be logging in beside those that are served.
const LOGINS: usize = 64;
/// Wait after a socket could not be accepted, which mostly means that there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Address and port; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Folder of the Unix socket `.s.PGSQL.<port>`; none = no socket.
    pub unix_socket: Option<PathBuf>,
    /// TLS; none = not offered.
    pub tls: Option<TlsFiles>,
    /// Who may log in, and how: the first rule that fits a client counts.
    pub access: Vec<AccessRule>,
    /// Sessions in all.
    pub max_connections: usize,
    /// Of these, kept for owners.
    pub reserved_connections: usize,
    /// Time from the connection to the end of the log-in.
    pub login_timeout: Duration,
    /// Time in which a client must take some bytes of its answer.
    pub write_timeout: Duration,
    /// Time that running statements have to end when the server stops.
    pub shutdown_grace: Duration,
}

impl ServeOptions {
    /// The options that a configuration asks for.
    ///
    /// # Errors
    /// A certificate without a key, or the reverse.
    pub fn try_new(config: &ServerConfig) -> Result<Self> {
        let tls = match (&config.tls_certificate, &config.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: config.tls_client_ca.clone(),
            }),
            (None, None) => None,
            _ => {
                return Err(Error::TlsSetup {
                    reason: "a certificate needs its key, and a key its certificate".to_owned(),
                });
            }
        };
        Ok(Self {
            listen: config.listen,
            unix_socket: config.unix_socket.clone(),
            tls,
            access: config.rules(),
            max_connections: config.max_connections,
            reserved_connections: config.reserved_connections,
            login_timeout: config.login_timeout,
            write_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(10),
        })
    }
}

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    /// None where only the Unix socket opens.
    tcp: Option<TcpListener>,
    address: SocketAddr,
    unix: Option<(UnixListener, SocketFile)>,
    shared: Arc<Shared>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    engine: Arc<Engine>,
    options: ServeOptions,
    tls: Option<Tls>,
    gate: Gate,
    keys: Arc<Keys>,
    /// Sockets that are open.
    sockets: AtomicUsize,
    /// Sessions that are open.
    sessions: AtomicUsize,
    /// No new work.
    shutdown: CancellationToken,
    /// No work at all.
    kill: CancellationToken,
}

impl Server {
    /// Opens the listeners.
    ///
    /// # Errors
    /// TLS files or verifiers that cannot be used, an address that cannot be had, and a combination that
    /// would let strangers in: another address than loopback without TLS, or with trust for whoever comes.
    pub async fn bind(engine: Arc<Engine>, options: ServeOptions) -> Result<Self> {
        let unsafe_without = |without| Error::Unsafe {
            address: options.listen.to_string(),
            without,
        };
        let by_tcp = options
            .access
            .iter()
            .any(|rule| rule.connection != ConnectionKind::Local);
        if !options.listen.ip().is_loopback() && by_tcp {
            if options.access.iter().any(AccessRule::trusts_strangers) {
                return Err(unsafe_without("without passwords"));
            }
            if options.tls.is_none() {
                return Err(unsafe_without("without TLS"));
            }
        }
        auth::check_verifiers(&engine.config().roles)?;
        let tls = options.tls.as_ref().map(Tls::try_new).transpose()?;
        let (tcp, address) = if by_tcp {
            let refused = |source| Error::Listen {
                address: options.listen.to_string(),
                source,
            };
            let listener = TcpListener::bind(options.listen).await.map_err(refused)?;
            let address = listener.local_addr().map_err(refused)?;
            (Some(listener), address)
        } else {
            (None, options.listen)
        };
        let unix = match &options.unix_socket {
            Some(folder) => Some(bind_unix(&folder.join(format!(".s.PGSQL.{}", address.port()))).await?),
            None => None,
        };
        let shared = Shared {
            engine,
            options,
            tls,
            gate: Gate::new(),
            keys: Arc::default(),
            sockets: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
            shutdown: CancellationToken::new(),
            kill: CancellationToken::new(),
        };
        Ok(Self {
            tcp,
            address,
            unix,
            shared: Arc::new(shared),
        })
    }

    /// The address in use, with the port that was taken. Where only the Unix socket opens, nothing listens
    /// there; the port names the socket.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where TCP is open; none where only the Unix socket opens.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().map(|_| self.address)
    }

    /// The file of the Unix socket, if it is open. Its folder is what clients take for the host.
    pub fn unix_socket(&self) -> Option<&Path> {
        self.unix.as_ref().map(|(_, file)| file.0.as_path())
    }

    /// Serves until `shutdown`, then lets running statements end within the grace time.
    ///
    /// # Errors
    /// None at present: what concerns one connection ends that connection.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<()> {
        let Self {
            tcp, unix, shared, ..
        } = self;
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = accept_tcp(tcp.as_ref()) => accepted,
                accepted = accept_unix(unix.as_ref().map(|(listener, _)| listener)) => accepted,
            };
            match accepted {
                Ok(socket) => {
                    let shared = Arc::clone(&shared);
                    let open = Counted::new(&shared, |shared| &shared.sockets);
                    tasks.spawn(async move {
                        shared.connection(socket, open).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((tcp, unix));
        tasks.close();
        shared.shutdown.cancel();
        if tokio::time::timeout(shared.options.shutdown_grace, tasks.wait())
            .await
            .is_err()
        {
            shared.kill.cancel();
            tasks.wait().await;
        }
        Ok(())
    }
}

/// A socket that was accepted.
enum Socket {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// A count that goes down again by itself.
struct Counted {
    shared: Arc<Shared>,
    counter: fn(&Shared) -> &AtomicUsize,
    /// How many there were before.
    before: usize,
}

impl Counted {
    fn new(shared: &Arc<Shared>, counter: fn(&Shared) -> &AtomicUsize) -> Self {
        Self {
            before: counter(shared).fetch_add(1, Ordering::AcqRel),
            shared: Arc::clone(shared),
            counter,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.counter)(&self.shared).fetch_sub(1, Ordering::AcqRel);
    }
}

async fn accept_tcp(listener: Option<&TcpListener>) -> std::io::Result<Socket> {
    match listener {
        Some(listener) => listener
            .accept()
            .await
            .map(|(stream, peer)| Socket::Tcp(stream, peer)),
        None => std::future::pending().await,
    }
}

async fn accept_unix(listener: Option<&UnixListener>) -> std::io::Result<Socket> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| Socket::Unix(stream)),
        None => std::future::pending().await,
    }
}

/// Opens the Unix socket for the server's own system user; one that nobody serves any more is replaced.
async fn bind_unix(path: &Path) -> Result<(UnixListener, SocketFile)> {
    use std::os::unix::fs::PermissionsExt;
    let refused = |source| Error::Listen {
        address: path.display().to_string(),
        source,
    };
    if path.exists() && UnixStream::connect(path).await.is_err() {
        std::fs::remove_file(path).map_err(refused)?;
    }
    let listener = UnixListener::bind(path).map_err(refused)?;
    let file = SocketFile(path.to_owned());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(refused)?;
    Ok((listener, file))
}

/// Removes the socket's file at the end.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
