//! What every function crate shares: registration, parameters, argument readers, errors, test helpers.
//!
//! A function crate declares each function in a file of its own, lists them in a [`FunctionSet`], and knows nothing of
//! sessions: same arguments, same answer.

pub mod aggregate;
pub mod columns;
pub mod error;
pub mod family;
pub mod function_set;
pub mod parameters;
#[cfg(feature = "testing")]
pub mod testing;

pub use aggregate::{Fold, Groups, Single, every_row_counts};
pub use error::FunctionError;
pub use function_set::FunctionSet;
pub use parameters::{Kind, Parameter, Parameters};
