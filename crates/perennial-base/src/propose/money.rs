//! The reporting currency of a proposal.

use std::collections::BTreeSet;

use super::source::Draft;
use super::words::Concept;
use crate::currency::is_code;
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
    let seen: BTreeSet<String> = monetary().flat_map(codes).collect();
    let rates = || drafts.iter().filter(|draft| draft.config.kind == Kind::FxRate);
    let rated: BTreeSet<String> = rates().flat_map(codes).collect();
    let mut notes = Vec::new();
    let codes: Vec<String> = seen.into_iter().collect();
    let unrated: Vec<&str> = codes
        .iter()
        .map(String::as_str)
        .filter(|code| !rated.contains(*code))
        .collect();
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
        several if !rated.is_empty() && unrated.len() == 1 => {
            let (list, only) = (several.join(", "), unrated.concat());
            let reason = format!("amounts are in {list}, and there are rates for all of them but {only}");
            (Some(only), reason)
        }
        several => {
            let list = several.join(", ");
            if rates().next().is_none() {
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

/// The sampled codes of a source's currency column.
fn codes(draft: &Draft<'_>) -> Vec<String> {
    let column = draft.config.column("currency").and_then(|_| {
        let named = draft
            .concepts
            .iter()
            .find(|(concept, _)| *concept == Concept::Currency);
        named.and_then(|(_, name)| draft.facts_of(name))
    });
    let samples = column.map(|column| column.samples.as_slice()).unwrap_or_default();
    samples
        .iter()
        .map(|text| text.trim().to_uppercase())
        .filter(|code| is_code(code))
        .collect()
}
