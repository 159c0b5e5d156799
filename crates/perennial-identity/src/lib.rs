//! Identity resolution: identifiers to customers, stable ids, survivorship; pure functions over records.
//!
//! A record is a row of a source together with its versions; an identifier is a value of a configured type, such
//! as an email. Records and identifiers form a bipartite graph, and its connected components are the customers.
//! The way of the data:
//!
//! 1. [`Rules`] say which types there are, in order of their strength, how each is normalised and bounded.
//!    A [`Normaliser`] (one per thread) turns raw text into a normalised value, or says why it identifies nobody.
//! 2. A [`GraphBuilder`] interns the values and takes the records. Records of one source with equal sets of
//!    identifiers are one node, a *signature*: fifty million events of a million people are a few million
//!    signatures. This loses nothing, because such records meet the same bounds with the same outcome. Records of
//!    a person source (profiles) keep a signature each: every one is somebody even if no identifier joins it.
//! 3. [`GraphBuilder::resolve`] joins signatures and identifiers by union-find. Types are tried from the strongest
//!    to the weakest, and within a type the edges by time, value, source name and record key: an order that
//!    depends on the data alone, so the outcome does not depend on the order of arrival. Two bounds guard against
//!    runaway merges. `max_customers` is counted before a type's first edge is tried: a value that would join more
//!    customers, as the stronger types alone built them, joins nobody. `limit` is checked at every edge: a join
//!    that would give a customer more values of any type than its limit is refused and reported with both sides.
//!    An [`Override`] is a person's word on two records and comes before the strongest type: records that are the same are
//!    joined and their own values kept whatever a limit says; what is different is never joined, by no chain of values.
//! 4. [`Partition::publish`] names the components. A component keeps the oldest id that was ever published for it
//!    and mints one from its founding record otherwise; no id is ever forgotten ([`PublishedId`]).
//!
//! What is looked up at random is in memory: the hashes by which values and sets are found until all records are in, the
//! members of sets, forty bytes a signature, the forest. Texts of values and keys, most of the bytes where they are long,
//! go to a place of the caller's ([`Spill`]) when memory is not granted otherwise; reading one back is a read of that place.
//!
//! Clustering is a function from edges to labels: nothing before step 3 knows how it is done, and nothing after
//! it sees more than the labels.
//!
//! [`survivorship`] chooses the values of the golden record.

mod batch;
mod blocklist;
mod builder;
mod cluster;
mod customer_id;
mod error;
mod graph;
mod groups;
mod intern;
mod memory;
mod normaliser;
mod overrides;
mod partition;
mod published;
mod resolution;
mod rules;
mod spill;
mod spoken;
mod store;
pub mod survivorship;
#[cfg(test)]
mod tests;
mod union_find;
mod warnings;

/// How the values of an identifier type are made comparable: by a rule of `perennial_normalise`.
pub use perennial_normalise::Rule as Normalisation;

pub use batch::Batch;
pub use blocklist::{BlockedEntry, BlockedForm};
pub use builder::{GraphBuilder, IdentifierId, SetId, SignatureId, Source, SourceSet};
pub use customer_id::CustomerId;
pub use error::Error;
pub use normaliser::{Normaliser, Outcome};
pub use overrides::{Override, OverrideLink, OverrideOutcome, OverrideState, Verdict};
pub use partition::Partition;
pub use published::{Change, ChangeKind, Fate, PreviousIds, PublishedId, place_hash, record_hash};
pub use resolution::{Conflict, Customer, Identity, Link, Record, RecordGroup, Resolution};
pub use rules::{IdentifierRule, Rules};
pub use spill::Spill;
pub use warnings::{Tally, Warning, WarningKind};
