//! What of a person may be seen.

pub mod mask_email;
