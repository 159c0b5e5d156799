//! The run: landed files → records → identities → facts, golden records, lifecycle, `customer_360` → one committed
//! snapshot.
//!
//! A run reads every live file, resolves all identities, and then works bucket by bucket of customers, so that its
//! memory follows the size of a bucket and not of the lake; what does not fit waits in files. The former snapshot
//! stays in force until the commit, and after a failure.

mod astray;
mod bad_rows;
mod bounded;
mod bucket;
mod by_value;
mod cause;
mod cautions;
mod check;
mod checked;
mod columns;
mod compact;
mod conditions;
mod counting;
mod departed;
mod due;
pub mod error;
mod evaluating;
mod explain;
mod facts;
mod findings;
mod fitting;
mod follow;
mod garbage;
mod golden;
mod gone;
mod groups;
mod identifiers;
mod increment;
mod journal;
mod keys;
mod landing;
mod ledger;
mod left_out;
mod lost;
mod mapping;
mod money;
mod nameless;
mod noticed;
mod odd_times;
mod options;
mod output;
mod overrides;
mod past;
mod population;
mod progress;
mod properties;
mod published;
mod rate_doubts;
mod reader;
mod records;
mod repeats;
mod report;
mod repriced;
mod route;
mod rules;
mod run;
mod scratch;
mod segments;
mod side;
mod stage_names;
mod stages;
mod stored;
mod summary;
mod superseded;
mod survey;
mod undecided;
mod unpaid;
mod unpriced;
mod useless;
mod values;
mod versions;
mod whole;
mod writing;

pub use astray::{Astray, Instead, sources_astray};
pub use cautions::{Cautions, cautions};
pub use check::check;
pub use checked::{
    CheckReport, CheckedSource, LostValues, QuarantinedFile, RejectedRows, UnknownSource, UnusableIdentifier,
};
pub use compact::Bounds;
pub use conditions::UnknownStage;
pub use departed::{Departed, Departure};
pub use error::{Error, Result};
pub use explain::{LifecycleExplanation, explain_lifecycle};
pub use follow::follow;
pub use identifiers::LoneIdentifier;
pub use keys::{Doubt, DoubtfulKey};
pub use landing::Looks;
pub use left_out::{Cause, LeftOut, Renamed};
pub use noticed::{
    FewValues, IdleFact, NothingLeft, Noticed, OddTimes, OfNoOrder, Undecided, Unheard, UnknownStatus,
    Useless,
};
pub use options::RunOptions;
pub use progress::{Progress, Quiet};
pub use rate_doubts::{ForeignRates, MissingRate, RateDoubts, rate_doubts};
pub use report::Report;
pub use run::{random, run};
pub use survey::{Survey, survey};
