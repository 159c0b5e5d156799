//! Pure text kernels: normalised identifiers and masks, shared by identity resolution and the SQL functions.
//!
//! A normalised value is what two spellings of one identifier have in common. Every kernel gives `None` for text
//! that is no such identifier, borrows when the text is already normal, and is idempotent: normalising a
//! normalised value changes nothing.
//!
//! ```text
//! " Jane.Doe@Example.COM "   email        jane.doe@example.com
//! "Jane <j.doe+x@gmail.com>" email_gmail  jdoe@gmail.com
//! "030 / 123 456"            phone:DE     +4930123456
//! "  Anna\tMARIA "           name         anna maria
//! " A-17 "                   exact        A-17
//! ```

pub mod email;
pub mod error;
mod fold;
pub mod mask;
pub mod name;
pub mod phone;
pub mod rule;

pub use email::EmailRule;
pub use error::{Error, Result};
pub use phone::Region;
pub use rule::Rule;
