//! What is doubtful in a configuration that fits, as far as it costs next to nothing to tell.

use std::sync::Arc;

use perennial_base::Kind;
use perennial_engine::Engine;
use perennial_lake::{FileState, SourceManifest};
use perennial_udf_lifecycle::model::{StageDoubt, StageModel};

use crate::conditions::{Conditions, Traits, UnknownStage};
use crate::error::Result;
use crate::identifiers::{LoneIdentifier, lone_identifiers};
use crate::keys::{DoubtfulKey, doubtful_key};
use crate::mapping::Mapping;
use crate::records::input;
use crate::rules::rules;
use crate::run::READ_MEMORY;

/// Rows up to which the key of a source is looked at: of larger ones `check` does it.
const FEW_ROWS: u64 = 100_000;

/// Those of the warnings of `check` that a run and a server repeat.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Cautions {
    /// Types of identifiers that the list or the sources alone name.
    pub lone_identifiers: Vec<LoneIdentifier>,
    /// Segments that compare a lifecycle stage with what is none.
    pub unknown_stages: Vec<UnknownStage>,
    /// Stages that overlap in part, and a preset that they replace.
    pub doubtful_stages: Vec<StageDoubt>,
    /// Keys of small sources that may be none.
    pub doubtful_keys: Vec<DoubtfulKey>,
}

/// What is doubtful in the configuration over the newest snapshot.
///
/// # Errors
/// When the configuration does not fit the files, or they cannot be read.
pub async fn cautions(engine: &Arc<Engine>) -> Result<Cautions> {
    let config = engine.config();
    let state = engine.work_state(READ_MEMORY)?;
    let rules = rules(config)?;
    let release = engine.release();
    let manifest = release.manifest();
    let known = || {
        config
            .sources
            .iter()
            .filter_map(|source| Some((source, manifest?.sources.get(&source.name)?)))
    };
    let traits = Traits::of(config, &state, &rules, known())?;
    let mut cautions = Cautions {
        lone_identifiers: lone_identifiers(config),
        unknown_stages: Conditions::new(engine, &state, &rules, &traits).unknown_stages(),
        doubtful_stages: StageModel::doubts(&config.lifecycle),
        doubtful_keys: Vec::new(),
    };
    let few = |manifest: &SourceManifest| {
        let live = manifest.files.iter().filter(|file| file.state == FileState::Live);
        (1..=FEW_ROWS).contains(&live.map(|file| file.landed).sum())
    };
    for (source, manifest) in known().filter(|(source, manifest)| source.kind != Kind::Table && few(manifest))
    {
        let (columns, _) = input(manifest);
        let zone = config.zone;
        let mapping = Mapping::try_new(&state, source, &columns, zone, config.as_of, |name| {
            rules.index_of(name)
        })?;
        let doubtful = doubtful_key(engine, &state, source, manifest, &mapping).await?;
        cautions.doubtful_keys.extend(doubtful);
    }
    Ok(cautions)
}
