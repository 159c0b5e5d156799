//! Who a customer is: identifiers in the form in which they are compared.

pub mod normalise_email;
pub mod normalise_name;
pub mod normalise_phone;
