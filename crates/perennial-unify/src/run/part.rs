//! What a run works out that does not work out everything.

use std::pin::Pin;

use futures::StreamExt;
use perennial_base::Kind;
use perennial_lake::FileState;

use super::Committing;
use crate::due::due;
use crate::error::Result;
use crate::gone::{Gone, is_gone};
use crate::increment::{Increment, load_whole};
use crate::landing::Landing;
use crate::ledger::Loading;
use crate::overrides::hear;
use crate::published;
use crate::records::{Pending, Reading, Staged};
use crate::repriced::{Repriced, rates_before, rates_now};
use crate::stored::Tables;
use crate::versions::Known;

/// What is touched, or why everything has to be worked out.
pub(super) enum Touches<'a> {
    Part(Box<Increment<'a>>),
    TooMuch(String),
}

impl Committing<'_> {
    /// Finds what the new rows touch, what has gone, what time has changed and what new rates change, and brings the stored
    /// rows of those groups beside the new ones.
    pub(super) async fn touched<'s>(
        &'s self,
        reading: &Reading<'_>,
        stored: &'s Tables,
        pending: Vec<(usize, Pending)>,
        landing: &mut Landing,
        known: &mut Known,
        staged: &mut Vec<Staged>,
    ) -> Result<Option<Touches<'s>>> {
        let Some(previous) = self.previous.filter(|_| self.part) else {
            return Ok(None);
        };
        let too_much = |why: &str| Ok(Some(Touches::TooMuch(why.to_owned())));
        let config = self.config;
        self.journal.phase("find what is touched", None);
        if reading.nodes.lock().speaks_of_places() {
            // The places of stored rows are not noted.
            return too_much("a person speaks of a record of a source without keys");
        }
        let mut groups = due(stored, reading.state, config, previous, self.moment).await?;
        let gone = Gone::find(stored, config, previous, landing).await?;
        groups.extend(&gone.groups);
        let (of_rates, mut rest): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(number, _)| {
            let source = config.sources.get(*number);
            source.is_some_and(|source| source.kind == Kind::FxRate)
        });
        let rates = self.changed(landing, Kind::FxRate);
        let mut spend = self.changed(landing, Kind::Spend);
        if rates {
            for (number, read) in of_rates {
                let (Some(source), Some(manifest)) =
                    (config.sources.get(number), landing.sources.get_mut(number))
                else {
                    continue;
                };
                if let Some(why) = load_whole(previous, stored, reading, source, manifest, &read).await? {
                    return Ok(Some(Touches::TooMuch(why)));
                }
                staged.extend(reading.finish(read, source, manifest, known)?);
            }
            let before = rates_before(stored, config, previous).await?;
            let repriced = Repriced::between(&before, &rates_now(config, staged.iter())?);
            if !repriced.is_empty() {
                groups.extend(repriced.orders(stored, reading.state, config, previous).await?);
                spend |= repriced.spend(stored, reading.state, config, previous).await?;
            }
        } else {
            rest.extend(of_rates);
        }
        let mut found = Increment::find(previous, stored, &groups, gone, reading.nodes).await?;
        (found.spend, found.rates) = (spend, rates);
        if let Some(why) = found.choose(config, &rest, self.options.bounds).await? {
            return Ok(Some(Touches::TooMuch(why)));
        }
        let (ids, of_ids) = published::previous(stored, Some(previous), Some(&found.touched)).await?;
        found.of_ids = of_ids;
        reading.graph.lock().remember(ids);
        found.largest_first(config, &mut rest);
        let mut chosen = found.chosen(config, &rest).peekable();
        for (number, read) in rest {
            if let (Some(source), Some(manifest)) =
                (config.sources.get(number), landing.sources.get_mut(number))
            {
                let loading = Loading::new(reading.graph, manifest, &read);
                let mut element = found.elements(reading.nodes);
                let mine = |next: &Result<(usize, _)>| next.as_ref().map_or(true, |(of, _)| *of == number);
                while let Some(rows) = Pin::new(&mut chosen).next_if(mine).await {
                    loading.take(&rows?.1, &mut element)?;
                }
                let read = reading.finish(read, source, manifest, known)?;
                if let Some(said) = read.as_ref().filter(|_| source.kind == Kind::IdentityOverride) {
                    hear(said, &source.name, manifest, reading.graph, &mut known.words)?;
                }
                staged.extend(read);
            }
        }
        if let Some(left) = chosen.next().await {
            left?;
            // Rows of a source that is not read would be missing.
            return too_much("stored rows are left over");
        }
        staged.sort_by_key(|staged| (staged.kind != Kind::IdentityOverride, staged.source));
        Ok(Some(Touches::Part(Box::new(found))))
    }

    /// Whether files of a kind of source have landed or gone.
    fn changed(&self, landing: &Landing, kind: Kind) -> bool {
        let sources = self.config.sources.iter().zip(&landing.sources);
        let mut files = sources
            .filter(|(source, _)| source.kind == kind)
            .flat_map(|(_, landed)| &landed.files);
        files.any(|file| is_gone(file) || file.state == FileState::Live && file.id == 0)
    }
}
