//! What customers will do.

pub mod bgnbd_p_alive;
