//! Files that are served, and that another configuration leaves out although they are in the lake still.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use futures::{StreamExt, TryStreamExt, stream};
use perennial_base::config::{Config, SourceConfig, Spot};
use perennial_base::{Kind, counted, currency, nearest};
use perennial_engine::Engine;
use perennial_lake::{Blame, FileState, Lake, Manifest, SourceFile, SourceManifest};

use crate::astray::{Astray, Instead, astray};
use crate::error::{Error, Result};
use crate::landing::Landing;
use crate::reader::is_there;

/// Files that are asked for at once.
const REQUESTS: usize = 16;

/// Files of one source of the snapshot before that are left out for one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The source that has them in the snapshot.
    pub source: String,
    /// How many.
    pub files: u64,
    /// How many rows of them are served; of [`Cause::Unpriced`], how many amounts are worth something.
    pub rows: u64,
    /// The first of them by path.
    pub first: String,
    /// Why.
    pub cause: Cause,
}

/// Why a configuration leaves files out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The path of their source does not lead to them.
    Path {
        /// Where the path stands in the file.
        at: Spot,
        /// What it was meant to be, where something is near.
        near: Option<String>,
    },
    /// Their source is not in the configuration, and no other one takes them.
    Source,
    /// A source serves them in another relation.
    Elsewhere {
        /// Where its kind stands in the file.
        at: Spot,
        /// Its name.
        by: String,
        /// Its kind.
        kind: Kind,
        /// The relation that serves them in the snapshot.
        relation: String,
        /// Their kind in the snapshot.
        was: String,
    },
    /// Most rows of the source are older versions of others by its `record_key`, and were none before.
    Key {
        /// Where the key stands in the file.
        at: Spot,
        /// Its expression.
        key: String,
        /// How many rows of the source are served in the snapshot.
        of: u64,
    },
    /// The `where` of the source leaves less than half of the rows.
    Filter {
        /// Where it stands in the file.
        at: Spot,
        /// Its expression.
        filter: String,
        /// How many rows of the source are served in the snapshot.
        of: u64,
    },
    /// Their source does not map a type of identifier any more.
    Identifier {
        /// Where the type stands in the file that is probably meant to be it, or the source.
        at: Spot,
        /// The type.
        name: String,
        /// The type that is there instead.
        instead: Option<String>,
    },
    /// No value of a type of identifier of the source identifies anybody any more.
    Useless {
        /// Where its expression stands in the file.
        at: Spot,
        /// The type.
        name: String,
        /// The expression.
        sql: String,
    },
    /// Most amounts of the source become NULL: the currency that is theirs now has no exchange rate.
    Unpriced {
        /// Where the currency of the source stands in the file.
        at: Spot,
        /// Its expression.
        sql: String,
        /// That of most of the amounts without a rate.
        currency: String,
        /// The reporting currency.
        reporting: String,
        /// How many amounts would be served that are worth something in the snapshot.
        of: u64,
    },
    /// A source takes them and quarantines them.
    Refused {
        /// Where its `[[source]]` stands in the file.
        at: Spot,
        /// Its name.
        by: String,
        /// What the first is quarantined for.
        blame: Blame,
        /// Why.
        reason: String,
    },
}

