//! Whether the files of a source have the columns that its mapping cannot do without.

use arrow::datatypes::Schema;
use datafusion::execution::SessionState;
use perennial_base::Kind;
use perennial_base::config::{Config, SourceConfig};
use perennial_identity::Rules;
use perennial_lake::{Contract, FileFacts};

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
        if kept {
            return (known.clone(), needs);
        }
        match self.founded(candidates) {
            (_, None) if needs.is_some() => (known.clone(), needs),
            founded => founded,
        }
    }

    /// The contract of a source that has none so far. Files may disagree: the contract is that of the files which have
    /// most rows together, of equals that of the first path; and before that, one which the mapping can be planned over.
    pub(crate) fn founded(&self, candidates: &[&FileFacts]) -> (Contract, Option<Needs>) {
        let mut best: Option<(bool, u64, Contract, Option<Needs>)> = None;
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
            let rank = (needs.is_some(), grown.rows);
            if best
                .as_ref()
                .is_none_or(|(plans, rows, ..)| rank > (*plans, *rows))
            {
                best = Some((rank.0, rank.1, grown.contract, needs));
            }
        }
        best.map(|(_, _, contract, needs)| (contract, needs))
            .unwrap_or_default()
    }
}

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
    for place in std::iter::once(founder).chain(others) {
        if let Some(facts) = candidates.get(place)
            && wanted(facts)
            && let Ok(extended) = grown.contract.fit(&facts.schema)
        {
            grown.contract = extended;
            grown.rows += facts.rows;
            grown.places.push(place);
        }
    }
    grown
}
