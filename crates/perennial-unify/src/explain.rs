//! Why a customer is in a lifecycle stage: the rules that were tried, over the facts that are served.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use perennial_base::config::Window;
use perennial_base::{Config, ErrorClass};
use perennial_engine::functions::table::literal;
use perennial_engine::{DATABASE, Engine, Login, Outcome, Session};
use perennial_udf_lifecycle::model::{
    CustomerFacts, Evaluator, Explanation, Kind as FactKind, NamedFact, OrderVersion, Refund, Score,
    StageModel, SubscriptionChange,
};

use crate::error::Result;
use crate::stages::subscription_status;

/// Why a customer is in a stage at a moment. Instants are as SQL shows them in UTC.
#[derive(Debug, Clone)]
pub struct LifecycleExplanation {
    /// The current id of the customer.
    pub customer_id: String,
    /// The moment.
    pub at: String,
    /// The model that was asked.
    pub model: StageModel,
    /// The interval of `lifecycle_history` at the moment: stage, entered, left, reason.
    pub interval: [Option<String>; 4],
    /// All intervals: stage, entered, left, reason.
    pub history: Vec<[Option<String>; 4]>,
    /// The rules over the facts as they are known today; instants in microseconds.
    pub rules: Explanation,
    /// Whether a window depends on the whole population's rhythm, which is not asked for here.
    pub population: bool,
}

impl LifecycleExplanation {
    /// The explanation, line by line.
    pub fn lines(&self) -> Vec<String> {
        let told = self;
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let name = |stage: usize| told.model.stage_name(stage).unwrap_or_default().to_owned();
        let [stage, entered, left, reason] = &told.interval;
        let until = match left {
            Some(left) => format!("until {left}"),
            None => "and still is".to_owned(),
        };
        let mut out = vec![
            format!("customer {} at {}", told.customer_id, told.at),
            format!(
                "stage    {} since {} ({}), {until}",
                text(stage),
                text(entered),
                text(reason)
            ),
            String::new(),
            "rules, in the order in which they are tried:".to_owned(),
        ];
        for rule in &told.rules.rules {
            out.push(format!(
                "  {} {}",
                if rule.holds { "✓" } else { "✗" },
                name(rule.stage)
            ));
            for test in &rule.tests {
                let mark = if test.holds { "✓" } else { "✗" };
                let until = test.until.and_then(chrono::DateTime::from_timestamp_micros);
                let until = until.map(|until| {
                    format!(
                        ", until {} if nothing happens",
                        until.format("%Y-%m-%d %H:%M:%S+00")
                    )
                });
                out.push(format!(
                    "      {mark} {}: {}{}",
                    test.condition,
                    test.known,
                    until.unwrap_or_default()
                ));
            }
        }
        if Some(name(told.rules.stage)) != *stage {
            out.push(format!(
            "  note: by the facts as they are known today the stage would be {}: some were corrected since, or windows follow the population",
            name(told.rules.stage)
        ));
        } else if told.population {
            out.push("  note: windows adapt; without three orders the longest one stands here for the population's".to_owned());
        }
        out.push(String::new());
        out.push("history:".to_owned());
        for [stage, entered, left, reason] in &told.history {
            let until = left.clone().unwrap_or_else(|| "now".to_owned());
            out.push(format!(
                "  {} … {until}  {} ({})",
                text(entered),
                text(stage),
                text(reason)
            ));
        }
        out
    }
}