/// The files that are served now and would not be by this configuration, although nobody has changed them: where the
/// snapshot was made with the same configuration there are none. In the order of their sources' names.
///
/// # Errors
/// When the store cannot be asked whether a file is there.
pub(crate) async fn left_out(
    engine: &Engine,
    previous: Option<&Manifest>,
    landing: &Landing,
) -> Result<Vec<LeftOut>> {
    let config = engine.config();
    let Some(previous) = previous.filter(|previous| previous.config_hash != config.hash) else {
        return Ok(Vec::new());
    };
    let taken = taken(config, landing);
    let renamed = renamed(config, Some(previous), landing);
    let mut found = Vec::new();
    for (name, source) in &previous.sources {
        let relation = relation_of(&source.kind, name);
        // By the source that is to blame, and whether it refuses them.
        let mut gone: BTreeMap<(&str, bool), Vec<(&SourceFile, Cause)>> = BTreeMap::new();
        let mut of_nobody = Vec::new();
        for file in source.files.iter().filter(|file| is_served(file)) {
            let takers = taken.get(file.path.as_str()).map_or(&[][..], Vec::as_slice);
            let same = |(by, _): &&Taker<'_>| relation_of(by.kind.name(), &by.name) == relation;
            if takers
                .iter()
                .filter(same)
                .any(|(_, now)| now.state == FileState::Live)
            {
                continue;
            }
            let own = takers.iter().find(|(by, _)| by.name == *name);
            let new = |(by, _): &&Taker<'_>| !previous.sources.contains_key(&by.name);
            let Some((by, now)) = own
                .or_else(|| takers.iter().find(same))
                .or_else(|| takers.iter().find(new))
            else {
                of_nobody.push(file);
                continue;
            };
            let refused = now.state != FileState::Live;
            // What somebody has written anew since may be broken by itself. A mapping that fits it no more is another thing:
            // an export that is written each night, or a lake that was copied, has new files alone.
            let slip = matches!(now.blame, Blame::Mapping | Blame::Rows);
            if refused && !slip && !unchanged(file, now) {
                continue;
            }
            let cause = if refused {
                Cause::Refused {
                    at: by.at,
                    by: by.name.clone(),
                    blame: now.blame,
                    reason: now.reason.clone().unwrap_or_default(),
                }
            } else {
                Cause::Elsewhere {
                    at: by.kind_at,
                    by: by.name.clone(),
                    kind: by.kind,
                    relation: relation.clone(),
                    was: source.kind.clone(),
                }
            };
            gone.entry((&by.name, refused)).or_default().push((file, cause));
        }
        let of_nobody = there(engine.lake(), of_nobody).await?;
        if !of_nobody.is_empty() {
            let cause = match config.sources.iter().find(|source| source.name == *name) {
                Some(source) => Cause::Path {
                    at: source.path_at,
                    near: near(engine.lake(), source).await?,
                },
                None => Cause::Source,
            };
            found.extend(LeftOut::of(name, &of_nobody, cause));
        }
        for files in gone.into_values() {
            let (files, mut causes): (Vec<_>, Vec<_>) = files.into_iter().unzip();
            found.extend(LeftOut::of(name, &files, causes.swap_remove(0)));
        }
        let called = renamed.iter().find(|renamed| renamed.from == *name);
        let called = called.map_or(name, |renamed| &renamed.to);
        let now = config.sources.iter().zip(&landing.sources);
        let mut now = now.filter(|(config, _)| config.name == *called);
        let as_of = previous.state.as_ref().map(|state| state.as_of);
        let sooner = config.as_of.is_some() && config.as_of != as_of;
        let now = now.find_map(|(config, now)| LeftOut::by_expression(config, source, now));
        // What is later than the moment described is filtered, too.
        found.extend(now.filter(|left| !(sooner && matches!(left.cause, Cause::Filter { .. }))));
        let now = config.sources.iter().zip(&landing.sources);
        let now = now.filter(|(config, _)| config.name == *called);
        found.extend(now.flat_map(|(config, now)| LeftOut::by_identifiers(config, source, now)));
    }
    Ok(found)
}

/// A source that has another name than in the snapshot before, whose files it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// Its name in the snapshot.
    pub from: String,
    /// Its name now.
    pub to: String,
    /// Where its `[[source]]` stands in the file.
    pub at: Spot,
}

/// The sources that have another name than in the snapshot before: what was served of the one, the other serves in the
/// same relation.
pub(crate) fn renamed(config: &Config, previous: Option<&Manifest>, landing: &Landing) -> Vec<Renamed> {
    let Some(previous) = previous.filter(|previous| previous.config_hash != config.hash) else {
        return Vec::new();
    };
    let taken = taken(config, landing);
    let has = |name: &str, file: &SourceFile| {
        let known = previous.sources.get(name);
        known.is_some_and(|known| known.files.iter().any(|known| known.path == file.path))
    };
    let renamed = |(name, source): (&String, &SourceManifest)| {
        let relation = relation_of(&source.kind, name);
        let takers = || {
            let served = source.files.iter().filter(|file| is_served(file));
            served.flat_map(|file| {
                let takers = taken.get(file.path.as_str()).map_or(&[][..], Vec::as_slice);
                takers.iter().map(move |(by, now)| (by, now, file))
            })
        };
        if takers().any(|(by, ..)| by.name == *name) {
            return None;
        }
        let (by, ..) = takers().find(|(by, now, file)| {
            now.state == FileState::Live
                && !has(&by.name, file)
                && relation_of(by.kind.name(), &by.name) == relation
        })?;
        Some(Renamed {
            from: name.clone(),
            to: by.name.clone(),
            at: by.at,
        })
    };
    previous.sources.iter().filter_map(renamed).collect()
}

