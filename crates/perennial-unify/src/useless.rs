//! Identifiers that a source gives and of which no value can be used: probably they are mapped to another column.

use perennial_base::config::SourceConfig;
use perennial_identity::Rules;
use perennial_lake::{FileState, SourceManifest};

use crate::noticed::Useless;
use crate::records::{Counts, Staged};

/// Values that tell of the mapping, at least, beside files that were read before: a few bad values are a few bad values.
const FEW: u64 = 10;

/// How many rows tell of the mapping of a source.
pub(crate) fn telling(staged: &Staged) -> u64 {
    if staged.stored.contains(&true) { FEW } else { 1 }
}

/// What was counted in the files that are served.
pub(crate) fn read<'a>(
    counts: &'a [Counts],
    manifest: &'a SourceManifest,
) -> impl Iterator<Item = &'a Counts> {
    let files = counts.iter().zip(&manifest.files);
    let live = files.filter(|(_, file)| file.state == FileState::Live);
    live.map(|(counted, _)| counted)
}

/// The types of identifiers of which values were given in the files of a source that were read, and none can be used.
pub(crate) fn useless(
    source: &SourceConfig,
    rules: &Rules,
    staged: &Staged,
    counts: &[Counts],
    manifest: &SourceManifest,
) -> Vec<Useless> {
    let read: Vec<&Counts> = read(counts, manifest).collect();
    let least = telling(staged);
    let of_type = |kind: usize| {
        if read.iter().any(|counted| counted.usable.contains(&kind)) {
            return None;
        }
        let given = || read.iter().map(|counted| counted.warnings.of_type(kind));
        let values: u64 = given().map(|(values, _)| values).sum();
        let value = given().filter_map(|(_, malformed)| malformed).min()?;
        let name = &rules.identifiers().get(kind)?.name;
        let (name, written) = source.identifiers.iter().find(|(known, _)| known == name)?;
        (values >= least).then(|| Useless {
            source: source.name.clone(),
            name: name.clone(),
            at: written.at,
            values,
            value: value.to_owned(),
        })
    };
    staged.types.iter().copied().filter_map(of_type).collect()
}
