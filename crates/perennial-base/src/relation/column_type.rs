//! The types of served columns.

/// The type of a served column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnType {
    /// `text`; JSON is served as it, so that it can be compared and searched, and the operators of JSON take it.
    Text,
    /// `text[]`.
    TextList,
    /// `bigint`.
    Int,
    /// `double precision`.
    Float,
    /// `boolean`.
    Bool,
    /// `date`.
    Date,
    /// `timestamp with time zone`, microseconds.
    Timestamp,
    /// `numeric(18,4)`: money in the reporting currency.
    Money,
    /// `numeric(24,10)`: an exchange rate.
    Rate,
}

impl ColumnType {
    /// The type as SQL writes it.
    pub fn sql_name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::TextList => "text[]",
            Self::Int => "bigint",
            Self::Float => "double precision",
            Self::Bool => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamptz",
            Self::Money => "numeric(18,4)",
            Self::Rate => "numeric(24,10)",
        }
    }
}
