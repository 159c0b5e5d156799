//! Words of persons about records that do not exist.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, AsArray};
use perennial_base::Kind;
use perennial_base::config::SourceConfig;
use perennial_lake::SourceManifest;
use xxhash_rust::xxh3::xxh3_64;

use super::{Checking, live};
use crate::error::Result;
use crate::landing::Landing;
use crate::noticed::Unheard;
use crate::overrides::verdict;

/// A record that a word names: its source and its key.
type Record<'a> = (&'a str, &'a str);

impl Checking<'_> {
    /// The words that have no effect as the records which they name do not exist, by the keys of all records. Of sources
    /// whose records have no key of their own, and of words that were corrected since, a run tells.
    pub(super) async fn unheard(&self, landing: &Landing) -> Result<Vec<Unheard>> {
        let sources = || self.config.sources.iter().zip(&landing.sources);
        let speaking = || sources().filter(|(source, _)| source.kind == Kind::IdentityOverride);
        let known: HashSet<&str> = sources().map(|(source, _)| source.name.as_str()).collect();
        // By source, hashes of the keys that words name; in the end, of those that no record has.
        let mut named: HashMap<String, HashSet<u64>> = HashMap::new();
        let mut corrected = HashSet::new();
        for (source, manifest) in speaking() {
            let mut spoken = HashSet::new();
            self.words(source, manifest, |word, records| {
                if let Some(word) = word.filter(|word| !spoken.insert(*word)) {
                    corrected.insert((source.name.as_str(), word));
                }
                for (of, key) in records {
                    let key = xxh3_64(key.as_bytes());
                    match named.get_mut(of) {
                        Some(keys) => keys.insert(key),
                        None => named.entry(of.to_owned()).or_default().insert(key),
                    };
                }
            })
            .await?;
        }
        for (source, manifest) in sources() {
            let Some(keys) = named.get_mut(&source.name) else {
                continue;
            };
            // The records of a subscription are its changes, and those without a key are known by their place.
            if source.record_key.is_none() || source.kind == Kind::Subscription {
                keys.clear();
            } else if source.kind.person_bearing() && live(manifest).next().is_some() {
                self.columns(source, manifest, &["record_key"], |batch| {
                    for key in batch.column(0).as_string::<i32>().iter().flatten() {
                        keys.remove(&xxh3_64(key.as_bytes()));
                    }
                    Ok(())
                })
                .await?;
            }
        }
        let lost = |(of, key): &Record<'_>| {
            let keys = named.get(*of);
            keys.is_some_and(|keys| keys.contains(&xxh3_64(key.as_bytes())))
        };
        let mut found = Vec::new();
        for (source, manifest) in speaking() {
            let mut unheard = Unheard::none(&source.name, "record");
            self.words(source, manifest, |word, records| {
                let corrected = word.is_some_and(|word| corrected.contains(&(source.name.as_str(), word)));
                // Of sources that do not exist it is told apart.
                if corrected || records.iter().any(|(of, _)| !known.contains(of)) || !records.iter().any(lost)
                {
                    return;
                }
                let lost = records.into_iter().filter(lost);
                unheard.word(lost.map(|(of, key)| format!("\"{key}\" of {of}")));
            })
            .await?;
            if unheard.words > 0 {
                found.push(unheard);
            }
        }
        Ok(found)
    }

    /// The words of a source: the hash of each one's key, where there is one, and the two records that it names.
    async fn words(
        &self,
        source: &SourceConfig,
        manifest: &SourceManifest,
        mut each: impl FnMut(Option<u64>, [Record<'_>; 2]),
    ) -> Result<()> {
        if live(manifest).next().is_none() {
            return Ok(());
        }
        let mut names = vec!["verdict", "source_a", "record_a", "source_b", "record_b"];
        names.extend(source.record_key.as_ref().map(|_| "record_key"));
        self.columns(source, manifest, &names, |batch| {
            let texts: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| column.as_string::<i32>())
                .collect();
            for row in 0..batch.num_rows() {
                let text = |at: usize| {
                    let column = texts.get(at).filter(|column| column.is_valid(row))?;
                    Some(column.value(row).trim())
                };
                let records = (text(1), text(2), text(3), text(4));
                if let (Some(source_a), Some(record_a), Some(source_b), Some(record_b)) = records
                    && text(0).is_some_and(|said| verdict(said).is_some())
                {
                    let word = text(5).map(|word| xxh3_64(word.as_bytes()));
                    each(word, [(source_a, record_a), (source_b, record_b)]);
                }
            }
            Ok(())
        })
        .await
    }
}
