//! Codes of currencies, as ISO 4217 has them.

use iso_currency::{Currency, IntoEnumIterator};

use crate::error;

/// Whether ISO 4217 has a currency of this code, three letters in upper case.
pub fn is_code(text: &str) -> bool {
    Currency::from_code(text).is_some_and(is_currency)
}

/// Whether an entry of the list is a currency, and not the code for none of them (999) or that for tests (963).
fn is_currency(entry: Currency) -> bool {
    !matches!(entry.numeric(), 963 | 999)
}

/// The code that a text was probably meant to be.
pub fn nearest(text: &str) -> Option<&'static str> {
    error::nearest(
        text.trim(),
        Currency::iter()
            .filter(|entry| is_currency(*entry))
            .map(|currency| currency.code()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the list that the maintenance agency of ISO 4217 publishes, and of slips.
    #[test]
    fn codes_are_those_of_the_list_and_a_slip_has_a_near_one() {
        for code in ["EUR", "USD", "GBP", "JPY", "CHF", "XAU", "SLE", "VED", "XCG"] {
            assert!(is_code(code), "{code}");
        }
        // Codes for tests and for no currency are none.
        assert!(!is_code("XTS") && !is_code(&"X".repeat(3)));
        for (slip, near) in [
            ("EUX", Some("EUR")),
            ("eur", Some("EUR")),
            ("UDS", Some("USD")),
            (" EURO ", Some("EUR")),
            ("$", None),
            ("Pfund", None),
        ] {
            assert!(!is_code(slip), "{slip}");
            assert_eq!(nearest(slip), near, "{slip}");
        }
    }
}
