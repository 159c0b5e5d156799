//! Statuses of orders that do not count.

use std::collections::HashSet;

use parking_lot::Mutex;
use perennial_base::nearest;

use crate::noticed::UnknownStatus;

/// Different statuses that are remembered: of orders that have more it is no status.
const MOST: usize = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct Unpaid {
    /// In lower case.
    statuses: HashSet<String>,
    /// Those that orders have.
    met: Mutex<HashSet<String>>,
}

impl Unpaid {
    pub(crate) fn new(statuses: &[String]) -> Self {
        Self {
            statuses: statuses.iter().map(|status| status.to_lowercase()).collect(),
            met: Mutex::default(),
        }
    }

    /// Whether an order of a status, in lower case, does not count.
    pub(crate) fn has(&self, status: &str) -> bool {
        self.statuses.contains(status)
    }

    /// Notes statuses that orders have.
    pub(crate) fn met(&self, statuses: HashSet<String>) {
        let mut met = self.met.lock();
        for status in statuses {
            if met.len() < MOST {
                met.insert(status);
            }
        }
    }

    /// The statuses that no order has and that are nearly one which orders have, in the order of the alphabet.
    pub(crate) fn unknown(&self) -> Vec<UnknownStatus> {
        let met = self.met.lock();
        let counts = || {
            let met = met.iter().map(String::as_str);
            met.filter(|status| !self.statuses.contains(*status))
        };
        let unknown = self.statuses.iter().filter(|status| !met.contains(*status));
        let mut unknown: Vec<UnknownStatus> = unknown
            .filter_map(|status| {
                Some(UnknownStatus {
                    status: status.clone(),
                    near: nearest(status, counts())?.to_owned(),
                })
            })
            .collect();
        unknown.sort_unstable_by(|a, b| a.status.cmp(&b.status));
        unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_no_order_has_is_told_where_one_is_near_that_counts() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let unpaid = Unpaid::new(&texts(&["Canceld", "draft", "failed"]));
        assert!(unpaid.has("canceld") && !unpaid.has("cancelled"));
        unpaid.met(texts(&["paid", "cancelled", "draft"]).into_iter().collect());
        let unknown: Vec<_> = unpaid.unknown();
        let [unknown] = unknown.as_slice() else {
            panic!("{unknown:?}")
        };
        assert_eq!(
            (unknown.status.as_str(), unknown.near.as_str()),
            ("canceld", "cancelled")
        );
        // Both spellings may be listed, of which orders have one.
        let unpaid = Unpaid::new(&texts(&["canceled", "cancelled"]));
        unpaid.met(texts(&["paid", "cancelled"]).into_iter().collect());
        assert_eq!(unpaid.unknown(), []);
    }
}