impl fmt::Display for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, at } = self;
        write!(
            f,
            "{at}: source \"{to}\" was \"{from}\": raw.{from} goes and raw.{to} comes, customers keep their ids by their identifiers, and words of persons have to name \"{to}\""
        )
    }
}

/// The relation that serves the rows of a source: that of its kind, for a reference table that of its name.
fn relation_of(kind: &str, source: &str) -> String {
    match Kind::from_str(kind) {
        Ok(Kind::FxRate) => "perennial.fx_rates".to_owned(),
        Ok(Kind::IdentityOverride) => "perennial.identity_overrides".to_owned(),
        Ok(kind) => kind.relation().unwrap_or(source).to_owned(),
        Err(()) => source.to_owned(),
    }
}

impl LeftOut {
    /// What to do.
    pub(crate) fn hint(&self) -> String {
        let correct = match &self.cause {
            Cause::Path { near: Some(near), .. } => format!("Did you mean \"{near}\"?"),
            Cause::Path { .. } => "Correct the path.".to_owned(),
            Cause::Source => "Add the source again.".to_owned(),
            Cause::Elsewhere {
                kind: Kind::Table,
                relation,
                was,
                ..
            } if was == Kind::Table.name() => format!("Call the source \"{relation}\" again."),
            Cause::Elsewhere { was, .. } => format!("Write kind = \"{was}\" again."),
            Cause::Filter { .. } => "Correct the condition.".to_owned(),
            Cause::Key { .. } => "Write a key that is unique for each record.".to_owned(),
            Cause::Identifier {
                name,
                instead: Some(instead),
                ..
            } => format!("Did you mean \"{name}\" by \"{instead}\"?"),
            Cause::Identifier { .. } => "Map it again.".to_owned(),
            Cause::Useless { .. } => "Correct the mapping or the identifier's normalise.".to_owned(),
            Cause::Unpriced {
                currency, reporting, ..
            } => match currency::is_code(currency) {
                true => format!(
                    "Land rates of {currency} to {reporting}, or correct the currency of the source, of the rates or of [money]."
                ),
                false => "Correct the currency of the source: ISO 4217 has no such one.".to_owned(),
            },
            Cause::Refused { blame, .. } => match blame {
                Blame::Rows => "Correct the mapping, or raise max_bad_rows.",
                Blame::Mapping => "Correct the mapping.",
                Blame::Access => "Let it be read.",
                Blame::File => "Land a sound file in its place.",
            }
            .to_owned(),
        };
        let meant = match &self.cause {
            Cause::Identifier { .. } | Cause::Useless { .. } => "it is meant to go",
            Cause::Unpriced { .. } => "these amounts are meant to go",
            _ => "these rows are meant to go",
        };
        format!("{correct} If {meant}, run `perennial unify --allow-removal` once.")
    }

