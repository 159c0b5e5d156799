//! Errors of statements that need more memory, or more room for what they spill, than there is, or longer texts than can
//! be.

use perennial_base::ErrorClass;

use super::{Error, first_line, sentence};

/// What the engine calls `server.spill_limit`.
const SPILL_LIMIT: &str = "max_temp_directory_size";

pub(super) fn exhausted(message: &str) -> Error {
    if message.contains(SPILL_LIMIT) {
        return Error::new(ErrorClass::DiskFull, NO_ROOM_TO_SPILL)
            .with_detail(sentence(first_line(message)))
            .with_hint("Select less, or raise server.spill_limit.");
    }
    Error::new(ErrorClass::OutOfMemory, "out of memory")
        .with_detail(sentence(first_line(message)))
        .with_hint("Select less, or raise server.statement_memory.")
}

/// The error of a text, or of texts of one column together, for which an array has no offsets. Arrow says so in errors and in
/// panics (`arrow_array::builder::GenericByteBuilder::next_offset`).
pub(crate) fn too_long(message: &str) -> Option<Error> {
    // What stands in quotation marks is of a user.
    let message = message
        .split(['\'', '"'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let known = ["offset overflow", "exceeds u32::max", "block too large"];
    known.iter().any(|text| message.contains(text)).then(|| {
        Error::new(
            ErrorClass::TooLarge,
            "a text, or the texts of a column together, grew beyond 2 GB",
        )
        .with_hint("Put together fewer rows, or shorter texts.")
    })
}

const NO_ROOM_TO_SPILL: &str = "no space left for spilled data";

/// What the system says of a file of the engine's own: the only ones it writes are those that statements spill to.
pub(super) fn io_error(error: &std::io::Error) -> Error {
    // What is written above the limit of spilled data comes as an error of its file.
    if error.to_string().contains(SPILL_LIMIT) {
        return exhausted(&error.to_string());
    }
    let kind = perennial_lake::io_kind(error).unwrap_or(std::io::ErrorKind::Other);
    // The text of the system can have a path of the server in it.
    let detail = sentence(&kind.to_string());
    if perennial_lake::no_room(kind) {
        return Error::new(ErrorClass::DiskFull, NO_ROOM_TO_SPILL)
            .with_detail(detail)
            .with_hint("Select less, or free space in the folder of server.spill_dir.");
    }
    Error::new(ErrorClass::Unavailable, "a file cannot be read or written").with_detail(detail)
}
