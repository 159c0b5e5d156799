//! The way from a socket to a session: encryption, the startup packet, the log-in, a place.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt;
use perennial_base::config::{AccessMethod, Caller};
use perennial_engine::{DATABASE, Login, Session};
use rustls::pki_types::CertificateDer;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

use super::{Counted, LOGINS, Shared, Socket};
use crate::cancel::Key;
use crate::connection::Connection;
use crate::error::{Error, Refused, Result};
use crate::startup::{self, NEWEST_MINOR, Packet, Startup};
use crate::tls::ALPN;
use crate::transport::{Stream, Transport};
use crate::{auth, backend};

/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A stream whose first packet of substance was read; none when there is nothing to answer.
type Opened = Option<(Box<dyn Stream>, Origin, Packet)>;

/// Where a client comes from.
#[derive(Debug)]
struct Origin {
    /// For people.
    address: String,
    /// None by the Unix socket, which only the server's own system user can open.
    ip: Option<IpAddr>,
    /// One of this machine.
    same_host: bool,
    encrypted: bool,
    /// The client's certificate, which one of the authorities has signed.
    certificate: Option<CertificateDer<'static>>,
}

impl Shared {
    /// A connection from its first to its last byte.
    pub(super) async fn connection(self: Arc<Self>, socket: Socket, open: Counted) {
        if open.before >= self.options.max_connections + LOGINS {
            return refuse(socket).await;
        }
        let login = tokio::time::timeout(self.options.login_timeout, self.login(socket));
        let outcome = tokio::select! {
            biased;
            outcome = login => outcome,
            () = self.shutdown.cancelled() => return,
        };
        match outcome {
            Ok(Some((connection, _key, _place))) => connection.run().await,
            Ok(None) => {}
            Err(_) => tracing::info!("a log-in took too long"),
        }
    }

    /// From the socket to the session. Whatever goes wrong has been told to the client when this returns.
    async fn login(self: &Arc<Self>, socket: Socket) -> Option<(Connection, Key, Counted)> {
        let (stream, origin, packet) = match self.open(socket).await {
            Ok(opened) => opened?,
            Err((mut stream, error)) => {
                tracing::debug!(%error, "a connection was refused");
                if !matches!(error, Error::ClientGone) {
                    let mut out = BytesMut::new();
                    backend::error(&mut out, &error, true);
                    let _ = stream.write_all(&out).await;
                }
                let _ = stream.shutdown().await;
                return None;
            }
        };
        let startup = match packet {
            Packet::Startup(startup) => startup,
            Packet::Cancel { pid, secret } => {
                self.keys.cancel(pid, &secret);
                return None;
            }
            Packet::Tls | Packet::Gss => return None,
        };
        let mut transport = Transport::new(stream, self.kill.clone(), self.options.write_timeout);
        let user = startup.user.clone();
        match self.admit(&mut transport, startup, &origin).await {
            Ok((session, key, place)) => {
                tracing::info!(user, address = origin.address, pid = key.pid, "session begins");
                Some((
                    Connection::new(transport, session, self.shutdown.clone()),
                    key,
                    place,
                ))
            }
            Err(error) => {
                tracing::info!(user, address = origin.address, %error, "log-in failed");
                if !matches!(error, Error::ClientGone) {
                    backend::error(&mut transport.output, &error, true);
                }
                transport.close().await;
                None
            }
        }
    }

