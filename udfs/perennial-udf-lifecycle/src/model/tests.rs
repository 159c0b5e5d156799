//! Stages worked out by hand, and invariants against a second, plain reading of the facts.

mod by_hand;
mod definitions;
mod invariants;
mod language;
mod plain;
mod population;
mod reach;
mod rules;

use super::*;

const DAY: i64 = 86_400_000_000;

/// The facts of one customer, in a form that owns them.
#[derive(Debug, Clone, Default)]
struct Customer {
    first_seen_at: i64,
    identified_at: Option<i64>,
    orders: Vec<OrderVersion>,
    refunds: Vec<Refund>,
    subscriptions: Vec<SubscriptionChange>,
    nps: Vec<Score>,
    csat: Vec<Score>,
    named: Vec<NamedFact>,
}

impl Customer {
    fn facts(&self) -> CustomerFacts<'_> {
        CustomerFacts {
            first_seen_at: self.first_seen_at,
            identified_at: self.identified_at,
            orders: &self.orders,
            refunds: &self.refunds,
            subscriptions: &self.subscriptions,
            nps: &self.nps,
            csat: &self.csat,
            named: &self.named,
        }
    }

    /// Every slice by its instant.
    fn sorted(mut self) -> Self {
        self.orders.sort_by_key(|version| version.effective_at);
        self.refunds.sort_by_key(|refund| refund.effective_at);
        self.subscriptions.sort_by_key(|change| change.effective_at);
        self.nps.sort_by_key(|score| score.effective_at);
        self.csat.sort_by_key(|score| score.effective_at);
        self.named.sort_by_key(|fact| fact.effective_at);
        self
    }

    /// Only the facts at or before an instant.
    fn up_to(mut self, at: i64) -> Self {
        self.identified_at = self.identified_at.filter(|identified_at| *identified_at <= at);
        self.orders.retain(|version| version.effective_at <= at);
        self.refunds.retain(|refund| refund.effective_at <= at);
        self.subscriptions.retain(|change| change.effective_at <= at);
        self.nps.retain(|score| score.effective_at <= at);
        self.csat.retain(|score| score.effective_at <= at);
        self.named.retain(|fact| fact.effective_at <= at);
        self
    }
}

/// A model whose rules use every test of the language.
fn every_test() -> StageModel {
    let year = Span::Lasting(days(365));
    let month = Span::Lasting(days(30));
    let euro = |euros: i128| euros * 10_000;
    StageModel::try_new(vec![
        StageRule::new("closed", [Test::Closed(true).into()]),
        StageRule::new(
            "shrunk",
            [Test::MrrMovedWithin(Direction::Contraction, month).into()],
        ),
        StageRule::new(
            "grown",
            [Test::MrrMovedWithin(Direction::Expansion, month).into()],
        ),
        StageRule::new(
            "restarted",
            [Test::RestartedWithin(Bounds::less_than(month)).into()],
        ),
        StageRule::new(
            "returned",
            [Test::ReturnedWithin(Bounds::less_than(Span::Active)).into()],
        ),
        StageRule::new("late", [Test::Subscription(SubscriptionState::PastDue).into()]),
        StageRule::new("on_trial", [Test::Subscription(SubscriptionState::Trial).into()]),
        StageRule::new("big_subscriber", [Test::Mrr(Bounds::at_least(euro(2))).into()]),
        StageRule::new(
            "spender",
            [
                Test::RevenueWithin(month, Bounds::at_least(euro(2))).into(),
                Test::Revenue(Bounds::new(
                    std::ops::Bound::Excluded(0),
                    std::ops::Bound::Included(euro(4)),
                ))
                .into(),
            ],
        ),
        StageRule::new(
            "happy",
            [Condition::Any(vec![
                Test::NpsLatest(Some(year), Bounds::at_least(9.0)).into(),
                Test::CsatLatest(None, Bounds::equal_to(5.0)).into(),
                Condition::All(vec![
                    Test::CountWithin(Kind::Interaction, Span::Active, Bounds::at_least(1)).into(),
                    Test::Count(Kind::Event("view".into()), Bounds::less_than(3)).into(),
                ]),
            ])],
        ),
        StageRule::new(
            "fresh",
            [
                Test::Tenure(Bounds::less_than(month)).into(),
                Test::OrdersWithin(month, Bounds::at_most(1)).into(),
                Test::Identified(false).into(),
            ],
        ),
        StageRule::new(
            "referrer",
            [Test::Count(Kind::Referral, Bounds::at_least(1)).into()],
        ),
        StageRule::new(
            "gone",
            [
                Test::Subscription(SubscriptionState::Ended).into(),
                silent(Span::Lapse),
            ],
        ),
        StageRule::new("quiet", [silent(Span::Active)]),
        StageRule::new("buyer", [Test::Orders(Bounds::at_least(1)).into()]),
        StageRule::new("nobody", []),
    ])
    .unwrap()
}

fn silent(span: Span) -> Condition {
    Test::Silence(Bounds::at_least(span)).into()
}
