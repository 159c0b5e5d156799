//! The models that ship.

use super::{
    StageModel, StageRule,
    condition::{Bounds, Condition, Direction, Kind, Span, SubscriptionState, Test, days},
};

/// The names of the presets.
pub const PRESETS: [&str; 4] = [
    "default",
    "classic",
    "acquisition_engagement_retention",
    "subscription",
];

const YEAR: Span = Span::Lasting(days(365));
const QUARTER: Span = Span::Lasting(days(90));
const MONTH: Span = Span::Lasting(days(30));

/// The stages of a preset, strongest claim first.
pub(super) fn stages(preset: &str) -> Option<Vec<StageRule>> {
    match preset {
        "default" => Some(default()),
        "classic" => Some(classic()),
        "acquisition_engagement_retention" => Some(acquisition_engagement_retention()),
        "subscription" => Some(subscription()),
        _ => None,
    }
}

pub(super) fn default() -> Vec<StageRule> {
    vec![
        StageRule::new("terminated", [closed()]),
        StageRule::new("lapsed", [silent_for(Span::Lapse)]),
        StageRule::new("at_risk", [silent_for(Span::Active)]),
        StageRule::new("advocacy", [active(), advocate()]),
        StageRule::new("loyalty", [active(), orders(4), orders_within_a_year(3)]),
        StageRule::new(
            "won_back",
            [
                active(),
                Test::ReturnedWithin(Bounds::less_than(Span::Active)).into(),
            ],
        ),
        StageRule::new("retention", [active(), orders(2)]),
        StageRule::new("conversion", [active(), Test::Orders(Bounds::equal_to(1)).into()]),
        StageRule::new(
            "acquisition",
            [Test::Orders(Bounds::equal_to(0)).into(), identified()],
        ),
        StageRule::new("awareness", []),
    ]
}

/// Reach, acquisition, conversion, retention, loyalty (Sterne and Cutler 2000): how far a customer has come; whether
/// he is silent does not matter until the lapse window, where loyalty ends.
fn classic() -> Vec<StageRule> {
    vec![
        StageRule::new(
            "loyalty",
            [within(Span::Lapse), orders(4), orders_within_a_year(3)],
        ),
        StageRule::new("retention", [orders(2)]),
        StageRule::new("conversion", [orders(1)]),
        StageRule::new("acquisition", [identified()]),
        StageRule::new("reach", []),
    ]
}

/// Retention is a second order, engagement a first one or an identified prospect's contact within the active window.
fn acquisition_engagement_retention() -> Vec<StageRule> {
    let in_contact: Condition =
        Test::CountWithin(Kind::Interaction, Span::Active, Bounds::at_least(1)).into();
    vec![
        StageRule::new("retention", [orders(2)]),
        StageRule::new(
            "engagement",
            [Condition::Any(vec![
                orders(1),
                Condition::All(vec![identified(), in_contact]),
            ])],
        ),
        StageRule::new("acquisition", []),
    ]
}

/// For contracts: silence plays no part, subscriptions do.
fn subscription() -> Vec<StageRule> {
    let state = |state| Condition::from(Test::Subscription(state));
    let paying = || state(SubscriptionState::Active);
    let moved = |direction| Condition::from(Test::MrrMovedWithin(direction, QUARTER));
    vec![
        StageRule::new("churned", [state(SubscriptionState::Ended)]),
        StageRule::new("past_due", [state(SubscriptionState::PastDue)]),
        StageRule::new(
            "won_back",
            [paying(), Test::RestartedWithin(Bounds::less_than(QUARTER)).into()],
        ),
        StageRule::new(
            "onboarding",
            [paying(), Test::Tenure(Bounds::less_than(MONTH)).into()],
        ),
        StageRule::new("contraction", [paying(), moved(Direction::Contraction)]),
        StageRule::new("expansion", [paying(), moved(Direction::Expansion)]),
        StageRule::new("active", [paying()]),
        StageRule::new("trial", [state(SubscriptionState::Trial)]),
        StageRule::new("prospect", []),
    ]
}

fn closed() -> Condition {
    Test::Closed(true).into()
}

fn silent_for(span: Span) -> Condition {
    Test::Silence(Bounds::at_least(span)).into()
}

fn within(span: Span) -> Condition {
    Test::Silence(Bounds::less_than(span)).into()
}

fn active() -> Condition {
    within(Span::Active)
}

fn advocate() -> Condition {
    Condition::Any(vec![
        Test::NpsLatest(Some(YEAR), Bounds::at_least(9.0)).into(),
        Test::CountWithin(Kind::Referral, YEAR, Bounds::at_least(1)).into(),
    ])
}

fn orders(count: u64) -> Condition {
    Test::Orders(Bounds::at_least(count)).into()
}

fn orders_within_a_year(count: u64) -> Condition {
    Test::OrdersWithin(YEAR, Bounds::at_least(count)).into()
}

fn identified() -> Condition {
    Test::Identified(true).into()
}

impl StageModel {
    /// The way up: the stages that stand for growth, weakest claim first. The list is read from its end, without the stages
    /// of customers who went silent, left, shrank or came back.
    pub fn funnel(&self) -> Vec<&str> {
        if self.stages() == subscription().as_slice() {
            return vec!["prospect", "trial", "onboarding", "active", "expansion"];
        }
        let up = self
            .stages()
            .iter()
            .rev()
            .filter(|stage| !stage.conditions.iter().any(turns_down));
        up.map(|stage| stage.name.as_str()).collect()
    }
}

/// Whether a condition is about going, or about coming back.
fn turns_down(condition: &Condition) -> bool {
    match condition {
        Condition::All(all) => all.iter().any(turns_down),
        Condition::Any(any) => !any.is_empty() && any.iter().all(turns_down),
        Condition::Test(test) => match test {
            Test::Silence(bounds) => bounds.lower().is_some(),
            Test::Closed(closed) => *closed,
            Test::Subscription(state) => {
                matches!(state, SubscriptionState::Ended | SubscriptionState::PastDue)
            }
            Test::MrrMovedWithin(direction, _) => *direction == Direction::Contraction,
            Test::ReturnedWithin(_) | Test::RestartedWithin(_) => true,
            _ => false,
        },
    }
}
