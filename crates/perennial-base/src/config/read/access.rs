//! `[[server.access]]`.

use super::server::NEEDS_A_ROLE;
use crate::config::access::Address;
use crate::config::reader::{Reader, Section, Text};
use crate::config::{AccessMethod, AccessRule, ConnectionKind, RoleConfig, ServerConfig};

/// The rules, each with its section. One that is reported is left out.
pub(super) fn read<'a>(
    reader: &mut Reader,
    server: &Section<'a>,
    roles: &[RoleConfig],
) -> Vec<(Section<'a>, AccessRule)> {
    let sections = reader.list(server, "server.access");
    if !sections.is_empty() && server.entries.iter().any(|entry| entry.key == "authentication") {
        let place = server.place_of("authentication");
        let reason = "stands beside [[server.access]], which says it for each connection";
        let remedy = "take it out, or the rules";
        reader.invalid(server, "authentication", &place, reason, remedy);
    }
    let mut rules = Vec::with_capacity(sections.len());
    for section in sections {
        let connection = read_connection(reader, &section);
        let address = read_address(reader, &section, connection);
        let named = read_roles(reader, &section, roles);
        let method = read_method(reader, &section);
        if let (Some(connection), Some(address), Some(roles), Some(method)) =
            (connection, address, named, method)
        {
            let at = section.place.spot();
            let rule = AccessRule {
                connection,
                address,
                roles,
                method,
                at,
            };
            rules.push((section, rule));
        }
    }
    rules
}

fn read_connection(reader: &mut Reader, section: &Section<'_>) -> Option<ConnectionKind> {
    let remedy = "add connection = \"hostssl\": encrypted TCP; \"host\" is TCP, \"hostnossl\" TCP in the clear, \"local\" the Unix socket";
    if reader.node(section, "connection").is_none() {
        reader.missing(section, "connection", remedy);
    }
    Some(match reader.choice(section, "connection")? {
        "local" => ConnectionKind::Local,
        "hostssl" => ConnectionKind::HostSsl,
        "hostnossl" => ConnectionKind::HostNoSsl,
        _ => ConnectionKind::Host,
    })
}

fn read_address(
    reader: &mut Reader,
    section: &Section<'_>,
    connection: Option<ConnectionKind>,
) -> Option<Address> {
    let remedy = "write a network such as \"10.0.0.0/8\", \"samehost\" for this machine, or \"all\"";
    let written = reader.text(section, "address");
    match (connection?, written) {
        (ConnectionKind::Local, None) => Some(Address::All),
        (ConnectionKind::Local, Some(text)) => {
            let reason = "is for TCP, and the Unix socket has none";
            reader.invalid(section, "address", text.place, reason, "take it out");
            None
        }
        (_, Some(text)) => {
            let address = Address::parse(text.text);
            if address.is_none() {
                let reason = format!("is \"{}\", which is no network", text.text);
                reader.invalid(section, "address", text.place, reason, remedy);
            }
            address
        }
        (_, None) => {
            if reader.node(section, "address").is_none() {
                let remedy =
                    "add address = \"10.0.0.0/8\": a network, \"samehost\" for this machine, or \"all\"";
                reader.missing(section, "address", remedy);
            }
            None
        }
    }
}

/// The roles of a rule; `Some(None)` = all.
fn read_roles(
    reader: &mut Reader,
    section: &Section<'_>,
    roles: &[RoleConfig],
) -> Option<Option<Vec<String>>> {
    if reader.node(section, "roles").is_none() {
        return Some(None);
    }
    let named = reader.texts(section, "roles")?;
    if named.is_empty() {
        let place = section.place_of("roles");
        let remedy = "name a role, or take the key out for all of them";
        reader.invalid(section, "roles", &place, "is empty", remedy);
        return None;
    }
    if named.iter().any(|name| name.text == "all") {
        return Some(None);
    }
    let known = |name: &Text<'_>| roles.iter().any(|role| role.name == name.text);
    let unknown: Vec<Text<'_>> = named.iter().copied().filter(|name| !known(name)).collect();
    for &name in &unknown {
        reader.unknown_name(section, "role", name, roles.iter().map(|role| role.name.as_str()));
    }
    let names = named.iter().map(|name| name.text.to_owned());
    unknown.is_empty().then(|| Some(names.collect()))
}

fn read_method(reader: &mut Reader, section: &Section<'_>) -> Option<AccessMethod> {
    if reader.node(section, "method").is_none() {
        let remedy = "add method = \"scram-sha-256\": a password; \"cert\" is a certificate, \"trust\" nothing, \"reject\" refuses";
        reader.missing(section, "method", remedy);
    }
    Some(match reader.choice(section, "method")? {
        "trust" => AccessMethod::Trust,
        "cert" => AccessMethod::Cert,
        "reject" => AccessMethod::Reject,
        _ => AccessMethod::ScramSha256,
    })
}

/// Reports what would never let anybody in, and what would let in anybody.
pub(super) fn check(
    reader: &mut Reader,
    rules: &[(Section<'_>, AccessRule)],
    config: &ServerConfig,
    roles: &[RoleConfig],
) {
    for (section, rule) in rules {
        let mut refused = |key: &str, reason: &str, remedy: &str| {
            reader.invalid(section, key, &section.place_of(key), reason, remedy);
        };
        match rule.connection {
            ConnectionKind::Local if config.unix_socket.is_none() => refused(
                "connection",
                "is \"local\", and unix_socket in [server] is \"off\"",
                "name its folder there, or take the rule out",
            ),
            ConnectionKind::HostSsl if config.tls_certificate.is_none() => refused(
                "connection",
                "is \"hostssl\", and there is no TLS",
                "add tls_certificate and tls_key to [server]",
            ),
            ConnectionKind::HostNoSsl
                if rule.method != AccessMethod::Reject && !rule.address.own_machine() =>
            {
                refused(
                    "connection",
                    "is \"hostnossl\", and other machines are let in with TLS only",
                    "write \"hostssl\", or address = \"samehost\"",
                );
            }
            _ => {}
        }
        match rule.method {
            AccessMethod::Trust if rule.trusts_strangers() && !config.listen.ip().is_loopback() => {
                let reason = format!("is \"trust\", and other machines reach {}", config.listen);
                let remedy =
                    "write \"scram-sha-256\" or \"cert\", address = \"samehost\", or listen on 127.0.0.1";
                refused("method", &reason, remedy);
            }
            AccessMethod::ScramSha256 if roles.is_empty() => {
                refused("method", "needs a role with a password", NEEDS_A_ROLE);
            }
            AccessMethod::Cert if rule.connection != ConnectionKind::HostSsl => refused(
                "method",
                "is \"cert\", and only encrypted connections have certificates",
                "write connection = \"hostssl\"",
            ),
            AccessMethod::Cert if config.tls_client_ca.is_none() => refused(
                "method",
                "is \"cert\", and there are no authorities of client certificates",
                "add tls_client_ca = \"file.pem\" to [server]",
            ),
            _ => {}
        }
    }
}