    /// What a source serves less than before of files that are there still, as its `record_key` makes versions of most of
    /// their rows, or its `where` leaves out most. Files that have landed beside them count for what is served now: they may
    /// have newer versions of all rows. Before files are read no row is known to be either.
    fn by_expression(config: &SourceConfig, before: &SourceManifest, now: &SourceManifest) -> Option<Self> {
        let kept = kept(before, now);
        let served: u64 = kept.iter().map(|(before, _)| before.unified).sum();
        let left: u64 = live(now).map(|file| file.unified).sum();
        let more = |of: fn(&SourceFile) -> u64| -> u64 {
            let (before, now) = kept.iter().fold((0, 0), |sums, (before, now)| {
                (sums.0 + of(before), sums.1 + of(now))
            });
            now.saturating_sub(before)
        };
        let cause = match (&config.record_key, &config.filter) {
            (Some(key), _) if 2 * left < served && 2 * more(|file| file.superseded) > served => Cause::Key {
                at: key.at,
                key: key.sql.clone(),
                of: served,
            },
            (_, Some(filter)) if 2 * left < served && 2 * more(|file| file.filtered) > served => {
                Cause::Filter {
                    at: filter.at,
                    filter: filter.sql.clone(),
                    of: served,
                }
            }
            _ => return None,
        };
        Some(Self {
            source: config.name.clone(),
            files: kept.len() as u64,
            rows: served - left,
            first: kept.first()?.0.path.clone(),
            cause,
        })
    }

    /// What identified the rows of files that are there still, and is mapped no more, or to what identifies nobody.
    fn by_identifiers(config: &SourceConfig, before: &SourceManifest, now: &SourceManifest) -> Vec<Self> {
        let kept: Vec<&SourceFile> = kept(before, now)
            .into_iter()
            .map(|(before, _)| before)
            .filter(|file| is_served(file) && config.kind.name() == before.kind)
            .collect();
        let mapped = |name: &str| config.identifiers.iter().find(|(mapped, _)| mapped == name);
        let gone = before.identifiers.iter().filter(|name| mapped(name).is_none());
        let causes = gone.map(|name| {
            let new = config.identifiers.iter().map(|(name, _)| name);
            let new = new.filter(|name| !before.identifiers.contains(name));
            let instead = nearest(name, new.map(String::as_str)).and_then(mapped);
            Cause::Identifier {
                at: instead.map_or(config.at, |(_, written)| written.at),
                name: name.clone(),
                instead: instead.map(|(name, _)| name.clone()),
            }
        });
        // What was used is known, and of all files that are there still.
        let known = before
            .unused_identifiers
            .as_ref()
            .zip(now.unused_identifiers.as_ref());
        let known = known.filter(|_| live(before).count() == self::kept(before, now).len());
        let gone = |name: &String| {
            known.is_some_and(|(before, now)| !before.contains(name) && now.contains(name))
                && before.identifiers.contains(name)
        };
        // Where no row is left, none has a value.
        let rows = live(now).any(|file| file.unified > 0);
        let useless = config
            .identifiers
            .iter()
            .filter(|(name, _)| rows && gone(name))
            .map(|(name, written)| Cause::Useless {
                at: written.at,
                name: name.clone(),
                sql: written.sql.clone(),
            });
        causes
            .chain(useless)
            .filter_map(|cause| Self::of(&config.name, &kept, cause))
            .collect()
    }

    /// Of files in the order of their paths; none of no file.
    fn of(source: &str, files: &[&SourceFile], cause: Cause) -> Option<Self> {
        Some(Self {
            source: source.to_owned(),
            files: files.len() as u64,
            rows: files.iter().map(|file| file.unified).sum(),
            first: files.first()?.path.clone(),
            cause,
        })
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, first) = (&self.source, &self.first);
        let rows = counted(self.rows, "row");
        let served = match self.files {
            1 => format!("\"{first}\", which is served with {rows} and is in the lake still"),
            files => format!(
                "{files} files such as \"{first}\", which are served with {rows} and are in the lake still"
            ),
        };
        match &self.cause {
            Cause::Path { at, .. } => {
                write!(f, "{at}: path of source \"{source}\" does not lead to {served}")
            }
            Cause::Source => write!(
                f,
                " there is no source \"{source}\" any more, and none in its place has {served}"
            ),
            Cause::Elsewhere {
                at,
                by,
                kind,
                relation,
                ..
            } => write!(
                f,
                "{at}: source \"{by}\" of kind {kind} takes out of {relation} {served}"
            ),
            Cause::Key { at, key, of } => write!(
                f,
                "{at}: by record_key = {key}, {} of {of} rows of source \"{source}\" that are served are older versions of others",
                self.rows
            ),
            Cause::Filter { at, filter, of } if self.rows == *of => write!(
                f,
                "{at}: where = {filter} leaves no row of source \"{source}\", of which {rows} {} served",
                if self.rows == 1 { "is" } else { "are" }
            ),
            Cause::Filter { at, filter, of } => write!(
                f,
                "{at}: where = {filter} leaves out {} of {of} rows of source \"{source}\" that are served",
                self.rows
            ),
            Cause::Identifier { at, name, .. } => write!(
                f,
                "{at}: source \"{source}\" has no identifier \"{name}\" any more, by which its {rows} {} served",
                if self.rows == 1 { "is" } else { "are" }
            ),
            Cause::Useless { at, name, sql } => write!(
                f,
                "{at}: by {name} = {sql}, source \"{source}\" has no value of the identifier \"{name}\" that can be used, by which its {rows} {} served",
                if self.rows == 1 { "is" } else { "are" }
            ),
            Cause::Unpriced {
                at,
                sql,
                currency,
                reporting,
                of,
            } => write!(
                f,
                "{at}: by currency = {sql}, {} of {of} amounts of source \"{source}\" become NULL: {currency} has no exchange rate to {reporting}",
                self.rows
            ),
            Cause::Refused { at, by, reason, .. } => {
                write!(f, "{at}: source \"{by}\" refuses {served}: {reason}")
            }
        }
    }
}

