//! `[server]` and `[[role]]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Names, access};
use crate::config::errors::Place;
use crate::config::reader::{Reader, Section, Text};
use crate::config::registry::{self, SectionSpec};
use crate::config::{AccessRule, Authentication, ConnectionKind, RoleConfig, ServerConfig};

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5433);
const DEFAULT_MAX_CONNECTIONS: u32 = 100;
const DEFAULT_RESERVED: u32 = 3;
const DEFAULT_SPILL_LIMIT: u64 = 20_000_000_000;
const DEFAULT_LOGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// Where Postgres itself puts its socket when nobody says otherwise.
const DEFAULT_SOCKET_FOLDER: &str = "/tmp";
/// What to do where passwords are asked for and nobody has one.
pub(super) const NEEDS_A_ROLE: &str =
    "add a [[role]] with a name and the password that `perennial password` prints";

pub(super) fn read(reader: &mut Reader, root: &Section<'_>, base: &Path) -> (ServerConfig, Vec<RoleConfig>) {
    let roles = read_roles(reader, root);
    let server = reader.table(root, "server").unwrap_or_else(|| {
        let spec: &'static SectionSpec = registry::section("server").unwrap_or(&registry::ROOT);
        Section {
            spec,
            label: "[server]".to_owned(),
            place: Place::Whole,
            entries: &[],
        }
    });
    let file = |path: Option<Text<'_>>| path.map(|path| base.join(path.text));
    let listen = reader
        .text(&server, "listen")
        .and_then(|text| read_listen(reader, &server, text));
    let tls_certificate = file(reader.text(&server, "tls_certificate"));
    let tls_key = file(reader.text(&server, "tls_key"));
    let tls_client_ca = file(reader.text(&server, "tls_client_ca"));
    let authentication = read_authentication(reader, &server, &roles);
    let rules = access::read(reader, &server, &roles);
    let max_connections = reader.integer(&server, "max_connections", 1..=100_000);
    let reserved_connections = reader.integer(&server, "reserved_connections", 0..=100_000);
    let config = ServerConfig {
        listen: listen.unwrap_or(DEFAULT_LISTEN),
        unix_socket: read_socket(reader, &server, base, authentication, &rules),
        tls_certificate,
        tls_key,
        tls_client_ca,
        authentication,
        access: rules.iter().map(|(_, rule)| rule.clone()).collect(),
        max_connections: max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS) as usize,
        reserved_connections: reserved_connections.unwrap_or(DEFAULT_RESERVED) as usize,
        memory: reader.size(&server, "memory"),
        statement_memory: reader.size(&server, "statement_memory"),
        spill_dir: file(reader.text(&server, "spill_dir")),
        spill_limit: reader.size(&server, "spill_limit").unwrap_or(DEFAULT_SPILL_LIMIT),
        statement_timeout: reader
            .duration(&server, "statement_timeout")
            .unwrap_or(Duration::ZERO),
        login_timeout: reader
            .duration(&server, "login_timeout")
            .unwrap_or(DEFAULT_LOGIN_TIMEOUT),
        threads: reader
            .integer(&server, "threads", 1..=1_024)
            .map(|threads| threads as usize),
    };
    check_tls(reader, &server, &config);
    access::check(reader, &rules, &config, &roles);
    check_bounds(reader, &server, &config);
    (config, roles)
}

fn read_listen(reader: &mut Reader, server: &Section<'_>, text: Text<'_>) -> Option<SocketAddr> {
    let numeric = match text.text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.text.to_owned(),
    };
    let address = numeric.parse().ok();
    if address.is_none() {
        let reason = format!("is \"{}\", which is not address:port", text.text);
        let remedy = "write \"127.0.0.1:5433\", or \"[::1]:5433\" for IPv6";
        reader.invalid(server, "listen", text.place, reason, remedy);
    }
    address
}

/// What is written, else what the roles allow.
fn read_authentication(reader: &mut Reader, server: &Section<'_>, roles: &[RoleConfig]) -> Authentication {
    let any_password = roles.iter().any(|role| role.password.is_some());
    match reader.choice(server, "authentication") {
        Some("trust") => Authentication::Trust,
        Some(_) => {
            // A role whose verifier is wrong has been reported as such.
            if roles.is_empty() {
                let place = server.place_of("authentication");
                let reason = "needs a role with a password";
                reader.invalid(server, "authentication", &place, reason, NEEDS_A_ROLE);
            }
            Authentication::ScramSha256
        }
        None if any_password => Authentication::ScramSha256,
        None => Authentication::LocalUser,
    }
}

