//! Messages of a client as bytes, the right ones and whatever can be made of them.

/// A message of this kind around a body.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    announced(kind, body.len() as u32 + 4, body)
}

/// A message that announces any length.
pub(crate) fn announced(kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

/// A packet before the log-in: a code and what follows it.
pub(crate) fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
    let length = rest.len() as u32 + 8;
    [length.to_be_bytes().as_slice(), &code.to_be_bytes(), rest].concat()
}

/// Version 3.0 of the protocol.
pub(crate) const VERSION: u32 = 3 << 16;
/// Asks for encryption.
pub(crate) const ENCRYPTION: u32 = 80_877_103;
/// Asks for a cancellation.
const CANCELLATION: u32 = 80_877_102;

/// The startup packet of a role.
pub(crate) fn startup(user: &str, settings: &[(&str, &str)]) -> Vec<u8> {
    let mut rest = Vec::new();
    let all = [("user", user), ("database", "perennial")];
    for (name, value) in all.iter().chain(settings) {
        rest.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    rest.push(0);
    packet(VERSION, &rest)
}

/// A request to cancel what runs under a key.
pub(crate) fn cancellation(key: &[u8]) -> Vec<u8> {
    packet(CANCELLATION, key)
}

/// The first message of an authentication.
pub(crate) fn sasl_initial(mechanism: &str, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32).to_be_bytes();
    message(b'p', &[mechanism.as_bytes(), b"\0", &length, data].concat())
}

/// A simple query.
pub(crate) fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

/// Prepares a statement without declared types.
pub(crate) fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(
        b'P',
        &[name.as_bytes(), b"\0", sql.as_bytes(), b"\0\0\0"].concat(),
    )
}

/// Binds values in one format, 0 text and 1 binary, to a statement; results are text.
pub(crate) fn bind(portal: &str, statement: &str, format: u16, values: &[&[u8]]) -> Vec<u8> {
    let mut body = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\x01"].concat();
    body.extend(format.to_be_bytes());
    body.extend((values.len() as u16).to_be_bytes());
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(*value);
    }
    body.extend([0, 0]);
    message(b'B', &body)
}

/// Runs a portal to its end.
pub(crate) fn execute(portal: &str) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), &[0; 5]].concat())
}

/// Asks for the shape of a statement, `S`, or a portal, `P`.
pub(crate) fn describe(target: u8, name: &str) -> Vec<u8> {
    message(b'D', &[&[target], name.as_bytes(), b"\0"].concat())
}

pub(crate) fn sync() -> Vec<u8> {
    message(b'S', &[])
}

pub(crate) fn terminate() -> Vec<u8> {
    message(b'X', &[])
}
