//! Kinds: what the rows of a source are, and the canonical columns that its mapping fills.

use std::fmt;
use std::str::FromStr;

use crate::relation::ColumnType;

/// What a source's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// What a system knows of a person: identifiers and traits.
    Profile,
    /// Something a person did.
    Event,
    /// A purchase.
    Order,
    /// A line of a purchase.
    OrderItem,
    /// Money given back for a purchase.
    Refund,
    /// A change of a recurring contract.
    Subscription,
    /// An answer to a question on satisfaction.
    Survey,
    /// A contact with service or sales.
    Interaction,
    /// A permission given or withdrawn.
    Consent,
    /// Money spent on acquisition.
    Spend,
    /// Units of the reporting currency per unit of another.
    FxRate,
    /// A person's word on two records: one customer's, or not.
    IdentityOverride,
    /// A reference table, served as it landed.
    Table,
}

/// A column that a mapping of some kind may fill.
#[derive(Debug, Clone, Copy)]
pub struct CanonicalColumn {
    /// Its name in the mapping and in the unified relation.
    pub name: &'static str,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether a row without a value is rejected.
    pub required: bool,
    /// What it says.
    pub comment: &'static str,
}

const fn required(name: &'static str, column_type: ColumnType, comment: &'static str) -> CanonicalColumn {
    CanonicalColumn {
        name,
        column_type,
        required: true,
        comment,
    }
}

const fn optional(name: &'static str, column_type: ColumnType, comment: &'static str) -> CanonicalColumn {
    CanonicalColumn {
        name,
        column_type,
        required: false,
        comment,
    }
}

const CHANNEL: CanonicalColumn = optional("channel", ColumnType::Text, "Marketing or sales channel");
/// What the channel of an interaction is; it is none of the channels that money is spent on.
pub(crate) const INTERACTION_CHANNEL: &str =
    "Where the contact took place, as the source names it: email, chat, phone";
