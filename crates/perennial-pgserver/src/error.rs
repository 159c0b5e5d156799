//! What can go wrong between a client and the engine.

use std::fmt;
use std::path::PathBuf;

use perennial_base::{ErrorClass, UserError};

use crate::frame::FrameError;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the Postgres front. Its SQLSTATE is given by [`crate::sqlstate`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the engine, passed on as it is.
    #[error(transparent)]
    Engine(#[from] perennial_engine::Error),
    /// The bytes are not of the protocol.
    #[error("{violation}")]
    Protocol {
        /// Which rule they break.
        violation: String,
    },
    /// The stream of messages cannot be followed any more.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Text from the client that is not UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\"")]
    NotUtf8,
    /// A format code other than text and binary.
    #[error("unsupported format code: {code}")]
    UnsupportedFormat {
        /// The code.
        code: i16,
    },
    /// A protocol version that is not spoken.
    #[error("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2")]
    UnsupportedProtocol {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// An option of the startup packet that is not understood.
    #[error("invalid command-line argument for server process: {option}")]
    InvalidOption {
        /// The option.
        option: String,
    },
    /// A setting of the startup packet's options without a value.
    #[error("{option} requires a value")]
    OptionWithoutValue {
        /// How it is written, as `-c search_path`.
        option: String,
    },
    /// A startup packet without a user.
    #[error("no PostgreSQL user name specified in startup packet")]
    MissingUser,
    /// A database other than the one served.
    #[error("database \"{name}\" does not exist")]
    UndefinedDatabase {
        /// The name asked for.
        name: String,
    },
    /// A role that is not configured, where no password is asked.
    #[error("role \"{name}\" does not exist")]
    UndefinedRole {
        /// The name.
        name: String,
    },
    /// Wrong password or unknown user: one text for both.
    #[error("password authentication failed for user \"{user}\"")]
    AuthenticationFailed {
        /// The user.
        user: String,
    },
    /// A client that no rule for who may log in is for.
    #[error("no pg_hba.conf entry for {who}")]
    NoAccessRule {
        /// The client.
        who: Refused,
    },
    /// A client that a rule refuses.
    #[error("pg_hba.conf rejects connection for {who}")]
    AccessRejected {
        /// The client.
        who: Refused,
    },
    /// A client without a certificate where its rule asks for one.
    #[error("connection requires a valid client certificate")]
    CertificateRequired,
    /// A certificate of somebody else.
    #[error("certificate authentication failed for user \"{user}\"")]
    CertificateFailed {
        /// The user.
        user: String,
    },
    /// A client from another machine that speaks in the clear.
    #[error("connections from \"{address}\" are admitted with TLS only")]
    TlsRequired {
        /// Where it comes from.
        address: String,
    },
    /// A log-in that took too long.
    #[error("canceling authentication due to timeout")]
    LoginTimeout,
    /// No place is left.
    #[error("sorry, too many clients already")]
    TooManyConnections,
    /// Only places for owners are left.
    #[error("remaining connection slots are reserved for owners")]
    ReservedConnections,
    /// More than one statement where one is due.
    #[error("cannot insert multiple commands into a prepared statement")]
    MultipleCommands,
    /// A prepared statement that is not there.
    #[error("{}", missing_statement(name))]
    UndefinedStatement {
        /// Its name.
        name: String,
    },
    /// A portal that is not there.
    #[error("portal \"{name}\" does not exist")]
    UndefinedPortal {
        /// Its name.
        name: String,
    },
    /// A prepared statement of that name is there already.
    #[error("prepared statement \"{name}\" already exists")]
    DuplicateStatement {
        /// Its name.
        name: String,
    },
    /// A portal of that name is there already.
    #[error("cursor \"{name}\" already exists")]
    DuplicatePortal {
        /// Its name.
        name: String,
    },
    /// A portal that ran already and cannot run again.
    #[error("portal \"{name}\" cannot be run")]
    SpentPortal {
        /// Its name.
        name: String,
    },
    /// More prepared statements or portals than a session may hold.
    #[error("a session holds at most {limit} {what}")]
    TooMany {
        /// "prepared statements" or "portals".
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A statement in a transaction that has failed.
    #[error("current transaction is aborted, commands ignored until end of transaction block")]
    FailedTransaction,
    /// A parameter declared with a type that is not served.
    #[error("type with OID {oid} is not served as a parameter")]
    UnsupportedType {
        /// The type.
        oid: u32,
    },
    /// A text that is not a value of its type.
    #[error("invalid input syntax for type {type_name}: \"{text}\"")]
    InvalidText {
        /// SQL name of the type.
        type_name: String,
        /// The text, shortened.
        text: String,
    },
    /// A text that is no array.
    #[error("malformed array literal: \"{text}\"")]
    MalformedArray {
        /// The text, shortened.
        text: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A text that is not a date or time.
    #[error("invalid input syntax for type {type_name}: \"{text}\"")]
    InvalidDatetime {
        /// SQL name of the type.
        type_name: String,
        /// The text, shortened.
        text: String,
    },
    /// A binary value that is not of its type.
    #[error("incorrect binary data format in bind parameter {number}")]
    InvalidBinary {
        /// 1-based number of the parameter.
        number: usize,
    },
    /// A number outside of its type.
    #[error("value \"{text}\" is out of range for type {type_name}")]
    NumericOverflow {
        /// SQL name of the type.
        type_name: String,
        /// The number, shortened.
        text: String,
    },
    /// A date or time outside of what Postgres' types hold.
    #[error("{type_name} out of range")]
    DatetimeOverflow {
        /// SQL name of the type.
        type_name: &'static str,
    },
    /// A text with a field that no date or time has.
    #[error("date/time field value out of range: \"{text}\"")]
    FieldOverflow {
        /// The text.
        text: String,
    },
    /// A time zone that nobody knows.
    #[error("time zone \"{name}\" not recognized")]
    UndefinedZone {
        /// Its name.
        name: String,
    },
    /// A parameter that cannot be turned into the type that the statement needs.
    #[error("cannot use a value of type {from} as {to}")]
    Mismatch {
        /// Type of the parameter.
        from: String,
        /// Type needed.
        to: String,
    },
    /// A value that has no form on the wire.
    #[error("no {format} form for type {type_name}")]
    NoWireForm {
        /// "text" or "binary".
        format: &'static str,
        /// The type.
        type_name: String,
    },
    /// Arrays of arrays whose inner lengths differ.
    #[error("multidimensional arrays must have sub-arrays with matching dimensions")]
    RaggedArray,
    /// A row, message or column list above what the protocol carries.
    #[error("{what} is too large for a message")]
    TooLarge {
        /// What it is.
        what: &'static str,
    },
    /// The client asks for replication.
    #[error("replication is not served")]
    Replication,
    /// The fast path of function calls.
    #[error("function calls by message are not served")]
    FunctionCall,
    /// A session that sat in an open transaction for too long.
    #[error("terminating connection due to idle-in-transaction timeout")]
    IdleInTransaction,
    /// A session that sat idle for too long.
    #[error("terminating connection due to idle-session timeout")]
    IdleSession,
    /// The server stops, or an administrator ended the session.
    #[error("terminating connection due to administrator command")]
    Terminated,
    /// The client went away: there is nobody to tell.
    #[error("connection to client lost")]
    ClientGone,
    /// A client that takes nothing for too long.
    #[error("the client took no data for {seconds} seconds")]
    WriteStalled {
        /// The bound.
        seconds: u64,
    },
    /// A TLS file that cannot be used.
    #[error("cannot use TLS file \"{}\": {reason}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS settings that do not fit each other.
    #[error("TLS cannot be set up: {reason}")]
    TlsSetup {
        /// What is wrong.
        reason: String,
    },
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Host and port, or the path of the socket.
        address: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An address that is not safe to listen on with these settings.
    #[error("refusing to listen on {address} {without}")]
    Unsafe {
        /// Host and port.
        address: String,
        /// What is missing: "without TLS", "without passwords".
        without: &'static str,
    },
    /// A stored verifier that cannot be read.
    #[error("the password of role \"{role}\" is not a SCRAM-SHA-256 verifier")]
    Verifier {
        /// The role.
        role: String,
    },
    /// A defect: something panicked, or an invariant does not hold.
    #[error("internal error {id}")]
    Internal {
        /// Names the entry in the server's log.
        id: String,
    },
}

/// A client that is not let in, as Postgres names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its address.
    pub host: String,
    /// The role that it says to be.
    pub user: String,
    /// The database that it asks for.
    pub database: String,
    /// It speaks TLS.
    pub encrypted: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host, user, database, ..
        } = self;
        let encryption = if self.encrypted {
            "SSL encryption"
        } else {
            "no encryption"
        };
        write!(
            f,
            "host \"{host}\", user \"{user}\", database \"{database}\", {encryption}"
        )
    }
}

impl Error {
    pub(crate) fn protocol(violation: impl Into<String>) -> Self {
        Self::Protocol {
            violation: violation.into(),
        }
    }

    /// A defect, written to the log under an identifier that the client sees too.
    pub(crate) fn internal(what: &str) -> Self {
        let id = format!("{:08x}", rand::random::<u32>());
        tracing::error!(id, what, "internal error");
        Self::Internal { id }
    }

    pub(crate) fn invalid_option(option: &str) -> Self {
        Self::InvalidOption {
            option: shortened(option),
        }
    }

    pub(crate) fn option_without_value(option: &str) -> Self {
        Self::OptionWithoutValue {
            option: shortened(option),
        }
    }

    pub(crate) fn invalid_text(type_name: &str, text: &str) -> Self {
        Self::InvalidText {
            type_name: type_name.to_owned(),
            text: shortened(text),
        }
    }

    pub(crate) fn malformed_array(text: &str, detail: impl Into<String>) -> Self {
        Self::MalformedArray {
            text: shortened(text),
            detail: detail.into(),
        }
    }

    pub(crate) fn invalid_datetime(type_name: &str, text: &str) -> Self {
        Self::InvalidDatetime {
            type_name: type_name.to_owned(),
            text: shortened(text),
        }
    }

    pub(crate) fn field_overflow(text: &str) -> Self {
        Self::FieldOverflow {
            text: shortened(text),
        }
    }

    pub(crate) fn numeric_overflow(type_name: &str, text: &str) -> Self {
        Self::NumericOverflow {
            type_name: type_name.to_owned(),
            text: shortened(text),
        }
    }

    /// Whether the connection ends with this error.
    pub(crate) fn fatal(&self) -> bool {
        matches!(
            self,
            Self::Engine(error) if error.class() == ErrorClass::Shutdown
        ) || matches!(
            self,
            Self::Frame(_)
                | Self::TlsRequired { .. }
                | Self::UnsupportedProtocol { .. }
                | Self::MissingUser
                | Self::UndefinedDatabase { .. }
                | Self::UndefinedRole { .. }
                | Self::AuthenticationFailed { .. }
                | Self::NoAccessRule { .. }
                | Self::AccessRejected { .. }
                | Self::CertificateRequired
                | Self::CertificateFailed { .. }
                | Self::LoginTimeout
                | Self::TooManyConnections
                | Self::ReservedConnections
                | Self::Replication
                | Self::IdleInTransaction
                | Self::IdleSession
                | Self::Terminated
                | Self::ClientGone
                | Self::WriteStalled { .. }
        )
    }
}

impl UserError for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Engine(error) => error.class(),
            Self::Protocol { .. }
            | Self::Frame(_)
            | Self::NotUtf8
            | Self::UnsupportedFormat { .. }
            | Self::MissingUser
            | Self::InvalidBinary { .. }
            | Self::Unsafe { .. }
            | Self::TlsFile { .. }
            | Self::TlsSetup { .. }
            | Self::Verifier { .. } => ErrorClass::InvalidArgument,
            Self::UnsupportedProtocol { .. }
            | Self::UnsupportedType { .. }
            | Self::NoWireForm { .. }
            | Self::Replication
            | Self::FunctionCall => ErrorClass::Unsupported,
            Self::UndefinedDatabase { .. } => ErrorClass::UndefinedDatabase,
            Self::UndefinedRole { .. } => ErrorClass::UndefinedObject,
            Self::UndefinedStatement { .. } => ErrorClass::UndefinedStatement,
            Self::UndefinedPortal { .. } => ErrorClass::UndefinedCursor,
            Self::FailedTransaction => ErrorClass::TransactionAborted,
            Self::DuplicateStatement { .. } => ErrorClass::DuplicateStatement,
            Self::DuplicatePortal { .. } => ErrorClass::DuplicateCursor,
            Self::AuthenticationFailed { .. }
            | Self::NoAccessRule { .. }
            | Self::AccessRejected { .. }
            | Self::CertificateRequired
            | Self::CertificateFailed { .. }
            | Self::TlsRequired { .. } => ErrorClass::PermissionDenied,
            Self::TooManyConnections | Self::ReservedConnections => ErrorClass::TooManyConnections,
            Self::MultipleCommands | Self::InvalidOption { .. } | Self::OptionWithoutValue { .. } => {
                ErrorClass::Syntax
            }
            Self::Mismatch { .. } => ErrorClass::TypeMismatch,
            Self::SpentPortal { .. } => ErrorClass::NotInState,
            Self::RaggedArray => ErrorClass::DataError,
            Self::TooMany { .. } => ErrorClass::LimitExceeded,
            Self::InvalidText { .. } | Self::MalformedArray { .. } => ErrorClass::InvalidText,
            Self::InvalidDatetime { .. } => ErrorClass::InvalidDatetime,
            Self::NumericOverflow { .. } => ErrorClass::NumericOverflow,
            Self::DatetimeOverflow { .. } | Self::FieldOverflow { .. } => ErrorClass::DatetimeOverflow,
            Self::UndefinedZone { .. } => ErrorClass::InvalidArgument,
            Self::TooLarge { .. } => ErrorClass::TooLarge,
            Self::LoginTimeout | Self::IdleInTransaction | Self::IdleSession | Self::WriteStalled { .. } => {
                ErrorClass::Cancelled
            }
            Self::Terminated => ErrorClass::Shutdown,
            Self::ClientGone | Self::Listen { .. } => ErrorClass::Unavailable,
            Self::Internal { .. } => ErrorClass::Internal,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.detail(),
            Self::MalformedArray { detail, .. } => Some(detail.clone()),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint(),
            Self::UndefinedDatabase { .. } => Some(format!(
                "There is one database, \"{0}\": connect with dbname={0}.",
                perennial_engine::DATABASE
            )),
            Self::AuthenticationFailed { .. } => Some(
                "The roles and their passwords are those of [[role]] in the server's configuration.".to_owned(),
            ),
            Self::NoAccessRule { .. } | Self::AccessRejected { .. } => Some(
                "The rules are those of [[server.access]] in the server's perennial.toml; the first that fits counts."
                    .to_owned(),
            ),
            Self::CertificateRequired => Some(
                "A rule of [[server.access]] asks for one that an authority of tls_client_ca has signed: connect with sslcert and sslkey."
                    .to_owned(),
            ),
            Self::CertificateFailed { .. } => {
                Some("The common name of the certificate has to be the role.".to_owned())
            }
            Self::Unsafe {
                without: "without TLS",
                ..
            } => Some(
                "Set server.tls_certificate and server.tls_key, or listen on a loopback address.".to_owned(),
            ),
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => Some(
                "Another process listens there: end it, or choose another address with --listen or server.listen."
                    .to_owned(),
            ),
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Some("Choose a port of 1024 or above with --listen or server.listen.".to_owned())
            }
            Self::Unsafe { .. } => Some(
                "Set server.authentication, or the method in [[server.access]], to \"scram-sha-256\", or listen on a loopback address.".to_owned(),
            ),
            Self::Verifier { .. } => {
                Some("\"perennial password\" prints the verifier of a password.".to_owned())
            }
            Self::TooMany {
                what: "prepared statements",
                ..
            } => Some("Close statements that are not needed any more, or use DEALLOCATE.".to_owned()),
            Self::Internal { id } => Some(format!("The server's log has the cause under {id}.")),
            _ => None,
        }
    }

    fn position(&self) -> Option<usize> {
        match self {
            Self::Engine(error) => error.position(),
            _ => None,
        }
    }
}

fn missing_statement(name: &str) -> String {
    if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    }
}

/// The beginning of a text: enough to recognise a value, never a megabyte of it.
fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(64).collect();
    if characters.next().is_some() {
        format!("{start}…")
    } else {
        start
    }
}
