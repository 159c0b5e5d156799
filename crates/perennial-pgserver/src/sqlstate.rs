//! The one place that knows SQLSTATEs: what an error means to a client that decides by its code.

use perennial_base::{ErrorClass, UserError};

use crate::error::Error;
use crate::frame::FrameError;

/// The SQLSTATE of an error of this front: conditions of the protocol and the session have codes of their
/// own, everything else goes by its class.
pub fn code(error: &Error) -> &'static str {
    match error {
        Error::Protocol { .. } | Error::Frame(FrameError::Length { .. } | FrameError::Kind { .. }) => "08P01",
        Error::Frame(FrameError::TooLong { .. }) => "54000",
        Error::NotUtf8 => "22021",
        Error::MissingUser
        | Error::UndefinedRole { .. }
        | Error::NoAccessRule { .. }
        | Error::AccessRejected { .. }
        | Error::CertificateRequired
        | Error::CertificateFailed { .. }
        | Error::TlsRequired { .. } => "28000",
        Error::AuthenticationFailed { .. } => "28P01",
        Error::InvalidBinary { .. } => "22P03",
        Error::RaggedArray => "2202E",
        Error::IdleInTransaction => "25P03",
        Error::IdleSession => "57P05",
        Error::ClientGone => "08006",
        Error::LoginTimeout => "57014",
        _ => class(error.class()),
    }
}

/// The SQLSTATE of a class of errors.
pub fn class(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Syntax => "42601",
        ErrorClass::UndefinedTable => "42P01",
        ErrorClass::UndefinedDatabase => "3D000",
        ErrorClass::UndefinedColumn => "42703",
        ErrorClass::UndefinedFunction => "42883",
        ErrorClass::UndefinedObject => "42704",
        ErrorClass::AmbiguousColumn => "42702",
        ErrorClass::DuplicateObject => "42710",
        ErrorClass::DuplicateTable => "42P07",
        ErrorClass::DuplicateColumn => "42701",
        ErrorClass::InvalidDefinition => "42P16",
        ErrorClass::Dependents => "2BP01",
        ErrorClass::Grouping => "42803",
        ErrorClass::TypeMismatch => "42804",
        ErrorClass::CannotCoerce => "42846",
        ErrorClass::WrongObjectType => "42809",
        ErrorClass::Windowing => "42P20",
        ErrorClass::InvalidColumnReference => "42P10",
        ErrorClass::DuplicateAlias => "42712",
        ErrorClass::InvalidRegex => "2201B",
        ErrorClass::InvalidPower => "2201F",
        ErrorClass::InvalidLogarithm => "2201E",
        ErrorClass::InvalidBucket => "2201G",
        ErrorClass::InvalidLimit => "2201W",
        ErrorClass::InvalidOffset => "2201X",
        ErrorClass::InvalidArgument => "22023",
        ErrorClass::InvalidText => "22P02",
        ErrorClass::InvalidDatetime => "22007",
        ErrorClass::DatetimeOverflow => "22008",
        ErrorClass::NumericOverflow => "22003",
        ErrorClass::DivisionByZero => "22012",
        ErrorClass::Cardinality => "21000",
        ErrorClass::DataError => "22000",
        ErrorClass::TooLong => "22001",
        ErrorClass::NotNull => "23502",
        ErrorClass::Unsupported => "0A000",
        ErrorClass::ReadOnly => "25006",
        ErrorClass::PermissionDenied => "42501",
        ErrorClass::TooComplex => "54001",
        ErrorClass::TooLarge => "54000",
        ErrorClass::OutOfMemory => "53200",
        ErrorClass::DiskFull => "53100",
        ErrorClass::TooManyConnections => "53300",
        ErrorClass::LimitExceeded => "53400",
        ErrorClass::Cancelled => "57014",
        ErrorClass::Shutdown => "57P01",
        ErrorClass::Unavailable => "58030",
        ErrorClass::DamagedFile => "XX001",
        ErrorClass::MissingFile => "58P01",
        ErrorClass::FixedSetting => "55P02",
        ErrorClass::TransactionAborted => "25P02",
        ErrorClass::UndefinedCursor => "34000",
        ErrorClass::UndefinedStatement => "26000",
        ErrorClass::NoTransaction => "25P01",
        ErrorClass::ActiveTransaction => "25001",
        ErrorClass::UndefinedSavepoint => "3B001",
        ErrorClass::UndefinedParameter => "42P02",
        ErrorClass::DuplicateCursor => "42P03",
        ErrorClass::DuplicateStatement => "42P05",
        ErrorClass::NotInState => "55000",
        ErrorClass::Conflict => "40001",
        // The enum is open to other crates: a class that is forgotten here fails the test below.
        _ => "XX000",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_class_has_a_code_of_its_own_and_only_defects_are_internal() {
        let mut seen = BTreeMap::new();
        for each in ErrorClass::ALL {
            let code = class(each);
            assert_eq!(code.len(), 5);
            assert!(
                code.bytes()
                    .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()),
                "{code}"
            );
            assert_eq!(code == "XX000", each == ErrorClass::Internal, "{each:?}");
            if let Some(other) = seen.insert(code, each) {
                panic!("{each:?} and {other:?} share {code}");
            }
        }
    }

    #[test]
    fn conditions_of_the_protocol_have_postgres_codes() {
        let check = |error: Error, expected: &str| assert_eq!(code(&error), expected, "{error}");
        check(Error::protocol("x"), "08P01");
        check(Error::Frame(FrameError::TooLong { length: 1, limit: 0 }), "54000");
        check(Error::AuthenticationFailed { user: "a".into() }, "28P01");
        check(Error::UndefinedDatabase { name: "a".into() }, "3D000");
        check(Error::UndefinedStatement { name: String::new() }, "26000");
        check(Error::UndefinedPortal { name: String::new() }, "34000");
        check(Error::MultipleCommands, "42601");
        check(Error::TooManyConnections, "53300");
        check(
            Error::TooMany {
                what: "portals",
                limit: 1,
            },
            "53400",
        );
        check(Error::invalid_text("integer", "x"), "22P02");
        check(Error::Terminated, "57P01");
        check(Error::LoginTimeout, "57014");
        check(Error::UnsupportedProtocol { major: 2, minor: 0 }, "0A000");
    }
}