/// Explains the stage of a customer at a moment; without one, at the moment that the snapshot describes.
///
/// # Errors
/// When there is no such customer, or it was not known at the moment.
pub async fn explain_lifecycle(
    engine: &Arc<Engine>,
    customer: &str,
    at: Option<&str>,
) -> Result<LifecycleExplanation> {
    let config = Arc::clone(engine.config());
    let asking = Asking {
        session: engine.session(Login {
            user: "admin".to_owned(),
            database: DATABASE.to_owned(),
            settings: vec![("TimeZone".to_owned(), "UTC".to_owned())],
            client: "local".to_owned(),
            pid: 1,
        })?,
    };
    let given = literal(customer);
    let retired = format!("SELECT customer_id FROM identity_redirects WHERE retired_customer_id = {given}");
    let id = asking.one(&retired).await?.unwrap_or_else(|| customer.to_owned());
    let of = literal(&id);
    let present = format!("SELECT CAST(as_of_at AS text) FROM customer_360 WHERE customer_id = {of}");
    let Some(present) = asking.one(&present).await? else {
        return Err(wrong(format!("customer \"{customer}\" does not exist"))
            .with_hint("SELECT customer_id FROM customers WHERE email = '…' finds one.")
            .into());
    };
    let at = literal(at.unwrap_or(&present));
    let instants = format!(
        "SELECT CAST(CAST({at} AS timestamptz) AS text), {}",
        micros(&format!("CAST({at} AS timestamptz)"))
    );
    let (at, instant) = match asking.rows(&instants).await?.pop().as_deref() {
        Some([Some(at), Some(instant)]) => (at.clone(), number(instant)),
        _ => return Err(wrong("the moment is no timestamp".to_owned()).into()),
    };
    let history = format!(
        "SELECT stage, CAST(entered_at AS text), CAST(left_at AS text), reason, {}, {} FROM lifecycle_history \
         WHERE customer_id = {of} ORDER BY entered_at",
        micros("entered_at"),
        micros("left_at")
    );
    let mut known = Vec::new();
    let (mut interval, mut first) = (None, None);
    for row in asking.rows(&history).await? {
        let [stage, entered, left, reason, from, until] = row.as_slice() else {
            continue;
        };
        let shown = [stage, entered, left, reason].map(Clone::clone);
        let from = from.as_deref().map_or(i64::MAX, number);
        first.get_or_insert(from);
        if from <= instant && until.as_deref().is_none_or(|until| instant < number(until)) {
            interval = Some(shown.clone());
        }
        known.push(shown);
    }
    let model = StageModel::from_config(&config.lifecycle)?;
    let mut facts = asking.facts(&config, &model, &of).await?;
    facts.first_seen_at = first.unwrap_or(i64::MAX);
    let rules = Evaluator::new(&model).explain(&facts.borrowed(), instant);
    let (Some(interval), Some(rules)) = (interval, rules) else {
        return Err(wrong(format!("customer \"{id}\" was not known at {at}"))
            .with_hint("lifecycle_history begins at the first sight of a customer.")
            .into());
    };
    let windows = [&model.windows().active, &model.windows().lapse];
    let population = windows
        .iter()
        .any(|window| matches!(window, Window::Adaptive { .. }));
    Ok(LifecycleExplanation {
        customer_id: id,
        at,
        model,
        interval,
        history: known,
        rules,
        population,
    })
}

fn wrong(message: String) -> perennial_engine::Error {
    perennial_engine::Error::new(ErrorClass::InvalidArgument, message)
}

/// An instant in microseconds, as text.
fn micros(instant: &str) -> String {
    format!(
        "CAST(arrow_cast(arrow_cast({instant}, 'Timestamp(Microsecond, Some(\"UTC\"))'), 'Int64') AS text)"
    )
}

/// An amount in ten-thousandths, as text.
fn money(amount: &str) -> String {
    format!("CAST(CAST({amount} * 10000 AS bigint) AS text)")
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or(0)
}

struct Asking {
    session: Session,
}

