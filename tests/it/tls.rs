//! Encrypted connections of real clients, with authorities and certificates made for each test.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;

use perennial_testkit::environment::skipped;
use perennial_testkit::{TestLake, TestServer};
use tempfile::TempDir;

use crate::login::CONFIG;
use crate::programs::{ended, printed, python};

/// A folder of certificates, each beside its key: `<name>.pem` and `<name>.key`.
pub(crate) struct Certificates(TempDir);

/// Elliptic keys with SHA-256, the usual ones today.
const ELLIPTIC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const RSA_256: &[&str] = &["-newkey", "rsa:2048", "-sha256"];
const RSA_512: &[&str] = &["-newkey", "rsa:2048", "-sha512"];
/// Its signature has no digest.
const EDWARDS: &[&str] = &["-newkey", "ed25519"];

impl Certificates {
    /// An authority, `ca`, and with its signature the server `server`, which is called `localhost`; none without openssl.
    pub(crate) fn new() -> Option<Self> {
        let certificates = Self(tempfile::tempdir().unwrap());
        certificates.authority("ca", ELLIPTIC)?;
        certificates.server("server", ELLIPTIC, "ca")?;
        Some(certificates)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file for a connection string.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn authority(&self, name: &str, key: &[&str]) -> Option<()> {
        self.make(name, &format!("/CN=Authority {name}"), key, &[])
    }

    fn server(&self, name: &str, key: &[&str], authority: &str) -> Option<()> {
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
        self.make(name, "/CN=localhost", key, &self.signed_by(authority, names))
    }

    /// A client that is called `reader`.
    fn client(&self, name: &str, authority: &str) -> Option<()> {
        self.subject(name, "/CN=reader", authority)
    }

    /// A client with another subject.
    pub(crate) fn subject(&self, name: &str, subject: &str, authority: &str) -> Option<()> {
        let usage = "extendedKeyUsage=clientAuth";
        self.make(name, subject, ELLIPTIC, &self.signed_by(authority, usage))
    }

    fn signed_by(&self, authority: &str, extension: &str) -> Vec<String> {
        let (pem, key) = (
            self.file(&format!("{authority}.pem")),
            self.file(&format!("{authority}.key")),
        );
        [
            "-CA",
            &pem,
            "-CAkey",
            &key,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            extension,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn make(&self, name: &str, subject: &str, key: &[&str], more: &[String]) -> Option<()> {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", subject])
            .args(key)
            .args(more)
            .arg("-keyout")
            .arg(self.path(&format!("{name}.key")))
            .arg("-out")
            .arg(self.path(&format!("{name}.pem")));
        let (status, _, stderr) = ended(&mut openssl)?;
        assert!(status.success(), "{openssl:?}\n{stderr}");
        Some(())
    }

    /// A server that asks for passwords and offers TLS with the certificate of this name.
    fn serve(&self, name: &str, more: &str) -> TestServer {
        let files = self.settings(name) + more;
        TestServer::start(TestLake::of(&CONFIG.replace("[server]\n", &files), &[]))
    }

    /// `[server]` with the certificate of this name.
    pub(crate) fn settings(&self, name: &str) -> String {
        format!(
            "[server]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n",
            self.file(&format!("{name}.pem")),
            self.file(&format!("{name}.key")),
        )
    }
}

/// How the role of the tests connects, by the name in the certificate.
fn target(server: &TestServer, more: &str) -> String {
    format!(
        "host=localhost hostaddr=127.0.0.1 port={} dbname=perennial user=reader password='correct horse' {more}",
        server.port()
    )
}

pub(crate) fn psql(target: &str, command: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args([
        "-X",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        target,
        "-c",
        command,
    ]);
    // Nothing of the developer's own counts.
    psql.env_remove("PGSSLMODE").env("HOME", std::env::temp_dir());
    psql
}

/// What psql says of a connection that does not come about.
#[track_caller]
fn refused(target: &str) -> Option<String> {
    let (status, stdout, stderr) = ended(&mut psql(target, "SELECT 'in'"))?;
    assert!(!status.success() && stdout.is_empty(), "{target}\n{stdout}");
    Some(stderr)
}

#[track_caller]
fn lets_in(target: &str) {
    if let Some(shown) = printed(&mut psql(target, "SELECT current_user")) {
        assert_eq!(shown, "reader\n", "{target}");
    }
}

#[track_caller]
fn says(told: Option<String>, part: &str) {
    if let Some(told) = told {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn psql_encrypts_and_knows_with_whom_it_speaks() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    let server = certificates.serve("server", "");
    let shown = printed(&mut psql(&target(&server, "sslmode=require"), "\\conninfo"));
    says(shown, "SSL connection (protocol: TLSv1.3");
    let old = "sslmode=require ssl_max_protocol_version=TLSv1.2";
    says(
        printed(&mut psql(&target(&server, old), "\\conninfo")),
        "SSL connection (protocol: TLSv1.2",
    );

    let ca = certificates.file("ca.pem");
    for mode in ["verify-ca", "verify-full"] {
        lets_in(&target(&server, &format!("sslmode={mode} sslrootcert={ca}")));
    }
    // The certificate names the address as well.
    let by_address = target(&server, &format!("sslmode=verify-full sslrootcert={ca}"));
    lets_in(&by_address.replace("host=localhost ", "host=127.0.0.1 "));
    // The loopback may speak in the clear.
    lets_in(&target(&server, "sslmode=disable"));
    lets_in(&target(&server, "sslmode=prefer"));
}

#[test]
fn another_authority_and_another_name_are_not_trusted() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    if certificates.authority("stranger", ELLIPTIC).is_none() {
        return;
    }
    let server = certificates.serve("server", "");
    let stranger = format!(
        "sslmode=verify-full sslrootcert={}",
        certificates.file("stranger.pem")
    );
    says(refused(&target(&server, &stranger)), "certificate verify failed");
    let right = format!("sslmode=verify-full sslrootcert={}", certificates.file("ca.pem"));
    let elsewhere = target(&server, &right).replace("host=localhost", "host=elsewhere.example");
    says(
        refused(&elsewhere),
        "server certificate for \"localhost\" (and 1 other name) does not match host name \"elsewhere.example\"",
    );
    // Who looks at the authority alone does not mind the name.
    lets_in(&elsewhere.replace("verify-full", "verify-ca"));
    // The failed handshakes have done the server no harm.
    lets_in(&target(&server, &right));
}

#[test]
fn a_password_is_bound_to_the_certificate() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    // The digest that a client binds to is that of the certificate's signature, which is made with its authority's key.
    for (name, key) in [("elliptic", ELLIPTIC), ("rsa256", RSA_256), ("rsa512", RSA_512)] {
        let authority = format!("authority-{name}");
        let made = certificates.authority(&authority, key);
        if made
            .and_then(|()| certificates.server(name, key, &authority))
            .is_none()
        {
            return;
        }
        let server = certificates.serve(name, "");
        let bound = target(&server, "sslmode=require channel_binding=require");
        lets_in(&bound);
        says(
            refused(&bound.replace("correct horse", "wrong")),
            "password authentication failed for user \"reader\"",
        );
        lets_in(&target(&server, "sslmode=require channel_binding=disable"));
        // Without encryption there is nothing to bind to, and the client does not take less.
        says(
            refused(&target(&server, "sslmode=disable channel_binding=require")),
            "channel binding",
        );
    }
}

#[test]
fn a_certificate_without_a_digest_offers_no_binding_and_still_encrypts() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    let made = certificates.authority("edwards", EDWARDS);
    if made
        .and_then(|()| certificates.server("plain", EDWARDS, "edwards"))
        .is_none()
    {
        return;
    }
    let server = certificates.serve("plain", "");
    let ca = certificates.file("edwards.pem");
    lets_in(&target(&server, &format!("sslmode=verify-full sslrootcert={ca}")));
    says(
        refused(&target(&server, "sslmode=require channel_binding=require")),
        "server did not offer an authentication method that supports channel binding",
    );
}

#[test]
fn a_client_certificate_is_optional_and_a_bad_one_is_refused() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    let made = certificates
        .client("client", "ca")
        .and_then(|()| certificates.authority("stranger", ELLIPTIC))
        .and_then(|()| certificates.client("intruder", "stranger"));
    if made.is_none() {
        return;
    }
    let ca = format!("tls_client_ca = \"{}\"\n", certificates.file("ca.pem"));
    let server = certificates.serve("server", &ca);
    let with = |name: &str| {
        let (pem, key) = (
            certificates.file(&format!("{name}.pem")),
            certificates.file(&format!("{name}.key")),
        );
        target(&server, &format!("sslmode=require sslcert={pem} sslkey={key}"))
    };
    lets_in(&with("client"));
    says(refused(&with("intruder")), "unknown ca");
    lets_in(&target(&server, "sslmode=require"));
    // It proves nothing by itself: the password is asked for.
    says(
        refused(&with("client").replace("correct horse", "wrong")),
        "password authentication failed",
    );
}

