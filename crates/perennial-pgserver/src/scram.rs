//! Stored passwords in Postgres' own form, `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`:
//! they can be moved between the two, and nothing that opens a session is kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};

/// Iterations that Postgres 15 uses.
pub const ITERATIONS: usize = 4096;

const PREFIX: &str = "SCRAM-SHA-256$";
const KEY_LENGTH: usize = 32;
/// More would let one log-in occupy the client for minutes.
const MOST_ITERATIONS: usize = 10_000_000;

/// The verifier of a password, for the configuration.
pub fn verifier(password: &str, salt: &[u8], iterations: usize) -> String {
    let iterations = iterations.clamp(1, MOST_ITERATIONS);
    let salted = gen_salted_password(password, salt, iterations);
    match ScramSecret::verifier_from_salted_password(salt.to_vec(), salted, iterations) {
        ScramSecret::Verifier {
            salt,
            iterations,
            stored_key,
            server_key,
        } => format!(
            "{PREFIX}{iterations}:{}${}:{}",
            STANDARD.encode(salt),
            STANDARD.encode(stored_key),
            STANDARD.encode(server_key)
        ),
        ScramSecret::SaltedPassword { .. } => String::new(),
    }
}

/// Reads a verifier; `None` where the text is none.
pub(crate) fn parse(verifier: &str) -> Option<ScramSecret> {
    let (head, keys) = verifier.strip_prefix(PREFIX)?.split_once('$')?;
    let (iterations, salt) = head.split_once(':')?;
    let (stored, server) = keys.split_once(':')?;
    let iterations = iterations
        .parse()
        .ok()
        .filter(|count| (1..=MOST_ITERATIONS).contains(count))?;
    let key = |text: &str| STANDARD.decode(text).ok().filter(|key| key.len() == KEY_LENGTH);
    Some(ScramSecret::Verifier {
        salt: STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?,
        iterations,
        stored_key: key(stored)?,
        server_key: key(server)?,
    })
}

/// A secret that no password opens, for a user who does not exist. The salt is the same at every attempt, as
/// it would be for a user who does.
pub(crate) fn mock(user: &str, secret: &[u8; KEY_LENGTH]) -> ScramSecret {
    let salt = gen_salted_password(user, secret, 1);
    ScramSecret::Verifier {
        salt: salt.get(..16).unwrap_or_default().to_vec(),
        iterations: ITERATIONS,
        stored_key: rand::random::<[u8; KEY_LENGTH]>().to_vec(),
        server_key: rand::random::<[u8; KEY_LENGTH]>().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_the_one_that_postgres_stores() {
        // RFC 7677, section 3: user "user", password "pencil", this salt, 4096 iterations.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let expected = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
                        $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=\
                        :wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert_eq!(verifier("pencil", &salt, 4096), expected);
    }

    #[test]
    fn only_verifiers_are_read() {
        let good = verifier("pencil", b"0123456789abcdef", 4096);
        assert!(parse(&good).is_some());
        for bad in [
            "",
            "md5abc",
            "SCRAM-SHA-256$",
            "SCRAM-SHA-256$0:AA==$AA==:AA==",
            "SCRAM-SHA-256$4096:AA==$AA==:AA==",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert!(parse(good.trim_end_matches('=')).is_none());
    }

    #[test]
    fn an_unknown_user_keeps_its_salt_and_others_have_another() {
        let salt = |user: &str| match mock(user, &[7; 32]) {
            ScramSecret::Verifier { salt, .. } => salt,
            ScramSecret::SaltedPassword { .. } => Vec::new(),
        };
        assert_eq!(salt("ann"), salt("ann"));
        assert_ne!(salt("ann"), salt("bob"));
        assert_eq!(salt("ann").len(), 16);
    }
}
