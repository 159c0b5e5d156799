//! Who is there: by SCRAM a client proves to know a password, by its certificate to be whom that names. Unknown users
//! go through the same steps with a mock secret, and failures cost growing time.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use perennial_base::config::RoleConfig;
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use pgwire::error::PgWireError;
use rustls::pki_types::CertificateDer;
use x509_certificate::X509Certificate;

use crate::backend;
use crate::error::{Error, Result};
use crate::frame::{self, Frame};
use crate::scram;
use crate::transport::Transport;

const PLAIN: &str = "SCRAM-SHA-256";
const BOUND: &str = "SCRAM-SHA-256-PLUS";
/// Longest message of a log-in.
const LIMIT: usize = 16 << 10;
/// Users whose failures are remembered.
const REMEMBERED: usize = 1024;
const FIRST_DELAY: Duration = Duration::from_millis(50);
const DOUBLINGS: u32 = 5;

/// What the log-in of every connection shares.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Makes the salts of users that do not exist.
    secret: [u8; 32],
    failures: Mutex<HashMap<String, u32>>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            secret: rand::random(),
            failures: Mutex::default(),
        }
    }

    /// Runs the SCRAM exchange; `binding` is the TLS certificate's side of it.
    ///
    /// # Errors
    /// 28P01 with the same text for a wrong password and for an unknown user, after a delay; 08P01 for
    /// messages that are not of the exchange.
    pub(crate) async fn scram(
        &self,
        transport: &mut Transport,
        user: &str,
        roles: &[RoleConfig],
        binding: Option<&ScramServerAuth>,
    ) -> Result<()> {
        let role = roles.iter().find(|role| role.name == user);
        let stored = role
            .and_then(|role| role.password.as_deref())
            .and_then(scram::parse);
        let known = stored.is_some();
        let secret = stored.unwrap_or_else(|| scram::mock(user, &self.secret));
        let server = binding.cloned().unwrap_or_default();
        let bound = server.supports_channel_binding();

        let mut mechanisms = String::new();
        for mechanism in bound.then_some(BOUND).into_iter().chain([PLAIN]) {
            mechanisms.push_str(mechanism);
            mechanisms.push('\0');
        }
        mechanisms.push('\0');
        backend::authentication(&mut transport.output, 10, mechanisms.as_bytes());
        transport.flush().await?;

        let (mechanism, first) = frame::sasl_initial(password_message(transport).await?)?;
        if mechanism != PLAIN && !(bound && mechanism == BOUND) {
            return Err(Error::protocol(
                "client selected an invalid SASL authentication mechanism",
            ));
        }
        // Binding is asked for by the mechanism and by the first message; they must agree.
        if first.starts_with(b"p=") != (mechanism == BOUND) {
            return Err(Error::protocol("malformed SCRAM message"));
        }
        let malformed = |_: PgWireError| Error::protocol("malformed SCRAM message");
        let (challenge, waiting) = server
            .on_client_first_message_with_secret(&first, secret)
            .map_err(malformed)?;
        backend::authentication(&mut transport.output, 11, challenge.as_bytes());
        transport.flush().await?;

        let last = password_message(transport).await?;
        match waiting.on_client_final_message(&last.body) {
            Ok(proof) if known => {
                self.failures.lock().remove(user);
                backend::authentication(&mut transport.output, 12, proof.as_bytes());
                Ok(())
            }
            Ok(_) | Err(PgWireError::InvalidPassword(_)) => {
                self.delay(user).await;
                Err(Error::AuthenticationFailed {
                    user: user.to_owned(),
                })
            }
            Err(error) => Err(malformed(error)),
        }
    }

    /// Waits a little longer at each failure of a user.
    async fn delay(&self, user: &str) {
        let failures = {
            let mut failures = self.failures.lock();
            if failures.len() >= REMEMBERED && !failures.contains_key(user) {
                failures.clear();
            }
            let count = failures.entry(user.to_owned()).or_default();
            *count = count.saturating_add(1);
            *count
        };
        tracing::warn!(user, failures, "password authentication failed");
        tokio::time::sleep(FIRST_DELAY * 2_u32.pow(failures.min(DOUBLINGS))).await;
    }
}

/// The next message, which can only be of the password family.
async fn password_message(transport: &mut Transport) -> Result<Frame> {
    match transport.frame(LIMIT).await? {
        Some(frame) if frame.kind == b'p' => Ok(frame),
        Some(frame) => Err(Error::protocol(format!(
            "expected SASL response, got message type {}",
            frame.kind
        ))),
        None => Err(Error::ClientGone),
    }
}

/// Whether the certificate is the user's. That an authority has signed it was seen in the TLS handshake.
///
/// # Errors
/// 28000 without a certificate, and with one whose common name is another.
pub(crate) fn certificate(user: &str, shown: Option<&CertificateDer<'_>>) -> Result<()> {
    let shown = shown.ok_or(Error::CertificateRequired)?;
    let name = X509Certificate::from_der(shown).ok();
    let name = name.and_then(|certificate| certificate.subject_common_name());
    if name.is_some_and(|name| name == user) {
        return Ok(());
    }
    Err(Error::CertificateFailed {
        user: user.to_owned(),
    })
}

/// Whether every role's password is a verifier that can be used.
pub(crate) fn check_verifiers(roles: &[RoleConfig]) -> Result<()> {
    let broken = |role: &&RoleConfig| {
        role.password
            .as_deref()
            .is_some_and(|text| scram::parse(text).is_none())
    };
    match roles.iter().find(broken) {
        Some(role) => Err(Error::Verifier {
            role: role.name.clone(),
        }),
        None => Ok(()),
    }
}
