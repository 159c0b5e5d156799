//! The reporting currency of a proposal.

use std::collections::BTreeSet;

use super::source::Draft;
use super::words::{self, Concept};
use crate::kind::Kind;

/// What is proposed about money.
pub(super) struct Money {
    /// The currency on which all sampled currency columns of orders and spend agree.
    pub(super) currency: Option<String>,
    /// Why it is that currency, or none.
    pub(super) reason: String,
    /// What else to say.
    pub(super) notes: Vec<String>,
}

pub(super) fn currency(drafts: &[Draft<'_>]) -> Money {
    let monetary = || drafts.iter().filter(|draft| draft.config.kind.monetary());
    let mut seen = BTreeSet::new();
    for draft in monetary().filter(|draft| draft.config.column("currency").is_some()) {
        let column = draft
            .concepts
            .iter()
            .find(|(concept, _)| *concept == Concept::Currency);
        let samples = column
            .and_then(|(_, name)| draft.facts_of(name))
            .map(|column| column.samples.as_slice());
        let codes = samples.unwrap_or_default().iter().map(|text| text.trim());
        seen.extend(
            codes
                .filter(|text| words::currency_like(text))
                .map(str::to_uppercase),
        );
    }
    let mut notes = Vec::new();
    let codes: Vec<String> = seen.into_iter().collect();
    let (currency, reason) = match codes.as_slice() {
        [] => {
            let names: Vec<&str> = monetary().map(|draft| draft.config.name.as_str()).collect();
            if names.is_empty() {
                (None, "no file has amounts in a currency".to_owned())
            } else {
                let names = names.join(", ");
                notes.push(format!(
                    "No column says in which currency the amounts of {names} are; set [money] currency."
                ));
                (None, "no column says in which currency amounts are".to_owned())
            }
        }
        [only] => (
            Some(only.clone()),
            "the only currency in the sampled rows".to_owned(),
        ),
        several => {
            let list = several.join(", ");
            if !drafts.iter().any(|draft| draft.config.kind == Kind::FxRate) {
                notes.push(format!(
                    "Amounts are in several currencies ({list}); all but the reporting currency need a source of kind fx_rate."
                ));
            }
            (
                None,
                format!("amounts are in several currencies ({list}): which one to report in is yours to say"),
            )
        }
    };
    Money {
        currency,
        reason,
        notes,
    }
}
