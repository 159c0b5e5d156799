//! Whether the files of a source have the columns that its mapping cannot do without.

use std::cmp::Reverse;

use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use perennial_base::Kind;
use perennial_base::config::{Config, Expression, SourceConfig};
use perennial_engine::expression::expression;
use perennial_identity::Rules;
use perennial_lake::{Blame, Contract, FileFacts, FileState, SourceFile, SourceManifest};

use crate::error::Result;
use crate::mapping::Mapping;
use crate::records::with_partitions;

/// The mapping of one source, asked before there are rows.
pub(crate) struct Fitting<'a> {
    pub(crate) state: &'a SessionState,
    pub(crate) config: &'a Config,
    pub(crate) rules: &'a Rules,
    pub(crate) source: &'a SourceConfig,
    /// The hive partition columns of the source.
    pub(crate) partitions: &'a [String],
}

/// The keys of a source that need a value in every row, each with the columns that it reads.
#[derive(Debug, Default)]
pub(crate) struct Needs(Vec<(String, Vec<String>)>);

impl Fitting<'_> {
    /// What the mapping needs of every file.
    ///
    /// # Errors
    /// When it cannot be planned over these columns.
    pub(crate) fn needs(&self, contract: &Contract) -> Result<Needs> {
        if self.source.kind == Kind::Table {
            return Ok(Needs::default());
        }
        let input = with_partitions(contract, self.partitions);
        let zone = self.config.zone;
        Mapping::try_new(self.state, self.source, &input, zone, self.config.as_of, |name| {
            self.rules.index_of(name)
        })
        .map(|mapping| Needs(mapping.needs()))
    }

    /// Why a file is refused that has other columns than the mapping needs.
    pub(crate) fn refusal(&self, needs: &Needs, file: &Schema) -> Option<String> {
        let has = |column: &String| file.field_with_name(column).is_ok() || self.partitions.contains(column);
        // `coalesce(amount, total)` is content with either of them.
        let (key, columns) = needs
            .0
            .iter()
            .find(|(_, columns)| !columns.is_empty() && !columns.iter().any(has))?;
        let named: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        Some(format!(
            "has no column {}, which {key} of the source needs",
            named.join(" or ")
        ))
    }

    /// The contract of a source that has one, before new files join. When no file keeps it any more, those that are there
    /// make a new one, unless the mapping can be planned over the old one only.
    pub(crate) fn continued(
        &self,
        known: &Contract,
        live: bool,
        candidates: &[&FileFacts],
    ) -> (Contract, Option<Needs>) {
        let (mut grown, mut kept) = (known.clone(), live);
        for facts in candidates {
            if let Ok(extended) = grown.fit(&facts.schema) {
                (grown, kept) = (extended, true);
            }
        }
        let needs = self.needs(&grown).or_else(|_| self.needs(known)).ok();
        if kept && (live || needs.is_some()) {
            return (known.clone(), needs);
        }
        match self.founded(candidates) {
            (_, None) if needs.is_some() => (known.clone(), needs),
            founded => founded,
        }
    }

    /// All that keeps the mapping from being planned over these columns.
    fn slips(&self, contract: &Contract) -> Option<String> {
        let error = self.needs(contract).err()?;
        let input = with_partitions(contract, self.partitions);
        let mut slips = Mapping::problems(self.state, self.source, &input, self.config.zone, |name| {
            self.rules.index_of(name)
        });
        if slips.is_empty() {
            slips.push(error);
        }
        let slips = slips.iter().map(|error| error.of_source(&self.config.file));
        Some(slips.collect::<Vec<_>>().join("; "))
    }

    /// Why a file is refused that brings columns over which the mapping cannot be planned any more, although it could
    /// over those before.
    pub(crate) fn broken_by(&self, before: &Contract, after: &Contract) -> Option<String> {
        if before == after || self.needs(before).is_err() {
            return None;
        }
        let slips = self.slips(after)?;
        Some(format!("does not go with the mapping: {slips}"))
    }

    /// What keeps the mapping from being planned over the columns that the live files have. All of those are quarantined
    /// for it then: a source that is broken stops no other.
    ///
    /// Not so where the snapshot before serves files that are there still: it is the configuration that does not fit them
    /// any more, their rows must not vanish for a slip in it, and the run fails when it comes to read them.
    pub(crate) fn unplanned(
        &self,
        contract: &Contract,
        files: &mut [SourceFile],
        was: Option<&SourceManifest>,
    ) -> Option<String> {
        if !files.iter().any(|file| file.state == FileState::Live) {
            return None;
        }
        let reason = self.slips(contract)?;
        let served = |file: &SourceFile| {
            let mut before = was.into_iter().flat_map(|was| &was.files);
            before.any(|known| {
                known.state == FileState::Live
                    && known.path == file.path
                    && (known.size, &known.e_tag, known.last_modified)
                        == (file.size, &file.e_tag, file.last_modified)
            })
        };
        if files
            .iter()
            .any(|file| file.state == FileState::Live && served(file))
        {
            return None;
        }
        for file in files.iter_mut().filter(|file| file.state == FileState::Live) {
            let reason = format!("the mapping does not fit the files of the source: {reason}");
            file.refuse(Blame::Mapping, reason);
        }
        Some(reason)
    }

    /// How many expressions of the source cannot be planned over these columns.
    fn unfit(&self, contract: &Contract) -> usize {
        let source = self.source;
        let single = [
            &source.filter,
            &source.record_key,
            &source.time,
            &source.updated_at,
        ];
        let many = [&source.identifiers, &source.traits, &source.columns];
        let many = many.into_iter().flatten().map(|(_, written)| written);
        let Ok(schema) = DFSchema::try_from(with_partitions(contract, self.partitions)) else {
            return usize::MAX;
        };
        let unfit = |written: &&Expression| expression(self.state, &written.sql, &schema).is_err();
        single.into_iter().flatten().chain(many).filter(unfit).count()
    }

    /// The contract of a source that has none so far. Files may disagree: the contract is that of the files which have
    /// most rows together, of equals that of the first path; and before that, one over which as much of the mapping as
    /// can be is planned, so that what is told of it is what is wrong with it.
    pub(crate) fn founded(&self, candidates: &[&FileFacts]) -> (Contract, Option<Needs>) {
        let mut best: Option<(Rank, Contract, Option<Needs>)> = None;
        let mut placed = vec![false; candidates.len()];
        for founder in 0..candidates.len() {
            if placed.get(founder) == Some(&true) {
                continue;
            }
            let mut grown = grow(founder, candidates, |_| true);
            let mut needs = self.needs(&grown.contract).ok();
            if let Some(needed) = &needs {
                // The columns of files that are refused are not columns of the source.
                grown = grow(founder, candidates, |facts| {
                    self.refusal(needed, &facts.schema).is_none()
                });
                needs = self.needs(&grown.contract).ok();
            }
            for place in &grown.places {
                if let Some(placed) = placed.get_mut(*place) {
                    *placed = true;
                }
            }
            let unfit = match needs {
                Some(_) => 0,
                None => self.unfit(&grown.contract),
            };
            let rank = (needs.is_some(), Reverse(unfit), grown.rows);
            if best.as_ref().is_none_or(|(best, ..)| rank > *best) {
                best = Some((rank, grown.contract, needs));
            }
        }
        best.map(|(_, contract, needs)| (contract, needs))
            .unwrap_or_default()
    }
}

/// Whether the mapping can be planned, how many of its expressions cannot, and rows.
type Rank = (bool, Reverse<usize>, u64);

#[derive(Default)]
struct Grown {
    contract: Contract,
    rows: u64,
    places: Vec<usize>,
}

/// The contract of all files that go together with the founder, and that are wanted.
fn grow(founder: usize, candidates: &[&FileFacts], wanted: impl Fn(&FileFacts) -> bool) -> Grown {
    let mut grown = Grown::default();
    // The founder first: it must not be kept out by another.
    let others = (0..candidates.len()).filter(|place| *place != founder);
    let mut left: Vec<usize> = std::iter::once(founder).chain(others).collect();
    loop {
        let joined = grown.places.len();
        left.retain(|place| match candidates.get(*place) {
            Some(facts) if wanted(facts) => match grown.contract.fit(&facts.schema) {
                Ok(extended) => {
                    grown.contract = extended;
                    grown.rows += facts.rows;
                    grown.places.push(*place);
                    false
                }
                // It may fit when another has joined.
                Err(_) => true,
            },
            _ => false,
        });
        if grown.places.len() == joined {
            return grown;
        }
    }
}
