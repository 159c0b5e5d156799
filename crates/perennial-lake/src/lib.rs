//! The lake: object stores, the discovery and admission of landed files, snapshots and their commit, and the
//! writer of the platform's own data files.
//!
//! Everything works on an [`object_store::ObjectStore`], so that a local folder, S3, Google Cloud Storage and
//! Azure differ in [`Lake::open`] only. Nothing here knows a query engine.

pub mod admission;
pub mod bounds;
pub mod contract;
pub mod discovery;
mod document;
pub mod error;
mod export;
pub mod leases;
pub mod manifest;
pub mod masks;
pub mod snapshots;
pub mod statistics;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod writer;

pub use admission::{FileFacts, Inspection, Rejection, inspect, most_unpacked};
pub use bounds::Bounds;
pub use contract::{Contract, Misfit, StoredSchema};
pub use discovery::{
    Landed, SETTLING_GRACE, Settling, SourcePath, discover, names_in, unclaimed, unnameable,
};
pub use error::{Error, Result, io_kind, no_room};
pub use export::{EXPORT_FOLDER, ExportWriter};
pub use leases::{LEASE, Leases, leased};
pub use manifest::{
    Blame, ColumnStats, DataFile, FileState, Loss, Manifest, Phase, RunState, RunSummary, Scalar, SourceFile,
    SourceManifest, TableManifest,
};
pub use masks::{Masks, RowSet};
pub use snapshots::{Collected, Commit, Retention, Snapshots};
pub use store::{LOCAL_STORE_URL, Lake, PLATFORM_FOLDER, StoreWrapper, upload_of};
pub use writer::{DataFileWriter, WriterOptions};