    /// Answers requests for encryption until a packet of substance comes.
    async fn open(&self, socket: Socket) -> Result<Opened, (Box<dyn Stream>, Error)> {
        let (mut stream, peer) = match socket {
            Socket::Tcp(stream, peer) => (stream, peer),
            Socket::Unix(mut stream) => {
                let origin = Origin {
                    address: "[local]".to_owned(),
                    ip: None,
                    same_host: true,
                    encrypted: false,
                    certificate: None,
                };
                return match plain_packet(&mut stream).await {
                    Ok(packet) => {
                        Ok(packet.map(|packet| (Box::new(stream) as Box<dyn Stream>, origin, packet)))
                    }
                    Err(error) => Err((Box::new(stream), error)),
                };
            }
        };
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_keepalive(true);
        let ip = peer.ip().to_canonical();
        // Who comes from this machine has the address that it has called, but for those who choose another one.
        let own = stream.local_addr().map(|own| own.ip().to_canonical());
        let same_host = ip.is_loopback() || own.is_ok_and(|own| own == ip);
        let origin = |encrypted, certificate| Origin {
            address: peer.to_string(),
            ip: Some(ip),
            same_host,
            encrypted,
            certificate,
        };

        let mut asked_gss = false;
        let direct = first_byte(&stream).await == Some(TLS_HANDSHAKE);
        if !direct {
            loop {
                let packet = match startup::read(&mut stream).await {
                    Ok(Some(packet)) => packet,
                    Ok(None) => return Ok(None),
                    Err(error) => return Err((Box::new(stream), error)),
                };
                match packet {
                    Packet::Gss if !asked_gss => asked_gss = true,
                    Packet::Gss => {
                        return Err((Box::new(stream), Error::protocol("second request for encryption")));
                    }
                    Packet::Tls if self.tls.is_some() => {
                        // Bytes that are here already were not encrypted, whatever they claim to be.
                        if waiting(&stream) {
                            let error = Error::protocol("received unencrypted data after SSL request");
                            return Err((Box::new(stream), error));
                        }
                        if stream.write_all(b"S").await.is_err() {
                            return Ok(None);
                        }
                        break;
                    }
                    Packet::Tls => {}
                    packet => return Ok(Some((Box::new(stream), origin(false, None), packet))),
                }
                if waiting(&stream) {
                    let error = Error::protocol("received data after a request for encryption");
                    return Err((Box::new(stream), error));
                }
                if stream.write_all(b"N").await.is_err() {
                    return Ok(None);
                }
            }
        }
        let Some(tls) = &self.tls else { return Ok(None) };
        let mut stream = match tls.acceptor.accept(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::info!(address = %peer, %error, "TLS handshake failed");
                return Ok(None);
            }
        };
        if direct && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            let error = Error::protocol("direct TLS connections need the ALPN protocol \"postgresql\"");
            return Err((Box::new(stream), error));
        }
        match startup::read(&mut stream).await {
            Ok(Some(Packet::Tls | Packet::Gss)) => Err((
                Box::new(stream),
                Error::protocol("request for encryption inside of an encrypted connection"),
            )),
            Ok(Some(packet)) => {
                let shown = stream.get_ref().1.peer_certificates();
                let certificate = shown.and_then(<[_]>::first).map(|own| own.clone().into_owned());
                Ok(Some((Box::new(stream), origin(true, certificate), packet)))
            }
            Ok(None) => Ok(None),
            Err(error) => Err((Box::new(stream), error)),
        }
    }

    /// Checks the client in this order: rules, encryption, password, place, database; then greets it.
    async fn admit(
        self: &Arc<Self>,
        transport: &mut Transport,
        startup: Startup,
        origin: &Origin,
    ) -> Result<(Session, Key, Counted)> {
        if startup.minor > NEWEST_MINOR || !startup.unknown.is_empty() {
            let version = 3 << 16 | i32::from(startup.minor.min(NEWEST_MINOR));
            backend::negotiate(&mut transport.output, version, &startup.unknown);
        }
        self.authenticate(transport, &startup, origin).await?;
        let roles = &self.engine.config().roles;
        let role = roles.iter().find(|role| role.name == startup.user);
        // Who runs the server is an owner, and so is everybody where there are no roles.
        let anybody = origin.ip.is_none() || roles.is_empty();
        if role.is_none() && !anybody {
            return Err(Error::UndefinedRole { name: startup.user });
        }
        let owner = role.map_or(anybody, |role| role.owner);
        let place = Counted::new(self, |shared| &shared.sessions);
        let places = self.options.max_connections;
        if place.before >= places {
            return Err(Error::TooManyConnections);
        }
        if !owner && place.before >= places.saturating_sub(self.options.reserved_connections) {
            return Err(Error::ReservedConnections);
        }
        let database = startup.database.unwrap_or_else(|| DATABASE.to_owned());
        if database != DATABASE {
            return Err(Error::UndefinedDatabase { name: database });
        }
        // From protocol 3.2 on the secret may be longer than a word.
        let key = self.keys.issue(if startup.minor >= 2 { 32 } else { 4 });
        let session = self.engine.session(Login {
            user: startup.user,
            database,
            settings: startup.settings,
            client: origin.address.clone(),
            pid: key.pid,
        })?;
        key.arm(session.canceller());
        let out = &mut transport.output;
        backend::authentication(out, 0, b"");
        for (name, value) in session.reported_settings() {
            backend::parameter_status(out, &name, &value);
        }
        backend::backend_key(out, key.pid, &key.secret);
        Ok((session, key, place))
    }
}

