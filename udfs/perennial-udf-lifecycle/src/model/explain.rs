//! Why a customer is in a stage: every rule that was tried, what it asks for and what was known.

use super::{
    Evaluator, Rule, Window,
    condition::{Span, Test},
    facts::{Answer, CustomerFacts, Facts, KindId},
    words::amount,
};

const DAY: f64 = 86_400_000_000.0;

/// The stage at a moment, with all rules down to the one that held.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The stage, by its place in [`super::StageModel::stages`].
    pub stage: usize,
    /// The rules in the order in which they were tried; the last one holds.
    pub rules: Vec<ExplainedRule>,
    /// The windows that adapt, of those that decide a test of these rules.
    pub windows: Vec<ExplainedWindow>,
}

/// How long a window that adapts is for a customer at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExplainedWindow {
    /// The window.
    pub span: Span,
    /// Its length in microseconds.
    pub length: i64,
    /// The median gap that it is a multiple of; `None` when no customer had ordered twice before the month began.
    pub gap: Option<i64>,
    /// Whether the gap is the customer's own, and not the population's.
    pub own: bool,
}

/// A rule that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedRule {
    /// The stage, by its place.
    pub stage: usize,
    /// Whether the rule holds.
    pub holds: bool,
    /// Its tests in the order in which they are written; none for a rule that takes everybody.
    pub tests: Vec<ExplainedTest>,
}

/// A test of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedTest {
    /// The condition in words.
    pub condition: String,
    /// What was known, in words.
    pub known: String,
    /// Whether the condition holds.
    pub holds: bool,
    /// When its answer may change by itself, if nothing arrives.
    pub until: Option<i64>,
}

impl Evaluator<'_> {
    /// Why the customer is in its stage at an instant; `None` before first_seen_at.
    pub fn explain(&mut self, facts: &CustomerFacts<'_>, at: i64) -> Option<Explanation> {
        let stage = self.stage_at(facts, at)?;
        let (model, moment) = (self.model, &self.moment);
        let explained = |leaf: &super::Leaf| ExplainedTest {
            condition: leaf.test.to_string(),
            known: known(&leaf.test, leaf.kind, moment),
            holds: leaf.test.holds(leaf.kind, moment),
            until: moment.deadline(leaf),
        };
        let mut asked: Vec<&super::Leaf> = Vec::new();
        let rules = model.rules.iter().enumerate().take(stage + 1);
        let rules = rules.map(|(place, rule)| {
            let mut leaves = Vec::new();
            collect(rule, &mut leaves);
            let leaves = leaves.into_iter().filter_map(|leaf| model.leaves.get(leaf));
            let leaves: Vec<&super::Leaf> = leaves.collect();
            asked.extend(&leaves);
            ExplainedRule {
                stage: place,
                holds: place == stage,
                tests: leaves.into_iter().map(explained).collect(),
            }
        });
        let rules = rules.collect();
        let windows = [
            (Span::Active, &model.windows.active),
            (Span::Lapse, &model.windows.lapse),
        ];
        let windows = windows.into_iter().filter(|(span, window)| {
            let decides = |leaf: &&super::Leaf| {
                leaf.test.spans().contains(&Some(*span)) && measured(&leaf.test, leaf.kind, moment)
            };
            matches!(window, Window::Adaptive { .. }) && asked.iter().any(decides)
        });
        let own = moment.own_gap();
        let windows = windows.map(|(span, _)| ExplainedWindow {
            span,
            length: moment.window(span),
            gap: own.or_else(|| model.population.median_at(at)),
            own: own.is_some(),
        });
        Some(Explanation {
            stage,
            rules,
            windows: windows.collect(),
        })
    }
}

/// Whether there is something at the moment that a length of the test is compared with.
fn measured(test: &Test, kind: KindId, facts: &impl Facts) -> bool {
    match test {
        Test::Silence(_) => facts.silence().is_some(),
        Test::Tenure(_) => facts.tenure().is_some(),
        Test::ReturnedWithin(_) => facts.returned().is_some(),
        Test::RestartedWithin(_) => facts.restarted().is_some(),
        Test::CountWithin(..) => facts.count(kind) > 0,
        Test::OrdersWithin(..) => facts.orders() > 0,
        Test::NpsLatest(..) => facts.nps().is_some(),
        Test::CsatLatest(..) => facts.csat().is_some(),
        Test::MrrMovedWithin(..) => facts.mrr_moved().is_some(),
        _ => true,
    }
}

fn collect(rule: &Rule, leaves: &mut Vec<usize>) {
    match rule {
        Rule::All(rules) | Rule::Any(rules) => rules.iter().for_each(|rule| collect(rule, leaves)),
        Rule::Leaf(leaf) => leaves.push(*leaf),
    }
}

/// What a test asks for, as it is at the moment.
fn known(test: &Test, kind: KindId, facts: &impl Facts) -> String {
    let unknown = || "unknown".to_owned();
    let length = |length: Option<i64>| match length {
        Some(length) => format!("{:.2} days", length as f64 / DAY),
        None => unknown(),
    };
    let money = |money: Option<super::Money>| money.map_or_else(unknown, amount);
    let answer = |answer: Option<Answer>| match answer {
        Some(Answer { age, score }) => format!("{score}, {:.2} days ago", age as f64 / DAY),
        None => unknown(),
    };
    match test {
        Test::Orders(_) => facts.orders().to_string(),
        Test::OrdersWithin(span, _) => facts.orders_within(facts.window(*span)).to_string(),
        Test::Revenue(_) => money(facts.revenue()),
        Test::RevenueWithin(span, _) => money(facts.revenue_within(facts.window(*span))),
        Test::Count(..) => facts.count(kind).to_string(),
        Test::CountWithin(_, span, _) => facts.count_within(kind, facts.window(*span)).to_string(),
        Test::Silence(_) => length(facts.silence()),
        Test::Tenure(_) => length(facts.tenure()),
        Test::NpsLatest(..) => answer(facts.nps()),
        Test::CsatLatest(..) => answer(facts.csat()),
        Test::Subscription(state) => facts.subscription(*state).to_string(),
        Test::Mrr(_) => money(facts.mrr()),
        Test::MrrMovedWithin(..) => match facts.mrr_moved() {
            Some((age, direction)) => format!("{direction}, {:.2} days ago", age as f64 / DAY),
            None => unknown(),
        },
        Test::Identified(_) => facts.identified().to_string(),
        Test::ReturnedWithin(_) => length(facts.returned()),
        Test::RestartedWithin(_) => length(facts.restarted()),
        Test::Closed(_) => facts.closed().to_string(),
    }
}
