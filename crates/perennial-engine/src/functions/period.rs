//! Calendar periods in the SQL of table functions.

/// The names of periods.
pub(crate) const PERIODS: &[&str] = &["day", "week", "month", "quarter", "year"];

/// An instant as a local time of a zone.
pub(crate) fn local(instant: &str, zone: &str) -> String {
    format!("to_local_time(arrow_cast({instant}, 'Timestamp(Microsecond, Some(\"{zone}\"))'))")
}

/// A calendar period as a running number, so that periods can be subtracted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Period {
    /// So many days.
    Days(i64),
    /// So many months.
    Months(i64),
}

impl Period {
    /// The period of a name; months by default.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "day" => Self::Days(1),
            "week" => Self::Days(7),
            "quarter" => Self::Months(3),
            "year" => Self::Months(12),
            _ => Self::Months(1),
        }
    }

    /// The number of the period that a local time lies in. Day 0 of weeks is Monday, 1969-12-29.
    pub(crate) fn number(self, local: &str) -> String {
        match self {
            Self::Days(1) => format!("CAST(CAST(CAST({local} AS date) AS int) AS bigint)"),
            Self::Days(days) => {
                format!(
                    "CAST(floor((CAST(CAST({local} AS date) AS int) + 3) / {days}.0::double precision) AS bigint)"
                )
            }
            Self::Months(months) => format!(
                "CAST(floor((CAST(date_part('year', {local}) AS bigint) * 12 + CAST(date_part('month', {local}) AS bigint) - 1) / {months}.0::double precision) AS bigint)"
            ),
        }
    }

    /// The first day of the period of a number.
    pub(crate) fn start(self, number: &str) -> String {
        match self {
            Self::Days(1) => format!("CAST(CAST({number} AS int) AS date)"),
            Self::Days(days) => format!("CAST(CAST(({number}) * {days} - 3 AS int) AS date)"),
            Self::Months(months) => {
                let month = format!("(({number}) * {months})");
                format!("make_date(CAST({month} / 12 AS int), CAST({month} % 12 + 1 AS int), 1)")
            }
        }
    }
}