impl Shared {
    /// Lets the client prove who it is, by the first rule that fits it. Rules go by what the client says, so that nobody
    /// learns from them which roles there are.
    async fn authenticate(
        &self,
        transport: &mut Transport,
        startup: &Startup,
        origin: &Origin,
    ) -> Result<()> {
        let user = &startup.user;
        let caller = Caller {
            address: origin.ip,
            same_host: origin.same_host,
            encrypted: origin.encrypted,
            user,
        };
        let refused = || Refused {
            host: origin
                .ip
                .map_or_else(|| origin.address.clone(), |ip| ip.to_string()),
            user: user.clone(),
            database: startup.database.clone().unwrap_or_else(|| DATABASE.to_owned()),
            encrypted: origin.encrypted,
        };
        let fitting = self.options.access.iter().find(|rule| rule.fits(caller));
        let Some(rule) = fitting else {
            return Err(Error::NoAccessRule { who: refused() });
        };
        let from_outside = origin.ip.is_some_and(|ip| !ip.is_loopback());
        match rule.method {
            AccessMethod::Reject => Err(Error::AccessRejected { who: refused() }),
            _ if from_outside && !origin.encrypted => Err(Error::TlsRequired {
                address: origin.address.clone(),
            }),
            AccessMethod::Trust => Ok(()),
            AccessMethod::Cert => auth::certificate(user, origin.certificate.as_ref()),
            AccessMethod::ScramSha256 => {
                let binding = self.tls.as_ref().filter(|_| origin.encrypted);
                let roles = &self.engine.config().roles;
                let binding = binding.map(|tls| &tls.scram);
                self.gate.scram(transport, user, roles, binding).await
            }
        }
    }
}

/// The first packet of substance on a stream that offers no encryption.
async fn plain_packet(stream: &mut UnixStream) -> Result<Option<Packet>> {
    for _ in 0..3 {
        match startup::read(stream).await? {
            Some(Packet::Tls | Packet::Gss) => stream.write_all(b"N").await.map_err(|_| Error::ClientGone)?,
            packet => return Ok(packet),
        }
    }
    Err(Error::protocol("too many requests for encryption"))
}

async fn first_byte(stream: &TcpStream) -> Option<u8> {
    let mut byte = [0];
    match stream.peek(&mut byte).await {
        Ok(1) => byte.first().copied(),
        _ => None,
    }
}

/// Whether bytes have come that nobody has read.
fn waiting(stream: &TcpStream) -> bool {
    matches!(stream.peek(&mut [0]).now_or_never(), Some(Ok(1..)))
}

/// Tells a client beyond all bounds that there is no place, without reading a byte of it.
async fn refuse(socket: Socket) {
    let mut out = BytesMut::new();
    backend::error(&mut out, &Error::TooManyConnections, true);
    let send = async {
        match socket {
            Socket::Tcp(mut stream, _) => stream.write_all(&out).await,
            Socket::Unix(mut stream) => stream.write_all(&out).await,
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), send).await;
}