const CAMPAIGN: CanonicalColumn = optional("campaign", ColumnType::Text, "Campaign within the channel");

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::Profile,
        Self::Event,
        Self::Order,
        Self::OrderItem,
        Self::Refund,
        Self::Subscription,
        Self::Survey,
        Self::Interaction,
        Self::Consent,
        Self::Spend,
        Self::FxRate,
        Self::IdentityOverride,
        Self::Table,
    ];

    /// The word in the configuration file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Event => "event",
            Self::Order => "order",
            Self::OrderItem => "order_item",
            Self::Refund => "refund",
            Self::Subscription => "subscription",
            Self::Survey => "survey",
            Self::Interaction => "interaction",
            Self::Consent => "consent",
            Self::Spend => "spend",
            Self::FxRate => "fx_rate",
            Self::IdentityOverride => "identity_override",
            Self::Table => "table",
        }
    }

    /// Whether each row carries identifiers of the person concerned.
    pub fn person_bearing(self) -> bool {
        match self {
            Self::Profile
            | Self::Event
            | Self::Order
            | Self::Subscription
            | Self::Survey
            | Self::Interaction
            | Self::Consent => true,
            Self::OrderItem
            | Self::Refund
            | Self::Spend
            | Self::FxRate
            | Self::IdentityOverride
            | Self::Table => false,
        }
    }

    /// Whether rows have a moment (`time` in the mapping).
    pub fn timed(self) -> bool {
        self.person_bearing() || matches!(self, Self::Refund | Self::IdentityOverride)
    }

    /// Whether the kind's amounts are money of some currency.
    pub fn monetary(self) -> bool {
        matches!(self, Self::Order | Self::Refund | Self::Spend)
    }

    /// The unified relation that the rows end up in; none for rates, overrides and reference tables.
    pub fn relation(self) -> Option<&'static str> {
        match self {
            Self::Profile => Some("customers"),
            Self::Event => Some("events"),
            Self::Order => Some("orders"),
            Self::OrderItem => Some("order_items"),
            Self::Refund => Some("refunds"),
            Self::Subscription => Some("subscriptions"),
            Self::Survey => Some("surveys"),
            Self::Interaction => Some("interactions"),
            Self::Consent => Some("consents"),
            Self::Spend => Some("spend"),
            Self::FxRate | Self::IdentityOverride | Self::Table => None,
        }
    }

    /// The columns that `columns = { … }` of a source of this kind may name. `record_key`, `time`, `identifiers`
    /// and `traits` are keys of the source itself.
    pub fn columns(self) -> &'static [CanonicalColumn] {
        const EVENT: &[CanonicalColumn] = &[
            required("name", ColumnType::Text, "What happened, as the source names it"),
            CHANNEL,
            CAMPAIGN,
        ];
        const ORDER: &[CanonicalColumn] = &[
            required(
                "amount",
                ColumnType::Money,
                "Value of the order, in its currency; served in the reporting currency",
            ),
            optional(
                "currency",
                ColumnType::Text,
                "Currency of the original amount, ISO 4217",
            ),
            optional(
                "status",
                ColumnType::Text,
                "State of the order, as the source names it",
            ),
            CHANNEL,
            CAMPAIGN,
            optional(
                "discount",
                ColumnType::Money,
                "Discount given, in the currency of the order; served in the reporting currency",
            ),
            optional(
                "cost",
                ColumnType::Money,
                "Cost of the goods, in the currency of the order; served in the reporting currency",
            ),
        ];
        const ORDER_ITEM: &[CanonicalColumn] = &[
            required("order_id", ColumnType::Text, "The order, by its record key"),
            required("product_id", ColumnType::Text, "The product"),
            optional("category", ColumnType::Text, "The product's category"),
            required("quantity", ColumnType::Float, "Units bought"),
            required(
                "unit_price",
                ColumnType::Money,
                "Price of a unit, in the currency of the order; served in the reporting currency",
            ),
        ];
        const REFUND: &[CanonicalColumn] = &[
            required("order_id", ColumnType::Text, "The order, by its record key"),
            required(
                "amount",
                ColumnType::Money,
                "Money given back, in the currency of the order; served in the reporting currency",
            ),
        ];
        const SUBSCRIPTION: &[CanonicalColumn] = &[
            optional("plan", ColumnType::Text, "The plan from this moment on"),
            required(
                "mrr",
                ColumnType::Money,
                "Monthly recurring revenue from this moment on; 0 = ended",
            ),
            optional(
                "status",
                ColumnType::Text,
                "State of the contract, as the source names it: trial, trialing and in_trial are not paid for yet; past_due, overdue and unpaid are late; canceled, cancelled, ended, expired, terminated, churned and incomplete_expired end it whatever its mrr; everything else is paid for",
            ),
        ];
        const SURVEY: &[CanonicalColumn] = &[
            required("survey", ColumnType::Text, "The question asked: nps, csat or ces"),
            required(
                "score",
                ColumnType::Float,
                "The answer, on the scale of its survey; of nps a whole number from 0 to 10",
            ),
            optional("comment", ColumnType::Text, "What the person wrote"),
        ];
        const INTERACTION: &[CanonicalColumn] = &[
            optional("channel", ColumnType::Text, INTERACTION_CHANNEL),
            optional("type", ColumnType::Text, "What it was about"),
            optional("direction", ColumnType::Text, "inbound or outbound"),
            optional("outcome", ColumnType::Text, "How it ended"),
            optional("sentiment", ColumnType::Text, "The mood, where the source has it"),
        ];
        const CONSENT: &[CanonicalColumn] = &[
            required("purpose", ColumnType::Text, "What the data may be used for"),
            required("granted", ColumnType::Bool, "Given (true) or withdrawn (false)"),
        ];
        const SPEND: &[CanonicalColumn] = &[
            required("date", ColumnType::Date, "The day"),
            required("channel", ColumnType::Text, "The channel paid"),
            CAMPAIGN,
            required(
                "amount",
                ColumnType::Money,
                "Money spent, in the currency of the row; served in the reporting currency",
            ),
            optional(
                "currency",
                ColumnType::Text,
                "Currency of the original amount, ISO 4217",
            ),
        ];
        const FX_RATE: &[CanonicalColumn] = &[
            required("date", ColumnType::Date, "The day from which the rate holds"),
            required("currency", ColumnType::Text, "The other currency, ISO 4217"),
            required(
                "rate",
                ColumnType::Rate,
                "Units of the reporting currency per unit of the other",
            ),
        ];
        const IDENTITY_OVERRIDE: &[CanonicalColumn] = &[
            required("source_a", ColumnType::Text, "The source of one record"),
            required("record_a", ColumnType::Text, "Its record key"),
            required("source_b", ColumnType::Text, "The source of the other record"),
            required("record_b", ColumnType::Text, "Its record key"),
            required(
                "verdict",
                ColumnType::Text,
                "same or different: whether the two records are one customer's",
            ),
        ];
        match self {
            Self::Profile | Self::Table => &[],
            Self::Event => EVENT,
            Self::Order => ORDER,
            Self::OrderItem => ORDER_ITEM,
            Self::Refund => REFUND,
            Self::Subscription => SUBSCRIPTION,
            Self::Survey => SURVEY,
            Self::Interaction => INTERACTION,
            Self::Consent => CONSENT,
            Self::Spend => SPEND,
            Self::FxRate => FX_RATE,
            Self::IdentityOverride => IDENTITY_OVERRIDE,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(())
    }
}
