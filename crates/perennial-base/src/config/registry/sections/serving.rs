//! `[server]`, `[[server.access]]` and `[[role]]`.

use super::super::{Form, SectionSpec, ValueType};
use super::{AUTHENTICATIONS, CONNECTIONS, METHODS, key};

/// `[server]`.
pub(super) const SERVER: SectionSpec = SectionSpec {
    path: "server",
    form: Form::Table,
    description: "The Postgres endpoint.",
    keys: &[
        key(
            "listen",
            ValueType::Text,
            "`\"127.0.0.1:5433\"`",
            "address:port",
            "An address that other machines reach needs TLS",
        ),
        key(
            "unix_socket",
            ValueType::Text,
            "none; `/tmp` without roles, or with a rule for it",
            "folder",
            "Folder of the Unix socket, which opens for the system user that runs the server; `\"off\"` = none",
        ),
        key(
            "tls_certificate",
            ValueType::Text,
            "none",
            "PEM file",
            "Certificate chain",
        ),
        key("tls_key", ValueType::Text, "none", "PEM file", "Private key"),
        key(
            "tls_client_ca",
            ValueType::Text,
            "none",
            "PEM file",
            "Authorities of client certificates",
        ),
        key(
            "authentication",
            ValueType::Choice(AUTHENTICATIONS),
            "`\"scram-sha-256\"` when a role has a password; otherwise only the Unix socket opens, for the same system user",
            "",
            "How a client proves who it is, where there is no `[[server.access]]`; `trust` lets in anybody on this machine",
        ),
        key(
            "max_connections",
            ValueType::Integer,
            "`100`",
            "connections",
            "Connections in all",
        ),
        key(
            "reserved_connections",
            ValueType::Integer,
            "`3`",
            "connections",
            "Of these, kept for owners",
        ),
        key(
            "memory",
            ValueType::Size,
            "60 % of the machine or cgroup",
            "bytes",
            "Memory for all statements and for resolving identities",
        ),
        key(
            "statement_memory",
            ValueType::Size,
            "half of `memory`",
            "bytes",
            "Memory for one statement",
        ),
        key(
            "spill_dir",
            ValueType::Text,
            "the system's folder for temporary files",
            "folder",
            "Folder of spill files",
        ),
        key(
            "spill_limit",
            ValueType::Size,
            "`\"20GB\"`",
            "bytes",
            "Files of statements that need more memory than they may have, in all; the intermediate files of a run take what they need of the disk",
        ),
        key(
            "statement_timeout",
            ValueType::Duration,
            "`\"0\"`",
            "duration",
            "Default of `statement_timeout`; zero = none",
        ),
        key(
            "login_timeout",
            ValueType::Duration,
            "`\"60s\"`",
            "duration",
            "Time that a log-in may take",
        ),
        key(
            "threads",
            ValueType::Integer,
            "one for each core",
            "threads",
            "Threads that run statements",
        ),
    ],
    own_keys: None,
};

/// `[[server.access]]`.
pub(super) const ACCESS: SectionSpec = SectionSpec {
    path: "server.access",
    form: Form::List,
    description: "Rules for who may log in from where and how, as the lines of Postgres' `pg_hba.conf`. Of all rules the first that fits counts, and no other is tried; whom none fits is refused.",
    keys: &[
        key(
            "connection",
            ValueType::Choice(CONNECTIONS),
            "",
            "",
            "How the client comes: by the Unix socket, by TCP, by TCP with TLS, by TCP in the clear",
        ),
        key(
            "address",
            ValueType::Text,
            "needed but for `local`",
            "CIDR",
            "From where: a network such as `10.0.0.0/8`, one address, `samehost` (this machine), or `all`",
        ),
        key("roles", ValueType::TextList, "all", "", "Roles that it is for"),
        key(
            "method",
            ValueType::Choice(METHODS),
            "",
            "",
            "`trust` asks for nothing, `scram-sha-256` for the password, `cert` for a certificate of `tls_client_ca` whose common name is the role; `reject` refuses",
        ),
    ],
    own_keys: None,
};

/// `[[role]]`.
pub(super) const ROLE: SectionSpec = SectionSpec {
    path: "role",
    form: Form::List,
    description: "Who may log in.",
    keys: &[
        key("name", ValueType::Text, "", "", "Its name"),
        key(
            "password",
            ValueType::Text,
            "none",
            "",
            "SCRAM-SHA-256 verifier as `perennial password` prints it; never the password itself",
        ),
        key(
            "owner",
            ValueType::Boolean,
            "`false`",
            "",
            "Whether it may do everything",
        ),
        key(
            "statement_timeout",
            ValueType::Duration,
            "that of `[server]`",
            "duration",
            "Default of `statement_timeout`; zero = none",
        ),
        key(
            "statement_memory",
            ValueType::Size,
            "that of `[server]`",
            "bytes",
            "Memory for one statement",
        ),
        key(
            "grants",
            ValueType::Unsupported(
                "take the key out and give the role only to people who may read everything",
            ),
            "everything",
            "",
            "Relations that the role may read",
        ),
        key(
            "pii",
            ValueType::Unsupported(
                "take the key out and give the role only to people who may read everything",
            ),
            "clear",
            "",
            "How personal data is shown",
        ),
        key(
            "unclassified",
            ValueType::Unsupported(
                "take the key out and give the role only to people who may read everything",
            ),
            "clear",
            "",
            "How columns without a tag are shown",
        ),
        key(
            "rows",
            ValueType::Unsupported(
                "take the key out and give the role only to people who may read everything",
            ),
            "all",
            "",
            "Rows that the role may read",
        ),
        key(
            "limits",
            ValueType::Unsupported("write statement_timeout and statement_memory in the role itself"),
            "none",
            "",
            "Limits of the role",
        ),
        key(
            "member_of",
            ValueType::Unsupported("repeat the settings in each role"),
            "none",
            "",
            "Roles whose rights it has",
        ),
    ],
    own_keys: None,
};
