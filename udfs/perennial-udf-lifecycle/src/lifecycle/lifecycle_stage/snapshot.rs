//! Facts that somebody else counted.

use crate::model::{Answer, Direction, Facts, Kind, KindId, Money, Span, SubscriptionState};

/// What one row says of a customer. Facts that the default model does not ask for are none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshot {
    pub(super) orders: u64,
    pub(super) orders_last_365_days: u64,
    pub(super) silence: Option<i64>,
    pub(super) identified: bool,
    pub(super) nps: Option<Answer>,
    pub(super) referrals_last_365_days: u64,
    pub(super) returned: Option<i64>,
    pub(super) closed: bool,
    pub(super) active: i64,
    pub(super) lapse: i64,
}

impl Facts for Snapshot {
    fn window(&self, span: Span) -> i64 {
        match span {
            Span::Active => self.active,
            Span::Lapse => self.lapse,
            Span::Lasting(duration) => i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
        }
    }

    fn orders(&self) -> u64 {
        self.orders
    }

    fn orders_within(&self, _length: i64) -> u64 {
        self.orders_last_365_days
    }

    fn revenue(&self) -> Option<Money> {
        None
    }

    fn revenue_within(&self, _length: i64) -> Option<Money> {
        None
    }

    fn count(&self, _kind: KindId) -> u64 {
        0
    }

    fn count_within(&self, kind: KindId, _length: i64) -> u64 {
        if super::MODEL.kind(&Kind::Referral) == Some(kind) {
            self.referrals_last_365_days
        } else {
            0
        }
    }

    fn silence(&self) -> Option<i64> {
        self.silence
    }

    fn tenure(&self) -> Option<i64> {
        None
    }

    fn nps(&self) -> Option<Answer> {
        self.nps
    }

    fn csat(&self) -> Option<Answer> {
        None
    }

    fn subscription(&self, _state: SubscriptionState) -> bool {
        false
    }

    fn mrr(&self) -> Option<Money> {
        None
    }

    fn mrr_moved(&self) -> Option<(i64, Direction)> {
        None
    }

    fn identified(&self) -> bool {
        self.identified
    }

    fn returned(&self) -> Option<i64> {
        self.returned
    }

    fn restarted(&self) -> Option<i64> {
        None
    }

    fn closed(&self) -> bool {
        self.closed
    }
}