#[test]
fn from_another_address_than_the_loopback_there_is_no_way_in_without_encryption() {
    // Nothing is sent: this asks which address of this machine leads outside.
    let outward = UdpSocket::bind("0.0.0.0:0").unwrap();
    let own = outward.connect("192.0.2.1:9").and_then(|()| outward.local_addr());
    let Some(own) = own.ok().filter(|own| !own.ip().is_loopback()) else {
        skipped("this machine has no address but the loopback");
        return;
    };
    let Some(certificates) = Certificates::new() else {
        return;
    };
    let server = certificates.serve("server", "listen = \"0.0.0.0:5433\"\n");
    let address = format!("hostaddr={}", own.ip());
    let from_outside = |more: &str| target(&server, more).replace("hostaddr=127.0.0.1", &address);
    let ca = certificates.file("ca.pem");
    lets_in(&from_outside(&format!("sslmode=verify-full sslrootcert={ca}")));
    says(
        refused(&from_outside("sslmode=disable")),
        "are admitted with TLS only",
    );
    lets_in(&target(&server, "sslmode=disable"));
}

#[test]
fn a_server_without_certificates_says_that_it_does_not_encrypt() {
    let server = TestServer::start(TestLake::of(CONFIG, &[]));
    says(
        refused(&target(&server, "sslmode=require")),
        "server does not support SSL, but SSL was required",
    );
    lets_in(&target(&server, "sslmode=prefer"));
}

