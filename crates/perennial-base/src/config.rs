//! The configuration file `perennial.toml`: its types, the registry of all its keys, and the reader that names
//! key, line and remedy when something is wrong.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;

use crate::kind::Kind;

mod access;
mod document;
mod environment;
mod errors;
mod fingerprint;
mod read;
mod reader;
pub mod registry;
pub mod render;
pub mod stage_facts;
mod units;

pub use access::{AccessMethod, AccessRule, Address, Caller, ConnectionKind, CoveredRule};
pub use errors::{ConfigErrors, ConfigProblem, MAX_PROBLEMS, Place, Problem};
pub use units::{MAX_DURATION, parse_duration, parse_size};

/// The whole configuration, read and validated in itself (not against files; that is `perennial check`).
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The configuration file as the caller named it, for messages.
    pub file: String,
    /// The folder of the configuration file: relative lake paths start here.
    pub base: PathBuf,
    /// `[lake]`.
    pub lake: LakeConfig,
    /// `[time] zone`: the calendar of the ready-made views.
    pub zone: Tz,
    /// `[time] as_of`: the moment that counts as the present, in microseconds UTC; `None` = the clock.
    pub as_of: Option<i64>,
    /// `[money] currency`: the reporting currency, ISO 4217.
    pub currency: String,
    /// `[[source]]`, in the order of the file.
    pub sources: Vec<SourceConfig>,
    /// `[identity]`.
    pub identity: IdentityConfig,
    /// `[lifecycle]`.
    pub lifecycle: LifecycleConfig,
    /// `[[segment]]`.
    pub segments: Vec<SegmentConfig>,
    /// `[[metric]]`.
    pub metrics: Vec<MetricConfig>,
    /// `[server]`.
    pub server: ServerConfig,
    /// `[[role]]`.
    pub roles: Vec<RoleConfig>,
    /// Hash of everything that decides what a run computes (all but `[server]`, `[[role]]`, `lake.refresh` and `lake.keep_…`).
    pub hash: String,
}

/// `[lake]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LakeConfig {
    /// Root of the object storage: a folder or an URL.
    pub url: String,
    /// How often the lake is looked at for new files; `None` ("off") = only by `perennial unify`.
    pub refresh: Option<Duration>,
    /// How many of the newest snapshots are kept in any case.
    pub keep_snapshots: usize,
    /// How long a snapshot is kept after a newer one has taken its place.
    pub keep_for: Duration,
}

/// `[[source]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceConfig {
    /// Name of the source; also of its relation in schema `raw`.
    pub name: String,
    /// What its rows are.
    pub kind: Kind,
    /// Where the kind stands in the file.
    pub kind_at: Spot,
    /// A folder (recursive) or a glob below the lake's root.
    pub path: String,
    /// Where the path stands in the file.
    pub path_at: Spot,
    /// SQL expression of the key; `None` = every row counts.
    pub record_key: Option<Expression>,
    /// SQL expression of the moment at which a row became true.
    pub time: Option<Expression>,
    /// SQL expression that orders the versions of one key; `None` = `time`.
    pub updated_at: Option<Expression>,
    /// Zone of times without one; `None` = the lake's.
    pub zone: Option<Tz>,
    /// Identifier type → SQL expression, in the order of the file.
    pub identifiers: Vec<(String, Expression)>,
    /// Trait → SQL expression, in the order of the file.
    pub traits: Vec<(String, Expression)>,
    /// Canonical column → SQL expression, in the order of the file.
    pub columns: Vec<(String, Expression)>,
    /// SQL predicate; rows for which it is not true are filtered.
    pub filter: Option<Expression>,
    /// Share of rejected rows, rounded up to a whole row, above which a file is quarantined, 0 to 1.
    pub max_bad_rows: f64,
    /// Schema in which a source of kind `table` is served.
    pub schema: String,
    /// Where its `[[source]]` stands in the file.
    pub at: Spot,
}

impl SourceConfig {
    /// The expression mapped to a canonical column.
    pub fn column(&self, name: &str) -> Option<&Expression> {
        self.columns
            .iter()
            .find(|(column, _)| column == name)
            .map(|(_, expression)| expression)
    }
}