impl Asking {
    /// The rows of a query of texts.
    async fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let mut out = Vec::new();
        for statement in self.session.parse(sql).await? {
            let prepared = self.session.prepare(&statement, &[]).await?;
            let Outcome::Rows(mut rows) = self.session.run(&prepared, Vec::new()).await? else {
                continue;
            };
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                let columns: Vec<_> = batch
                    .columns()
                    .iter()
                    .map(|column| arrow::compute::cast(column, &DataType::Utf8))
                    .collect::<std::result::Result<_, _>>()?;
                for row in 0..batch.num_rows() {
                    let cell = |column: &arrow::array::ArrayRef| {
                        let column = column.as_string::<i32>();
                        column.is_valid(row).then(|| column.value(row).to_owned())
                    };
                    out.push(columns.iter().map(cell).collect());
                }
            }
        }
        Ok(out)
    }

    async fn one(&self, sql: &str) -> Result<Option<String>> {
        Ok(self.rows(sql).await?.into_iter().flatten().flatten().next())
    }

    /// The facts of a customer as they are known today.
    async fn facts(&self, config: &Config, model: &StageModel, of: &str) -> Result<Owned> {
        let mut facts = Owned::default();
        let strong: Vec<String> = config
            .identity
            .identifiers
            .iter()
            .filter(|rule| rule.strong)
            .map(|rule| literal(&rule.name))
            .collect();
        if !strong.is_empty() {
            let sql = format!(
                "SELECT {} FROM identities WHERE customer_id = {of} AND type IN ({})",
                micros("min(first_seen_at)"),
                strong.join(", ")
            );
            facts.identified_at = self.one(&sql).await?.as_deref().map(number);
        }
        let (time, amount) = (micros("time"), money("amount"));
        let order = "source || ' ' || order_id";
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let sql = format!(
            "SELECT {order}, {time}, {amount}, CAST(paid AS text), order_id FROM orders WHERE customer_id = {of} ORDER BY time"
        );
        let mut by_id: HashMap<String, u32> = HashMap::new();
        for row in self.rows(&sql).await? {
            if let [Some(key), Some(at), amount, paid, Some(id)] = row.as_slice() {
                let next = numbers.len() as u32;
                let order = *numbers.entry(key.clone()).or_insert(next);
                by_id.entry(id.clone()).or_insert(order);
                let amount = amount.as_deref().map(|amount| i128::from(number(amount)));
                facts.orders.push(OrderVersion::only(
                    order,
                    number(at),
                    amount,
                    paid.as_deref() == Some("true"),
                ));
            }
        }
        let sql =
            format!("SELECT order_id, {time}, {amount} FROM refunds WHERE customer_id = {of} ORDER BY time");
        for row in self.rows(&sql).await? {
            if let [Some(id), Some(at), amount] = row.as_slice()
                && let Some(order) = by_id.get(id)
            {
                let amount = amount.as_deref().map(|amount| i128::from(number(amount)));
                facts.refunds.push(Refund::only(number(at), *order, amount));
            }
        }
        let mut plans: HashMap<String, u32> = HashMap::new();
        let sql = format!(
            "SELECT source || ' ' || subscription_id, {time}, {}, status FROM subscriptions WHERE customer_id = {of} ORDER BY time",
            money("mrr")
        );
        for row in self.rows(&sql).await? {
            if let [Some(key), Some(at), mrr, status] = row.as_slice() {
                let next = plans.len() as u32;
                let plan = *plans.entry(key.clone()).or_insert(next);
                let mrr = mrr.as_deref().map(|mrr| i128::from(number(mrr)));
                let status = subscription_status(status.as_deref());
                facts
                    .subscriptions
                    .push(SubscriptionChange::only(number(at), plan, mrr, status));
            }
        }
        let sql = format!(
            "SELECT lower(trim(survey)), {time}, CAST(score AS text) FROM surveys WHERE customer_id = {of} ORDER BY time"
        );
        for row in self.rows(&sql).await? {
            if let [Some(survey), Some(at), Some(score)] = row.as_slice() {
                let score = Score::only(number(at), score.parse().unwrap_or(0.0));
                match survey.as_str() {
                    "nps" => facts.nps.push(score),
                    "csat" => facts.csat.push(score),
                    _ => {}
                }
            }
        }
        for kind in model.kinds() {
            let own = config
                .lifecycle
                .facts
                .iter()
                .find(|fact| FactKind::of_fact(&fact.name) == *kind);
            let (relation, predicate) = match (kind, own) {
                (FactKind::Event(name), _) => ("events", format!("name = {}", literal(name))),
                (FactKind::AnyEvent, _) => ("events", "true".to_owned()),
                (FactKind::Interaction, _) => ("interactions", "true".to_owned()),
                (_, Some(fact)) => (fact.relation.as_str(), fact.predicate.sql.clone()),
                _ => continue,
            };
            let Some(id) = model.kind(kind) else { continue };
            let sql = format!("SELECT {time} FROM {relation} WHERE customer_id = {of} AND ({predicate})");
            let instants = self.rows(&sql).await?.into_iter().flatten().flatten();
            facts
                .named
                .extend(instants.map(|at| NamedFact::only(number(&at), id)));
        }
        facts.named.sort_by_key(|fact| fact.at);
        Ok(facts)
    }
}

/// Facts of one customer that own themselves.
#[derive(Debug, Default)]
struct Owned {
    first_seen_at: i64,
    identified_at: Option<i64>,
    orders: Vec<OrderVersion>,
    refunds: Vec<Refund>,
    subscriptions: Vec<SubscriptionChange>,
    nps: Vec<Score>,
    csat: Vec<Score>,
    named: Vec<NamedFact>,
}

impl Owned {
    fn borrowed(&self) -> CustomerFacts<'_> {
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
}
