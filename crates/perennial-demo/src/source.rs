//! The sources of the demo lake: their names, folders and files.

use chrono::Datelike;

use crate::calendar;

/// A source of the demo lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Contacts,
    Accounts,
    Orders,
    OrderItems,
    Refunds,
    Events,
    Newsletter,
    Interactions,
    Responses,
    Subscriptions,
    Consents,
    Spend,
    Rates,
    Products,
}

/// How the rows of a source are spread over files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// A hive partition for each month.
    Month,
    /// A file for each year.
    Year,
    /// Two exports, half a year before the end of history and at its end.
    Export,
    /// One file.
    Whole,
}

/// The part of a contact that was last modified before 2025-12-31.
pub(crate) const EARLIER_EXPORT: i32 = 0;
/// The part of a contact that was modified since, and of some that were not.
pub(crate) const LATER_EXPORT: i32 = 1;
/// When the earlier export was made.
pub(crate) const EARLIER_EXPORT_AT: i64 = calendar::END - 182 * calendar::DAY;

impl Source {
    pub(crate) const ALL: [Self; 14] = [
        Self::Contacts,
        Self::Accounts,
        Self::Orders,
        Self::OrderItems,
        Self::Refunds,
        Self::Events,
        Self::Newsletter,
        Self::Interactions,
        Self::Responses,
        Self::Subscriptions,
        Self::Consents,
        Self::Spend,
        Self::Rates,
        Self::Products,
    ];

    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        self.place().0
    }

    /// Its folder in the lake.
    pub(crate) fn folder(self) -> &'static str {
        self.place().1
    }

    /// The part of the source that holds what happened at a moment.
    pub(crate) fn part_at(self, at: i64) -> i32 {
        let date = calendar::date(calendar::day_of(at));
        match self.place().2 {
            Layout::Month => date.year() * 12 + date.month0() as i32,
            Layout::Year => date.year(),
            Layout::Export if at < EARLIER_EXPORT_AT => EARLIER_EXPORT,
            Layout::Export => LATER_EXPORT,
            Layout::Whole => 0,
        }
    }

    /// The file, relative to the lake, of a part and a batch of customers.
    pub(crate) fn file(self, part: i32, batch: u64) -> String {
        let folder = self.folder();
        match self.place().2 {
            Layout::Month => {
                format!(
                    "{folder}/month={:04}-{:02}/part-{batch:04}.parquet",
                    part / 12,
                    part % 12 + 1
                )
            }
            Layout::Year => format!("{folder}/{part:04}-{batch:04}.parquet"),
            Layout::Export if part == EARLIER_EXPORT => {
                format!("{folder}/export-2025-12-31-{batch:04}.parquet")
            }
            Layout::Export => format!("{folder}/export-2026-06-30-{batch:04}.parquet"),
            Layout::Whole => format!("{folder}/{}.parquet", self.name()),
        }
    }

    /// A record's key, as the source writes it.
    pub(crate) fn key_text(self, key: u64) -> String {
        match self {
            Self::Contacts => format!("C{key:08}"),
            Self::Newsletter => format!("N{key:08}"),
            Self::Subscriptions => format!("S{key:08}"),
            Self::Accounts => key.to_string(),
            _ => format!("{key:016x}"),
        }
    }

    fn place(self) -> (&'static str, &'static str, Layout) {
        match self {
            Self::Contacts => ("crm_contacts", "crm/contacts", Layout::Export),
            Self::Accounts => ("shop_accounts", "shop/accounts", Layout::Year),
            Self::Orders => ("shop_orders", "shop/orders", Layout::Month),
            Self::OrderItems => ("shop_order_items", "shop/order_items", Layout::Month),
            Self::Refunds => ("shop_refunds", "shop/refunds", Layout::Year),
            Self::Events => ("web_events", "web/events", Layout::Month),
            Self::Newsletter => ("email_newsletter", "email/newsletter", Layout::Year),
            Self::Interactions => ("support_interactions", "support/interactions", Layout::Year),
            Self::Responses => ("survey_responses", "surveys/responses", Layout::Year),
            Self::Subscriptions => ("billing_subscriptions", "billing/subscriptions", Layout::Year),
            Self::Consents => ("consent_log", "consents", Layout::Year),
            Self::Spend => ("ads_spend", "ads/spend", Layout::Year),
            Self::Rates => ("finance_fx_rates", "finance/fx_rates", Layout::Year),
            Self::Products => ("products", "shop/products", Layout::Whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: Source, at: i64, expected: &str) {
        assert_eq!(source.file(source.part_at(at), 3), expected);
    }

    #[test]
    fn files_say_what_is_in_them() {
        let last = calendar::END - 1;
        check(
            Source::Events,
            calendar::START,
            "web/events/month=2023-01/part-0003.parquet",
        );
        check(
            Source::Orders,
            last,
            "shop/orders/month=2026-06/part-0003.parquet",
        );
        check(Source::Accounts, last, "shop/accounts/2026-0003.parquet");
        check(
            Source::Contacts,
            last,
            "crm/contacts/export-2026-06-30-0003.parquet",
        );
        check(
            Source::Contacts,
            EARLIER_EXPORT_AT - 1,
            "crm/contacts/export-2025-12-31-0003.parquet",
        );
        check(Source::Products, last, "shop/products/products.parquet");
        assert_eq!(
            calendar::date(calendar::day_of(EARLIER_EXPORT_AT - 1)).to_string(),
            "2025-12-30"
        );
    }
}