/// A SQL expression and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The SQL text.
    pub sql: String,
    /// Where.
    pub at: Spot,
}

/// A line and a column (counted in characters) of the file, each from 1; 0 for what no file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spot {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// `[identity]`.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityConfig {
    /// Values that identify nobody, joined to the built-in list.
    pub blocked: Vec<String>,
    /// `[[identity.identifier]]`, strongest first; types that sources map and that are not listed follow, in the
    /// order of their first use, without limits; type `email` is compared as an address, type `anonymous_id` is
    /// weak, and every other type is strong text.
    pub identifiers: Vec<IdentifierConfig>,
    /// `[identity.survivorship]` default rule.
    pub default_rule: SurvivorshipRule,
    /// `[identity.survivorship]` per trait.
    pub trait_rules: Vec<(String, SurvivorshipRule)>,
}

/// `[[identity.identifier]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierConfig {
    /// The type's name.
    pub name: String,
    /// How values are made comparable.
    pub normalise: Normalise,
    /// Whether the identifier names a known person (weak ones alone are an anonymous visitor).
    pub strong: bool,
    /// A customer never holds more values of it than this.
    pub limit: Option<u32>,
    /// A value that would join more components than this identifies nobody.
    pub max_customers: Option<u32>,
    /// Where its rule stands, or it does; nowhere where the rule holds by the type's name.
    pub at: Spot,
    /// Where its `type` stands; nowhere for one that is not listed.
    pub named_at: Spot,
}

/// How identifier values are made comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normalise {
    /// Trimmed text (`text`, the default).
    Text,
    /// `email`: trimmed, lower case, NFKC.
    Email,
    /// `email_gmail`: also without dots and +tags where the provider ignores them.
    EmailGmail,
    /// `phone:XX`: E.164 with the default region XX.
    Phone(String),
}

/// How a trait's value is chosen among records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SurvivorshipRule {
    /// The value of the newest record.
    MostRecent,
    /// The value that most records have.
    MostFrequent,
    /// The value of the oldest record.
    First,
    /// The value of the first source of this list that has one, then of the others in the order of the file.
    SourcePriority(Vec<String>),
    /// The longest value.
    Longest,
}

/// `[lifecycle]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LifecycleConfig {
    /// A preset: `default`, `classic`, `acquisition_engagement_retention` or `subscription`.
    pub preset: String,
    /// Where it stands, if it is written.
    pub preset_at: Option<Spot>,
    /// Silence below which a customer is active.
    pub active: Window,
    /// Silence from which a customer has lapsed.
    pub lapse: Window,
    /// Statuses (lower case) of orders that do not count.
    pub unpaid_statuses: Vec<String>,
    /// `[lifecycle.facts]`: name → "relation where predicate".
    pub facts: Vec<NamedFact>,
    /// `[[lifecycle.stage]]`: replaces the preset's list.
    pub stages: Vec<StageConfig>,
}

/// A window of silence.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// The same for everybody.
    Fixed(Duration),
    /// A multiple of the customer's own median gap between orders.
    Adaptive {
        /// The multiple.
        gap_multiple: f64,
        /// Never shorter than this.
        min: Duration,
        /// Never longer than this.
        max: Duration,
    },
}

/// `[lifecycle.facts] name = "relation where predicate"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFact {
    /// `referral`, `closing` or a name of the user's.
    pub name: String,
    /// The unified relation that holds it.
    pub relation: String,
    /// SQL predicate over that relation.
    pub predicate: Expression,
}

/// `[[lifecycle.stage]]`: conditions joined by AND; the raw table is kept for the stage language's reader.
#[derive(Debug, Clone, PartialEq)]
pub struct StageConfig {
    /// The stage's name.
    pub name: String,
    /// Its conditions.
    pub conditions: Vec<StageCondition>,
    /// `any = [...]`: groups of conditions, one of which must hold.
    pub any: Vec<Vec<StageCondition>>,
    /// Where it stands in the file.
    pub at: Spot,
}