fn read_socket(
    reader: &mut Reader,
    server: &Section<'_>,
    base: &Path,
    authentication: Authentication,
    rules: &[(Section<'_>, AccessRule)],
) -> Option<PathBuf> {
    let alone = rules.is_empty() && authentication == Authentication::LocalUser;
    let served = alone
        || rules
            .iter()
            .any(|(_, rule)| rule.connection == ConnectionKind::Local);
    match reader.text(server, "unix_socket") {
        Some(folder) if folder.text == "off" => {
            if alone {
                let remedy = "add a [[role]] with a password, or take unix_socket out";
                let reason = "is off, and without a role with a password nothing else opens";
                reader.invalid(server, "unix_socket", folder.place, reason, remedy);
            }
            None
        }
        Some(folder) => Some(base.join(folder.text)),
        None => served.then(|| PathBuf::from(DEFAULT_SOCKET_FOLDER)),
    }
}

fn check_tls(reader: &mut Reader, server: &Section<'_>, config: &ServerConfig) {
    let files = [
        (
            "tls_certificate",
            config.tls_certificate.is_some(),
            "tls_key",
            config.tls_key.is_some(),
        ),
        (
            "tls_key",
            config.tls_key.is_some(),
            "tls_certificate",
            config.tls_certificate.is_some(),
        ),
        (
            "tls_client_ca",
            config.tls_client_ca.is_some(),
            "tls_certificate",
            config.tls_certificate.is_some(),
        ),
    ];
    for (key, given, other, other_given) in files {
        if given && !other_given {
            let reason = format!("needs {other} beside it");
            let remedy = format!("add {other} = \"file.pem\"");
            reader.invalid(server, key, &server.place_of(key), reason, remedy);
        }
    }
    if config.listen.ip().is_loopback() {
        return;
    }
    let place = server.place_of("listen");
    let given = |key: &str| server.entries.iter().any(|entry| entry.key == key);
    if !given("tls_certificate") && !given("tls_key") {
        let reason = format!(
            "is {}, which other machines reach, and there is no TLS",
            config.listen
        );
        let remedy = "add tls_certificate and tls_key, or listen on 127.0.0.1";
        reader.invalid(server, "listen", &place, reason, remedy);
    }
    if config.authentication == Authentication::Trust && config.access.is_empty() {
        let reason = format!("is \"trust\", and other machines reach {}", config.listen);
        let remedy = "take it out and give each [[role]] a password, or listen on 127.0.0.1";
        reader.invalid(
            server,
            "authentication",
            &server.place_of("authentication"),
            reason,
            remedy,
        );
    }
}

fn check_bounds(reader: &mut Reader, server: &Section<'_>, config: &ServerConfig) {
    if config.reserved_connections >= config.max_connections {
        let given = server
            .entries
            .iter()
            .any(|entry| entry.key == "reserved_connections");
        let key = if given {
            "reserved_connections"
        } else {
            "max_connections"
        };
        let (reserved, all) = (config.reserved_connections, config.max_connections);
        let reason = format!("leaves no place: {reserved} of {all} connections are reserved for owners");
        let remedy = "make max_connections larger than reserved_connections";
        reader.invalid(server, key, &server.place_of(key), reason, remedy);
    }
    if let (Some(memory), Some(statement)) = (config.memory, config.statement_memory)
        && statement > memory
    {
        let place = server.place_of("statement_memory");
        reader.invalid(
            server,
            "statement_memory",
            &place,
            "is larger than memory",
            "write a smaller size",
        );
    }
    if config.login_timeout.is_zero() {
        let place = server.place_of("login_timeout");
        reader.invalid(
            server,
            "login_timeout",
            &place,
            "is zero",
            "write a duration such as \"60s\"",
        );
    }
}

fn read_roles(reader: &mut Reader, root: &Section<'_>) -> Vec<RoleConfig> {
    let mut names = Names::new("role");
    let mut roles = Vec::new();
    for section in reader.list(root, "role") {
        let name = reader.needed_label(&section, "name");
        let password = reader.text(&section, "password").filter(|text| {
            let valid = is_verifier(text.text);
            if !valid {
                // The value may be a password: it is never repeated.
                let remedy = "run `perennial password` and paste what it prints: SCRAM-SHA-256$…";
                let reason = "is not a SCRAM-SHA-256 verifier";
                reader.invalid(&section, "password", text.place, reason, remedy);
            }
            valid
        });
        let owner = reader.boolean(&section, "owner").unwrap_or(false);
        let statement_timeout = reader.duration(&section, "statement_timeout");
        let statement_memory = reader.size(&section, "statement_memory");
        if let Some(name) = name {
            names.add(reader, name);
            if name.text.starts_with("pg_") || ["public", "none"].contains(&name.text) {
                let remedy = "choose another name";
                reader.invalid(&section, "name", name.place, "is reserved by Postgres", remedy);
            }
            roles.push(RoleConfig {
                name: name.text.to_owned(),
                password: password.map(|text| text.text.to_owned()),
                owner,
                statement_timeout,
                statement_memory,
                line: section.place.line(),
            });
        }
    }
    roles
}

/// Whether the text is `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, keys of 32 bytes in Base64.
fn is_verifier(text: &str) -> bool {
    let parts = || {
        let rest = text.strip_prefix("SCRAM-SHA-256$")?;
        let (iterations, rest) = rest.split_once(':')?;
        let (salt, keys) = rest.split_once('$')?;
        let (stored, server) = keys.split_once(':')?;
        Some((iterations.parse::<u32>().ok()?, salt, stored, server))
    };
    parts().is_some_and(|(iterations, salt, stored, server)| {
        iterations > 0
            && base64_bytes(salt).is_some_and(|bytes| bytes > 0)
            && [stored, server]
                .into_iter()
                .all(|key| base64_bytes(key) == Some(32))
    })
}

/// How many bytes a padded Base64 text stands for.
fn base64_bytes(text: &str) -> Option<usize> {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let valid = body
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
    (valid && text.len().is_multiple_of(4) && padding <= 2).then(|| text.len() / 4 * 3 - padding)
}
