//! Why identities changed: what a run was given that the run before was not.

use std::collections::{BTreeSet, HashMap};

use perennial_base::Kind;
use perennial_base::config::Config;
use perennial_engine::listed;
use perennial_lake::{FileState, Manifest, SourceFile, SourceManifest};

use crate::landing::Landing;

/// The differences that the changes of this run follow from, in the order of their names; none without a difference.
pub(crate) fn cause(config: &Config, landing: &Landing, previous: &Manifest) -> Option<String> {
    let mut causes = BTreeSet::new();
    if previous.config_hash != config.hash {
        causes.insert("configuration");
    }
    let nothing = SourceManifest::default();
    for (source, landed) in config.sources.iter().zip(&landing.sources) {
        let before = previous.sources.get(&source.name).unwrap_or(&nothing);
        match source.kind {
            Kind::IdentityOverride => {
                causes.extend(differences(before, landed).map(|_| "override"));
            }
            kind if kind.person_bearing() => causes.extend(differences(before, landed)),
            // Rows of others join nobody.
            _ => {}
        }
    }
    listed(causes.into_iter())
}

/// What has happened to the files of a source.
fn differences(before: &SourceManifest, landed: &SourceManifest) -> impl Iterator<Item = &'static str> {
    let (before, now) = (live(before), live(landed));
    let new = now.keys().any(|path| !before.contains_key(path));
    let removed = before.keys().any(|path| !now.contains_key(path));
    let replaced = before.iter().any(|(path, file)| {
        let content = |file: &SourceFile| (file.size, file.last_modified, file.e_tag.clone());
        now.get(path).is_some_and(|now| content(now) != content(file))
    });
    let found = [
        (new, "new files"),
        (replaced, "replaced files"),
        (removed, "removed files"),
    ];
    found.into_iter().filter_map(|(is, what)| is.then_some(what))
}

/// The files of a source whose rows are served, by path.
fn live(source: &SourceManifest) -> HashMap<&str, &SourceFile> {
    let served = source.files.iter().filter(|file| file.state == FileState::Live);
    served.map(|file| (file.path.as_str(), file)).collect()
}
