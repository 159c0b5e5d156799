//! Reads `perennial.toml`.

use std::collections::{HashMap, hash_map};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::document::{self, Entry};
use super::errors::{ConfigErrors, ConfigProblem, MAX_PROBLEMS, Place, Problem};
use super::reader::{Reader, Section, Text};
use super::{Config, LakeConfig, MetricConfig, SegmentConfig, environment, fingerprint, registry};
use crate::currency;
use crate::error::ErrorClass;

mod access;
mod identity;
mod lifecycle;
mod server;
mod source;

/// How often the lake is looked at when the file does not say.
const DEFAULT_REFRESH: Duration = Duration::from_secs(10);
const DEFAULT_KEEP_SNAPSHOTS: usize = 3;
const DEFAULT_KEEP_FOR: Duration = Duration::from_secs(3_600);
/// Schemes of the object stores.
const SCHEMES: &[&str] = &["s3", "gs", "az", "file"];
/// What messages call a configuration that no file holds.
const FILE: &str = "perennial.toml";
/// A configuration is written by people: more than this is some other file.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

impl Config {
    /// Reads the file at `path`, with the overrides of the process environment.
    ///
    /// # Errors
    /// Everything that is wrong with the file and with the variables that override it, up to a bound.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        let whole = |problem| ConfigErrors {
            file: file.clone(),
            problems: vec![ConfigProblem {
                place: Place::Whole,
                problem,
            }],
            left_out: 0,
        };
        let text = read_text(path).map_err(whole)?;
        let base = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let variables = environment::variables();
        let unknown = environment::unknown(variables.keys().cloned());
        let config = Self::parse(&text, base, &|name| variables.get(name).cloned());
        if unknown.is_empty() {
            return match config {
                Ok(config) => Ok(Self { file, ..config }),
                Err(errors) => Err(ConfigErrors { file, ..errors }),
            };
        }
        let mut errors = match config {
            Ok(_) => ConfigErrors {
                file,
                problems: Vec::new(),
                left_out: 0,
            },
            Err(errors) => ConfigErrors { file, ..errors },
        };
        errors.problems.extend(unknown);
        errors.left_out += errors.problems.len().saturating_sub(MAX_PROBLEMS);
        errors.problems.truncate(MAX_PROBLEMS);
        Err(errors)
    }

    /// Reads the text of a configuration whose relative paths start at `base`; `environment` gives the value of
    /// a variable. Messages call the file `perennial.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with the text, up to a bound.
    pub fn parse(
        text: &str,
        base: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::default();
        let config = match document::parse(text) {
            Ok(mut entries) => {
                environment::apply(&mut entries, environment);
                Some(read(&mut reader, &entries, base))
            }
            Err(problems) => {
                for ConfigProblem { place, problem } in problems {
                    reader.report(&place, problem);
                }
                None
            }
        };
        reader.finish(FILE)?;
        config.ok_or_else(|| ConfigErrors {
            file: FILE.to_owned(),
            problems: Vec::new(),
            left_out: 0,
        })
    }
}

/// Reads all sections; what is reported is replaced by a default, so that everything else is read too.
fn read(reader: &mut Reader, entries: &[Entry], base: &Path) -> Config {
    let root = reader.section(&registry::ROOT, "the file".to_owned(), Place::Whole, entries);
    let lake = read_lake(reader, &root);
    let time = reader.table(&root, "time");
    let zone = time
        .as_ref()
        .and_then(|time| read_zone(reader, time))
        .unwrap_or(Tz::UTC);
    let as_of = time.as_ref().and_then(|time| read_as_of(reader, time, zone));
    let reporting = reader
        .table(&root, "money")
        .and_then(|money| read_currency(reader, &money));
    let sources = source::read(reader, &root);
    let identity = identity::read(reader, &root, &sources);
    let lifecycle = lifecycle::read(reader, &root);
    let segments = read_segments(reader, &root);
    let metrics = read_metrics(reader, &root);
    let (server, roles) = server::read(reader, &root, base);
    let mut config = Config {
        file: FILE.to_owned(),
        base: base.to_owned(),
        lake,
        zone,
        as_of,
        currency: reporting.unwrap_or_else(|| "EUR".to_owned()),
        sources,
        identity,
        lifecycle,
        segments,
        metrics,
        server,
        roles,
        hash: String::new(),
    };
    config.hash = fingerprint::fingerprint(&config);
    config
}