/// The live files of a source that are there still, before and now.
fn kept<'a>(before: &'a SourceManifest, now: &'a SourceManifest) -> Vec<(&'a SourceFile, &'a SourceFile)> {
    live(before)
        .filter_map(|before| {
            let now = live(now).find(|now| before.path == now.path)?;
            Some((before, now))
        })
        .collect()
}

fn live(manifest: &SourceManifest) -> impl Iterator<Item = &SourceFile> {
    manifest.files.iter().filter(|file| file.state == FileState::Live)
}

fn is_served(file: &SourceFile) -> bool {
    file.state == FileState::Live && file.unified > 0
}

fn unchanged(before: &SourceFile, now: &SourceFile) -> bool {
    (now.size, &now.e_tag, now.last_modified) == (before.size, &before.e_tag, before.last_modified)
}

/// Refuses a run that would take away what is served because of the configuration alone, unless it `removes`.
///
/// # Errors
/// The first of [`left_out`].
pub(crate) async fn keep_served(
    engine: &Engine,
    previous: Option<&Manifest>,
    landing: &Landing,
    removes: bool,
) -> Result<()> {
    if removes {
        return Ok(());
    }
    let left = left_out(engine, previous, landing).await?;
    left.into_iter()
        .next()
        .map_or(Ok(()), |left| Err(Error::LeftOut(Box::new(left))))
}

/// A source, and what it makes of a file.
type Taker<'a> = (&'a SourceConfig, &'a SourceFile);

/// The sources of a configuration that take a file, by path: several may.
fn taken<'a>(config: &'a Config, landing: &'a Landing) -> HashMap<&'a str, Vec<Taker<'a>>> {
    let mut taken: HashMap<&str, Vec<Taker<'_>>> = HashMap::new();
    for (source, manifest) in config.sources.iter().zip(&landing.sources) {
        for file in &manifest.files {
            taken.entry(file.path.as_str()).or_default().push((source, file));
        }
    }
    taken
}

/// Those of the files that are in the lake.
async fn there<'a>(lake: &Lake, files: Vec<&'a SourceFile>) -> Result<Vec<&'a SourceFile>> {
    let asked = files.into_iter().map(|file| async move {
        let there = is_there(lake, &file.path).await?;
        Ok::<_, Error>(there.then_some(file))
    });
    let answers = stream::iter(asked.collect::<Vec<_>>()).buffered(REQUESTS);
    answers
        .try_filter_map(|file| async move { Ok(file) })
        .try_collect()
        .await
}

/// What a path was meant to be that leads to no file.
async fn near(lake: &Lake, source: &SourceConfig) -> Result<Option<String>> {
    let astray = astray(lake, std::iter::once(source)).await?;
    let near = |astray| match astray {
        Astray {
            instead: Instead::Near(path),
            ..
        } => Some(path),
        _ => None,
    };
    Ok(astray.into_iter().find_map(near))
}
