//! Rules in words, for messages and explanations.

use std::{
    fmt::{self, Display, Formatter},
    ops::Bound,
};

use super::{
    condition::{Bounds, Condition, Direction, Kind, Span, SubscriptionState, Test},
    facts::Money,
};

const DAY: u64 = 86_400;

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str("the active window"),
            Self::Lapse => f.write_str("the lapse window"),
            Self::Lasting(length) => match length.as_secs() {
                seconds if seconds == DAY => f.write_str("1 day"),
                seconds if seconds.is_multiple_of(DAY) => write!(f, "{} days", seconds / DAY),
                seconds if seconds > DAY => write!(f, "{:.2} days", length.as_secs_f64() / DAY as f64),
                seconds => write!(f, "{seconds} seconds"),
            },
        }
    }
}

impl Display for SubscriptionState {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Trial => "trial",
            Self::Ended => "ended",
        })
    }
}

impl Display for Direction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expansion => "expansion",
            Self::Contraction => "contraction",
        })
    }
}

/// An amount in units of its currency.
pub(super) fn amount(money: Money) -> String {
    let (units, rest) = (money.unsigned_abs() / 10_000, money.unsigned_abs() % 10_000);
    let sign = if money < 0 { "-" } else { "" };
    match rest {
        0 => format!("{sign}{units}"),
        rest => format!("{sign}{units}.{rest:04}")
            .trim_end_matches('0')
            .to_owned(),
    }
}

fn bounds<T: Copy + PartialEq>(name: &str, bounds: &Bounds<T>, text: impl Fn(T) -> String) -> String {
    let lower = match bounds.edges().0 {
        Bound::Included(value) => Some(format!("≥ {}", text(value))),
        Bound::Excluded(value) => Some(format!("> {}", text(value))),
        Bound::Unbounded => None,
    };
    let upper = match bounds.edges().1 {
        Bound::Included(value) => Some(format!("≤ {}", text(value))),
        Bound::Excluded(value) => Some(format!("< {}", text(value))),
        Bound::Unbounded => None,
    };
    match (bounds.edges(), lower, upper) {
        ((Bound::Included(low), Bound::Included(high)), ..) if low == high => {
            format!("{name} = {}", text(low))
        }
        (_, Some(lower), Some(upper)) => format!("{name} {lower} and {upper}"),
        (_, Some(bound), None) | (_, None, Some(bound)) => format!("{name} {bound}"),
        (_, None, None) => format!("{name} is known"),
    }
}

/// Lengths of time are half-open, however they are written.
fn lengths(name: &str, bounds: &Bounds<Span>) -> String {
    match (bounds.lower(), bounds.upper()) {
        (Some(low), Some(high)) => format!("{name} ≥ {low} and < {high}"),
        (Some(low), None) => format!("{name} ≥ {low}"),
        (None, Some(high)) => format!("{name} < {high}"),
        (None, None) => format!("{name} is known"),
    }
}

impl Test {
    /// What is compared: the fact, with its length where it has one.
    pub fn subject(&self) -> String {
        let kind = |kind: &Kind| match kind {
            Kind::Closing => "closing".to_owned(),
            Kind::Referral => "referrals".to_owned(),
            Kind::Interaction => "interactions".to_owned(),
            Kind::AnyEvent => "events".to_owned(),
            Kind::Event(name) => format!("events \"{name}\""),
            Kind::Fact(name) => name.clone(),
        };
        match self {
            Self::OrdersWithin(span, _) => format!("orders within {span}"),
            Self::RevenueWithin(span, _) => format!("revenue within {span}"),
            Self::Count(of, _) => kind(of),
            Self::CountWithin(of, span, _) => format!("{} within {span}", kind(of)),
            Self::NpsLatest(Some(span), _) => format!("nps_latest within {span}"),
            Self::CsatLatest(Some(span), _) => format!("csat_latest within {span}"),
            Self::MrrMovedWithin(_, span) => format!("mrr moved within {span}"),
            Self::ReturnedWithin(_) => "time since the last return".to_owned(),
            Self::RestartedWithin(_) => "time since the last restart".to_owned(),
            other => other.fact().to_owned(),
        }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let subject = self.subject();
        let text = match self {
            Self::Orders(counts)
            | Self::OrdersWithin(_, counts)
            | Self::Count(_, counts)
            | Self::CountWithin(_, _, counts) => bounds(&subject, counts, |count| count.to_string()),
            Self::Revenue(amounts) | Self::RevenueWithin(_, amounts) | Self::Mrr(amounts) => {
                bounds(&subject, amounts, amount)
            }
            Self::NpsLatest(_, scores) | Self::CsatLatest(_, scores) => {
                bounds(&subject, scores, |score| score.to_string())
            }
            Self::Silence(span)
            | Self::Tenure(span)
            | Self::ReturnedWithin(span)
            | Self::RestartedWithin(span) => lengths(&subject, span),
            Self::Subscription(state) => format!("{subject} = {state}"),
            Self::MrrMovedWithin(direction, _) => format!("{subject} = {direction}"),
            Self::Identified(truth) | Self::Closed(truth) => format!("{subject} = {truth}"),
        };
        f.write_str(&text)
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let joined = |conditions: &[Self], word: &str| {
            let parts: Vec<String> = conditions
                .iter()
                .map(|condition| match condition {
                    Self::Test(test) => test.to_string(),
                    group => format!("({group})"),
                })
                .collect();
            parts.join(word)
        };
        match self {
            Self::All(conditions) if conditions.is_empty() => f.write_str("everybody"),
            Self::All(conditions) => f.write_str(&joined(conditions, " and ")),
            Self::Any(conditions) => f.write_str(&joined(conditions, " or ")),
            Self::Test(test) => test.fmt(f),
        }
    }
}