fn read_lake(reader: &mut Reader, root: &Section<'_>) -> LakeConfig {
    let remedy = "add url = \"./lake\" below [lake]: a folder, or an URL as s3://bucket/prefix";
    let lake = reader.table(root, "lake").unwrap_or_else(|| {
        let spec = registry::section("lake").unwrap_or(&registry::ROOT);
        Section {
            spec,
            label: "[lake]".to_owned(),
            place: Place::Whole,
            entries: &[],
        }
    });
    let url = reader.needed(&lake, "url", remedy);
    if let Some(url) = url {
        check_url(reader, &lake, url);
    }
    let refresh = reader
        .duration_or_off(&lake, "refresh")
        .unwrap_or(Some(DEFAULT_REFRESH));
    if refresh.is_some_and(|refresh| refresh.is_zero()) {
        let place = lake.place_of("refresh");
        reader.invalid(
            &lake,
            "refresh",
            &place,
            "is zero",
            "write \"off\" to look only in `perennial unify`",
        );
    }
    LakeConfig {
        url: url.map(|url| url.text.to_owned()).unwrap_or_default(),
        refresh,
        keep_snapshots: reader
            .integer(&lake, "keep_snapshots", 1..=100_000)
            .map_or(DEFAULT_KEEP_SNAPSHOTS, |number| number as usize),
        keep_for: reader.duration(&lake, "keep_for").unwrap_or(DEFAULT_KEEP_FOR),
    }
}

fn check_url(reader: &mut Reader, lake: &Section<'_>, url: Text<'_>) {
    let Some((scheme, rest)) = url.text.split_once("://") else {
        return;
    };
    if !SCHEMES.contains(&scheme) {
        let name = Text {
            text: scheme,
            place: url.place,
        };
        reader.unknown_name(lake, "scheme", name, SCHEMES.iter().copied());
    } else if rest
        .split('/')
        .next()
        .is_some_and(|host| host.contains(':') && host.contains('@'))
    {
        let reason = "carries credentials";
        reader.invalid(
            lake,
            "url",
            url.place,
            reason,
            "take them out; credentials come from the environment only",
        );
    }
}

/// `zone` of the section.
fn read_zone(reader: &mut Reader, section: &Section<'_>) -> Option<Tz> {
    let zone = reader.text(section, "zone")?;
    match zone.text.parse() {
        Ok(zone) => Some(zone),
        Err(_) => {
            let near = crate::error::nearest(zone.text, TZ_VARIANTS.iter().map(|zone| zone.name()));
            let remedy = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write a name of the IANA list, such as \"UTC\" or \"Europe/Berlin\"".to_owned(),
            };
            let (what, section) = ("time zone".to_owned(), section.label.clone());
            let problem = Problem::UnknownName {
                what,
                name: zone.text.to_owned(),
                section,
                remedy,
            };
            reader.report(zone.place, problem);
            None
        }
    }
}

/// `as_of` of `[time]`: a moment, or a date, which is its first moment in the lake's zone.
fn read_as_of(reader: &mut Reader, section: &Section<'_>, zone: Tz) -> Option<i64> {
    let written = reader.text(section, "as_of")?;
    let moment = crate::clock::parse_rfc3339(written.text).or_else(|| first_moment(written.text, zone));
    let remedy = "write an RFC 3339 time, such as \"2026-07-01T00:00:00Z\", or a date such as \"2026-07-01\"";
    let problem = match moment {
        Some(moment) if crate::clock::HAPPENS.contains(&moment) => return Some(moment),
        Some(_) => "is out of range: it goes from 1900-01-01 to 2199-12-31",
        None => "is not a time",
    };
    reader.invalid(section, "as_of", written.place, problem, remedy);
    None
}

/// The first moment of a day in a zone; none for what is no date. Where clocks skip midnight, the day begins behind the gap.
fn first_moment(date: &str, zone: Tz) -> Option<i64> {
    let midnight: NaiveDateTime = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?.into();
    let first = (0..24 * 4).find_map(|quarters| {
        let wall = midnight + TimeDelta::minutes(15 * quarters);
        zone.from_local_datetime(&wall).earliest()
    });
    first.map(|first| first.timestamp_micros())
}

