//! What is printed: answers to standard output, everything else to standard error.

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};

/// What is said when an answer does not reach its end.
pub(crate) const UNWRITTEN: &str = "the answer cannot be written to standard output";

/// A line of an answer. A reader that has gone ends the output quietly.
///
/// # Errors
/// When standard output takes no more, such as a file on a full disk.
pub(crate) fn line(text: &str) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context(UNWRITTEN),
        _ => Ok(()),
    }
}

/// Bytes of an answer.
///
/// # Errors
/// When nobody reads any more.
pub(crate) fn bytes(bytes: &[u8]) -> std::io::Result<()> {
    std::io::stdout().lock().write_all(bytes)
}

/// A line about the work.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Several lines that are worded already.
pub(crate) fn text(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}

/// An error with what follows from it.
pub(crate) fn problem(message: &str, detail: Option<&str>, hint: Option<&str>) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "error: {message}");
    if let Some(detail) = detail {
        let _ = writeln!(out, "detail: {detail}");
    }
    if let Some(hint) = hint {
        let _ = writeln!(out, "hint: {hint}");
    }
}