const PSYCOPG: &str = r#"
import sys
import psycopg
target, ca, stranger = sys.argv[1:]
modes = ["postgres"] + (["direct"] if psycopg.pq.version() >= 170000 else [])
for negotiation in modes:
    more = f"sslnegotiation={negotiation} " if len(modes) > 1 else ""
    with psycopg.connect(f"{target} {more}sslmode=verify-full sslrootcert={ca} channel_binding=require") as connection:
        assert connection.pgconn.ssl_in_use
        # Larger than a record of TLS, in both directions.
        text = "x" * 100_000
        assert connection.execute("SELECT %s::text || 'y'", (text,)).fetchone()[0] == text + "y"
        assert len(connection.execute("SELECT x FROM generate_series(1, 50000) AS t(x)").fetchall()) == 50_000
    try:
        psycopg.connect(f"{target} {more}sslmode=verify-full sslrootcert={stranger}")
        raise SystemExit("a stranger was trusted")
    except psycopg.OperationalError as error:
        assert "certificate verify failed" in str(error), error
print("done")
"#;

#[test]
fn psycopg_encrypts_at_once_or_after_asking() {
    let Some(mut python) = python() else { return };
    let Some(certificates) = Certificates::new() else {
        return;
    };
    if certificates.authority("stranger", ELLIPTIC).is_none() {
        return;
    }
    let server = certificates.serve("server", "");
    let (ca, stranger) = (certificates.file("ca.pem"), certificates.file("stranger.pem"));
    let shown = printed(python.args(["-c", PSYCOPG, &target(&server, ""), &ca, &stranger]));
    assert_eq!(shown.as_deref(), Some("done\n"));
}