/// One condition of a stage: a fact, a window where the fact has one, and one bound or two that make a range.
///
/// A bare value in the file (`orders = 1`, `identified = true`) is `equals`. `returned_within` with `days` alone
/// asks whether the last return from `lapsed` lies within that many days; with a bound instead, the bound is on
/// the time since that return.
#[derive(Debug, Clone, PartialEq)]
pub struct StageCondition {
    /// The fact's name as in the design's list.
    pub fact: String,
    /// `days = N` of facts with a window.
    pub days: Option<f64>,
    /// `name = '…'` of events.
    pub name: Option<String>,
    /// `at_least`.
    pub at_least: Option<Bound>,
    /// `at_most`.
    pub at_most: Option<Bound>,
    /// `less_than`.
    pub less_than: Option<Bound>,
    /// `more_than`.
    pub more_than: Option<Bound>,
    /// `equals`, for numbers, booleans and words such as `active`.
    pub equals: Option<Bound>,
    /// Where it stands in the file.
    pub at: Spot,
}

/// A bound of a condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// A number.
    Number(f64),
    /// A duration such as `90 days`.
    Duration(Duration),
    /// A word: a window's name (`active`, `lapse`) or a state.
    Word(String),
    /// A truth value.
    Bool(bool),
}

/// `[[segment]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentConfig {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// SQL predicate over `customer_360`.
    pub filter: Expression,
}

/// `[[metric]]`: a metric of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricConfig {
    /// Its name.
    pub name: String,
    /// Where the name stands in the file.
    pub name_at: Spot,
    /// SQL expression.
    pub sql: Expression,
    /// Its unit.
    pub unit: Option<String>,
    /// What it says.
    pub description: Option<String>,
}

/// `[server]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Folder of the Unix socket, `None` = no socket; unless written, `/tmp` with [`Authentication::LocalUser`] and
    /// where a rule is for it.
    pub unix_socket: Option<PathBuf>,
    /// Certificate chain, PEM.
    pub tls_certificate: Option<PathBuf>,
    /// Private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Authorities of client certificates, PEM.
    pub tls_client_ca: Option<PathBuf>,
    /// `trust` (loopback only) or `scram-sha-256`; when the file does not say, SCRAM if a role has a password.
    pub authentication: Authentication,
    /// `[[server.access]]`, in the order of the file; none = [`ServerConfig::authentication`] says it for all.
    pub access: Vec<AccessRule>,
    /// Connections in all.
    pub max_connections: usize,
    /// Of these, kept for owners.
    pub reserved_connections: usize,
    /// Memory for all statements and for resolving identities, bytes; `None` = 60 % of the machine or cgroup.
    pub memory: Option<u64>,
    /// Memory for one statement, bytes; `None` = half of the above.
    pub statement_memory: Option<u64>,
    /// Folder of spill files; `None` = the system's folder for temporary files.
    pub spill_dir: Option<PathBuf>,
    /// Bytes of spill files in all.
    pub spill_limit: u64,
    /// Default of `statement_timeout`; zero = none.
    pub statement_timeout: Duration,
    /// Time a log-in may take.
    pub login_timeout: Duration,
    /// Threads that run plans; `None` = one for each core.
    pub threads: Option<usize>,
}

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Anybody on this machine.
    Trust,
    /// SCRAM-SHA-256 with stored verifiers.
    ScramSha256,
    /// Nothing is written and no role has a password: only the Unix socket opens, and only for the system user
    /// that runs the server (who is an owner); nothing listens on TCP. Cannot be written.
    LocalUser,
}

/// `[[role]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleConfig {
    /// Its name.
    pub name: String,
    /// `SCRAM-SHA-256$…` verifier.
    pub password: Option<String>,
    /// Whether it may do everything.
    pub owner: bool,
    /// Default of `statement_timeout` for the role.
    pub statement_timeout: Option<Duration>,
    /// Memory for one statement of the role, bytes.
    pub statement_memory: Option<u64>,
    /// Line in the file.
    pub line: usize,
}
