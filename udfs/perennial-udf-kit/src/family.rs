//! The families of functions, as they stand in `doc_section(label = …)`. The attribute takes a literal only, so a test
//! of every function crate compares (see `testing::check_set`).

/// Getting customers, and what it costs.
pub const ACQUISITION: &str = "acquisition";
/// What customers are worth.
pub const VALUE: &str = "value";
/// Keeping customers.
pub const RETENTION: &str = "retention";
/// What customers say of the business.
pub const SATISFACTION: &str = "satisfaction";
/// Stages of the customer lifecycle.
pub const LIFECYCLE: &str = "lifecycle";
/// Sequences of what customers do.
pub const BEHAVIOUR: &str = "behaviour";
/// Recurring revenue.
pub const SUBSCRIPTION: &str = "subscription";
/// What customers will do.
pub const PREDICTION: &str = "prediction";
/// Who a customer is.
pub const IDENTITY: &str = "identity";
/// What of a person may be seen.
pub const PRIVACY: &str = "privacy";

/// Every family, in the order of the reference.
pub const ALL: [&str; 10] = [
    ACQUISITION,
    VALUE,
    RETENTION,
    SATISFACTION,
    LIFECYCLE,
    BEHAVIOUR,
    SUBSCRIPTION,
    PREDICTION,
    IDENTITY,
    PRIVACY,
];