fn read_currency(reader: &mut Reader, money: &Section<'_>) -> Option<String> {
    let currency = reader.text(money, "currency")?;
    check_currency(reader, money, "currency", currency.text, currency.place).then(|| currency.text.to_owned())
}

/// Whether ISO 4217 has this code; one that it does not have is reported.
fn check_currency(reader: &mut Reader, section: &Section<'_>, key: &str, code: &str, place: &Place) -> bool {
    let known = currency::is_code(code);
    if !known {
        let remedy = match currency::nearest(code) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write a code such as \"EUR\" or \"USD\"".to_owned(),
        };
        let reason = format!("is \"{code}\", which is not a currency code of ISO 4217");
        reader.invalid(section, key, place, reason, remedy);
    }
    known
}

fn read_segments(reader: &mut Reader, root: &Section<'_>) -> Vec<SegmentConfig> {
    let mut names = Names::new("segment");
    let mut segments = Vec::new();
    for section in reader.list(root, "segment") {
        let name = reader.needed_label(&section, "name");
        let description = reader
            .text(&section, "description")
            .map(|text| text.text.to_owned());
        let remedy = "add where = \"lifecycle_stage = 'at_risk'\": a predicate over customer_360";
        let filter = reader.needed(&section, "where", remedy);
        if let Some(name) = name {
            names.add(reader, name);
            if let Some(filter) = filter {
                let (name, filter) = (name.text.to_owned(), filter.expression());
                segments.push(SegmentConfig {
                    name,
                    description,
                    filter,
                });
            }
        }
    }
    segments
}

fn read_metrics(reader: &mut Reader, root: &Section<'_>) -> Vec<MetricConfig> {
    let mut names = Names::new("metric");
    let mut metrics = Vec::new();
    for section in reader.list(root, "metric") {
        let name = reader.needed_name(&section, "name");
        let sql = reader.needed(
            &section,
            "sql",
            "add sql = \"sum(amount) / count(DISTINCT customer_id)\"",
        );
        let unit = reader.text(&section, "unit").map(|text| text.text.to_owned());
        let description = reader
            .text(&section, "description")
            .map(|text| text.text.to_owned());
        if let Some(name) = name {
            names.add(reader, name);
            if let Some(sql) = sql {
                let (name_at, sql) = (name.place.spot(), sql.expression());
                metrics.push(MetricConfig {
                    name: name.text.to_owned(),
                    name_at,
                    sql,
                    unit,
                    description,
                });
            }
        }
    }
    metrics
}

/// The text of the file, or why there is none.
fn read_text(path: &Path) -> Result<String, Problem> {
    let refused = |class: ErrorClass, reason: &str, remedy: &str| Problem::Unreadable {
        class,
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    };
    let unreadable = |reason: &str, remedy: &str| refused(ErrorClass::InvalidArgument, reason, remedy);
    let system = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => unreadable(
            "no such file",
            "`perennial init <folder or URL>` writes one; --config names another place",
        ),
        std::io::ErrorKind::IsADirectory => unreadable("it is a folder", "--config names the file itself"),
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidFilename => {
            unreadable(&error.to_string(), "--config names the file")
        }
        _ => refused(
            ErrorClass::Unavailable,
            &error.to_string(),
            "see that the file can be read by the system user",
        ),
    };
    let file = std::fs::File::open(path).map_err(system)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(system)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unreadable(
            "it is larger than 4 MiB",
            "--config names a perennial.toml",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error
            .as_bytes()
            .get(..error.utf8_error().valid_up_to())
            .unwrap_or_default();
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(&format!("line {line} is not UTF-8"), "save the file as UTF-8")
    })
}

/// Names that must be unique.
struct Names<'a> {
    what: &'static str,
    /// Name to line.
    seen: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            seen: HashMap::new(),
        }
    }

    fn add(&mut self, reader: &mut Reader, name: Text<'a>) {
        match self.seen.entry(name.text) {
            hash_map::Entry::Occupied(first) => {
                let (what, first_line) = (self.what.to_owned(), *first.get());
                reader.report(
                    name.place,
                    Problem::Duplicate {
                        what,
                        name: name.text.to_owned(),
                        first_line,
                    },
                );
            }
            hash_map::Entry::Vacant(place) => {
                place.insert(name.place.line());
            }
        }
    }
}

#[cfg(test)]
mod tests;
